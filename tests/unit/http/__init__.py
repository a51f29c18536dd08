"""What every route of the API does alike."""
