"""The command line, its views, and the doctor."""
