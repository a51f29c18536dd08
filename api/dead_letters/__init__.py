"""A tenant's refused messages: listed, edited, replayed, discarded."""
