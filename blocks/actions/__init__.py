"""The actions on an execution: start, cancel, retry; one function each, for every caller."""
