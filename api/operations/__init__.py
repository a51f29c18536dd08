"""Operations over HTTP: the routes of the platform's operations service, for the platform itself.

Purpose: names, paths and bodies are those that its callers know, with more fields. Contract: every
route needs the operator role of the system tenant; on `operations.address`, which only the private
network may reach, calls come without a credential. Errors are `{success: false, error}`. Pitfalls:
paths stand below `/api`, beside the tenants' below `/api/v1`.
"""
