"""Private servers for tests, and proxies that break the way to them."""
