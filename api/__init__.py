"""The tenant API: a tenant's own executions over HTTP, and no other tenant's.

Purpose: a package per area, with its routes, documents and examples; `app` lists all of them.
`access` is who asks and what they may do, `http` what every route shares, `audit` the record of
changes, `live` the stream of events, `pages` the same things for people in a browser. Beside them
runs `reconciler`, which folds Prefect's view into the records.
Contract: every route but those marked `PUBLIC` requires a credential and a role
(`access.authentication`, `access.permissions`), sees the credential's tenant only, and is limited
by `access.limits.rate_limit`. Every error is `{"error": {"code", "message"}}`, every response body
a `Document`: an allow-list of fields, never a raw record; a page is HTML. `create_app` takes its
dependencies as arguments; `server.run_api` is the composition root.
Pitfalls: a new route is closed until it is in the table of `access.permissions`, and the tests
require a valid request for it (`tests/support/api/every_route.py`); one that changes something
needs its name in `audit.acts`. `AUTH_MODE=gateway` trusts headers. Importing `api.server` imports
Prefect (1.5 s); importing `api.app` does not.
"""
