"""What payouts need in tests: claims, a payment service, a blob server."""
