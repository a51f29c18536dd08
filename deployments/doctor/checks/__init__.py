"""The doctor's checks, one part of the system each, and the table that lists them."""
