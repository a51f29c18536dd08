"""The tenant API: what a tenant may see of its executions, over HTTP, and nothing of anybody else's.

Purpose: the routes of executions, approvals, dead letters and jobs, each in a package of its own; the smaller ones, a
file each, beside `app`, which has them all on one screen. `access` says who asks and may, `http` is what every route
shares, `audit` remembers who changed what, `live` tells events as they happen. Beside them runs `mirror`, which folds
Prefect's view into the records.
Contract: every route but those marked `PUBLIC` asks for a credential and a role (`access.authentication`,
`access.permissions`) and sees the credential's tenant only, as often a minute as `access.rate_limit` allows. Every
error is `{"error": {"code", "message"}}`, every response body a `Document`: an allow-list of fields, never a raw
record. `create_app` takes its dependencies as arguments; `server.run_api` is the composition root.
Pitfalls: a new route is closed until it is in the table of `access.permissions`, and the tests ask for a good request
of it (`tests/support/every_route.py`); one that changes something needs its name in `audit.acts`. `AUTH_MODE=gateway`
believes headers. Importing `api.server` imports Prefect (1.5 s); importing `api.app` does not.
"""
