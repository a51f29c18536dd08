"""The API as it runs, over the network."""
