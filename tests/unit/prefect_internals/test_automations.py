"""Which ends of a run the automations of bootstrap notify of."""

from blocks.ports.flow_runs import REFUSED
from deployments.bootstrap.automations import WATCHES


def test_every_state_in_which_a_run_has_failed_is_watched_once() -> None:
    """Prefect names the event after the state: a refused run raises no `Failed`."""
    watched = [event for watch in WATCHES for event in watch.events]

    for state in ("Failed", "Crashed", "PartlyFailed", REFUSED):
        assert 1 == watched.count(f"prefect.flow-run.{state}")
