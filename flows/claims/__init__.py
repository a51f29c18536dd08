"""What belongs to the flow `claim-recovery`: the parts it works with, its phases, a journey's run."""
