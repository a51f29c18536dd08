"""The audit log: changes recorded around an act, by the store that the act lends out."""
