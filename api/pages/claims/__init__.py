"""`/claims`: journeys of claim recovery as people follow them."""
