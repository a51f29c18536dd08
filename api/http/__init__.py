"""What every route shares: documents, errors, paging, and what is seen of each request."""
