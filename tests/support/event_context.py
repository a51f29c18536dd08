"""What handlers of events are given, where a test calls one of them without a router."""

from typing import cast

from blocks.ports import EventBus, RecordStore
from blocks.settings import load_settings
from listeners.context import Context
from listeners.dispatch.dispatcher import Dispatcher
from listeners.triggers.intake import Intake
from tests.support.flow_runs import RememberedFlowRuns


def context_of(store: RecordStore, bus: EventBus | None = None) -> Context:
    """The store and the bus; a handler that needs no bus may go without."""
    open_bus = cast(EventBus, bus)
    dispatcher = Dispatcher(load_settings({}).dispatch, store, open_bus, RememberedFlowRuns())
    return Context(store, open_bus, Intake(store, dispatcher))
