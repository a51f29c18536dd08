"""The tenant API: what a tenant may see of its executions, over HTTP, and nothing of anybody else's.

Purpose: a package per area, with its routes, documents and examples; `app` has all of them on one screen. `access` is
who asks and what they may, `http` what every route shares, `audit` the record of changes, `live` the stream of events.
Beside them runs `reconciler`, which folds Prefect's view into the records.
Contract: every route but those marked `PUBLIC` asks for a credential and a role (`access.authentication`,
`access.permissions`) and sees the credential's tenant only, as often a minute as `access.rate_limit` allows. Every
error is `{"error": {"code", "message"}}`, every response body a `Document`: an allow-list of fields, never a raw
record. `create_app` takes its dependencies as arguments; `server.run_api` is the composition root.
Pitfalls: a new route is closed until it is in the table of `access.permissions`, and the tests ask for a good request
of it (`tests/support/api/every_route.py`); one that changes something needs its name in `audit.acts`.
`AUTH_MODE=gateway` believes headers. Importing `api.server` imports Prefect (1.5 s); importing `api.app` does not.
"""
