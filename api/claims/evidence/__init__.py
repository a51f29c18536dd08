"""Evidence of claims, as the platform's clients know its routes: prompts, packets, their log."""
