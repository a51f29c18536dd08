"""Events, records, ids and states: what is read, what is refused, what is published."""
