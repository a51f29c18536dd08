"""Flow runs that were created and that no worker has started yet, as far as this dispatcher knows."""

from time import monotonic

PATIENCE_SECONDS = 5.0
"""A run whose start nobody told us of counts as started after this long: a lost signal costs only this."""


class UnstartedRuns:
    """At most one per tenant makes the others of the tenant wait; what is too old is forgotten by looking."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[str, int, float]] = {}

    def add(self, run_id: str, tenant_id: str, executions: int) -> None:
        self._runs[run_id] = (tenant_id, executions, monotonic())

    def remove(self, run_id: str) -> bool:
        """True if the run was here."""
        return self._runs.pop(run_id, None) is not None

    def __len__(self) -> int:
        self._forget_old()
        return len(self._runs)

    def __contains__(self, tenant_id: object) -> bool:
        self._forget_old()
        return any(tenant == tenant_id for tenant, _, _ in self._runs.values())

    def executions(self, tenant_id: str) -> int:
        """How many executions of this tenant they carry."""
        self._forget_old()
        return sum(executions for tenant, executions, _ in self._runs.values() if tenant == tenant_id)

    def _forget_old(self) -> None:
        oldest = monotonic() - PATIENCE_SECONDS
        for run_id in [run_id for run_id, (_, _, since) in self._runs.items() if since < oldest]:
            del self._runs[run_id]
