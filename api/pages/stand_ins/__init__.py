"""Who decides in the place of an absent person: named, listed, ended."""
