"""What a tenant sets for a workflow: its versions, its rules, the deadlines that follow from it."""
