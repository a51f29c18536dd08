"""`/workflows`: what runs here, when, how it went, and starting it by hand."""
