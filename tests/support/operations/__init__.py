"""What tests of operations are run against."""
