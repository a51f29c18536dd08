"""What a refused request is answered with: the envelope, its other form, and what is wrong."""
