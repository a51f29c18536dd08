"""The system as it runs: real processes on real parts."""
