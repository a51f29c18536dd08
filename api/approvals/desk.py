"""The approval that a path names, at the version that the request requires."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.approvals import examples
from api.approvals.errors import ApprovalChanged, ApprovalNotFound
from api.approvals.requests import ApprovalPath
from api.documentation.openapi import documented
from api.http.etags import IfMatch, wanted_version
from api.http.records import Bus, Engine, Store
from api.idempotency import KEY_ERRORS
from blocks import deciding
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.approvals.lifecycle import Change
from blocks.approvals.people import knowing
from blocks.approvals.questions import Ask
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import ApprovalRecord
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stale


class ApprovalInHand(msgspec.Struct, frozen=True):
    """One approval of the tenant, if it is still at the version that the request requires."""

    store: RecordStore
    bus: EventBus
    flow_runs: FlowRuns
    tenant_id: str
    stated_id: str
    version: int | None

    @property
    def id(self) -> str:
        """Raises `ApprovalNotFound` for what is no id: here, so that it comes after what is wrong
        with the body.
        """
        known_id = canonical_uuid(self.stated_id)
        if known_id is None:
            raise ApprovalNotFound
        return known_id

    async def decide(self, vote: Vote) -> ApprovalRecord:
        """Records the vote. Raises `Refused`, `ApprovalNotFound`, `ApprovalChanged`."""
        with _in_words_of_the_api():
            return await deciding.decide(
                self.store,
                self.bus,
                self.flow_runs,
                self.tenant_id,
                self.id,
                vote,
                version=self.version,
            )

    async def ask(self, ask: Ask) -> ApprovalRecord:
        """Records the question. Raises as `decide` does."""
        with _in_words_of_the_api():
            return await deciding.ask_back(
                self.store,
                self.bus,
                self.flow_runs,
                self.tenant_id,
                self.id,
                ask,
                version=self.version,
            )

    async def change(self, actor: Actor, make: Change) -> ApprovalRecord:
        """Records what `make` returns, which knows the actor under all their names.

        Raises as it does, `ApprovalNotFound`, `ApprovalChanged`.
        """
        with _in_words_of_the_api():
            stored = await lifecycle.change(
                self.store,
                self.tenant_id,
                self.id,
                lambda one: make(knowing(one, actor.named, actor.other_names)),
                version=self.version,
            )
        return await deciding.follow_up(self.store, self.bus, self.flow_runs, stored)


InHand = SkipValidation[NamedDependency[ApprovalInHand]]
"""The approval that the path names, as a route's argument."""


async def provide_approval(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    approval_id: ApprovalPath,
    if_match: IfMatch = None,
) -> ApprovalInHand:
    """Raises `InvalidRequest` for a malformed ETag."""
    return in_hand(store, bus, flow_runs, tenant_id, approval_id, wanted_version(if_match))


def in_hand(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    approval_id: str,
    version: int | None = None,
) -> ApprovalInHand:
    return ApprovalInHand(store, bus, flow_runs, tenant_id, approval_id, version)


@contextmanager
def _in_words_of_the_api() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise ApprovalNotFound from None
    except Stale:
        raise ApprovalChanged from None


def action(
    word: str, summary: str, *errors: type[Exception], opt: Mapping[str, Any] | None = None
) -> post:
    """Declares the route that does this to an approval and answers with it."""
    return post(
        f"/hitl/approvals/{{approvalId:str}}/{word}",
        status_code=200,
        summary=summary,
        tags=["Approvals"],
        opt=opt,
        responses=documented(
            examples.APPROVAL, ApprovalNotFound, ApprovalChanged, *errors, *KEY_ERRORS
        ),
    )
