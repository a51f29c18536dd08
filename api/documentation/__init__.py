"""The OpenAPI document of the API, and the page that is made from it."""
