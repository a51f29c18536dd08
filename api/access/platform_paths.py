"""The paths of operations: they stand below `/api`, as their callers know them, and the tenants'
below `/api/v1`.
"""

OF_THE_PLATFORM = tuple(
    f"/api/{name}"
    for name in (
        *("health", "workflows", "trigger", "runs", "events", "webhooks"),
        *("stats", "history", "metrics"),
    )
)
"""How they begin."""
