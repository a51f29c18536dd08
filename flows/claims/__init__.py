"""What belongs to the flow `claim-recovery`: its parts, its phases, a journey's run."""
