"""One approval as a page: what is asked, what was found, and the decision."""
