"""The tenant API: what a tenant may see of its executions, over HTTP, and nothing of anybody else's.

Purpose: read routes for executions, the routes older clients know (`/api/v1/workflows`, `/api/v1/hitl/approvals`),
health, readiness and metrics; beside them runs the mirror, which folds Prefect's view into the records.
Contract: every route but those marked `PUBLIC` asks for a credential and a role (`authentication`, `permissions`) and
sees the credential's tenant only, as often a minute as `rate_limit` allows;
every error is `{"error": {"code", "message"}}`,
every response body is a `Document`: an allow-list of fields, never a raw record. `create_app` takes its dependencies
as arguments; `server.run_api` is the composition root.
Pitfalls: a new route is closed until it is in the table of `permissions`, and the tests ask for a good request of it
(`tests/support/every_route.py`). `AUTH_MODE=gateway` believes headers. Importing `api.server` imports Prefect (1.5 s);
importing `api.app` does not.
"""
