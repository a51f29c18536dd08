"""Messages that were refused, as records: kept, edited, replayed, discarded."""
