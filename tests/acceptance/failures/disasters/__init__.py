"""The loss of what a part keeps: the procedures of docs/disasters.md, carried out."""
