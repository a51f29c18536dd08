"""The tenant API: what a tenant may see of its executions, over HTTP, and nothing of anybody else's.

Purpose: read routes for executions, the routes older clients know (`/api/v1/workflows`, `/api/v1/hitl/approvals`),
health, readiness and metrics; beside them runs the mirror, which folds Prefect's view into the records.
Contract: every `/api/v1` route takes the tenant from `X-Tenant-ID`, every error is `{"error": {"code", "message"}}`,
every response body is a `Document`: an allow-list of fields, never a raw record. `create_app` takes its dependencies
as arguments; `server.run_api` is the composition root.
Pitfalls: the header is trusted. Until the API authenticates by itself, a gateway in front of it must set the header and
drop whatever the client sent. Importing `api.server` imports Prefect (1.5 s); importing `api.app` does not.
"""
