"""What tests of claim recovery share."""
