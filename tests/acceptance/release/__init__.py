"""What a release consists of, used as its users do."""
