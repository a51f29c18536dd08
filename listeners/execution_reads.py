"""Reads the executions of answers that lie in the queue together by one query."""

import asyncio
from collections.abc import Mapping, Sequence

from blocks.contracts.records import ExecutionRecord
from blocks.ports import NotFound, RecordStore, Unavailable
from blocks.queries import every


class ExecutionReads:
    """What is asked for while a query of the tenant is under way goes out with the next one."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._asked: dict[str, dict[str, asyncio.Future[ExecutionRecord]]] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def read(self, tenant_id: str, execution_id: str) -> ExecutionRecord:
        """The tenant's execution as it is after this call began. Raises `NotFound`,
        `Unavailable`.
        """
        asked = self._asked.setdefault(tenant_id, {})
        if execution_id not in asked:
            asked[execution_id] = asyncio.get_running_loop().create_future()
        if tenant_id not in self._reading:
            self._reading[tenant_id] = asyncio.create_task(self._read_all(tenant_id))
        return await asyncio.shield(asked[execution_id])  # others may wait for the same

    async def _read_all(self, tenant_id: str) -> None:
        try:
            while asked := self._asked.pop(tenant_id, None):
                await self._answer_all(tenant_id, asked)
        finally:
            del self._reading[tenant_id]

    async def _answer_all(self, tenant_id: str, asked: "Asked") -> None:
        """A record that cannot be read fails those alone who asked for it."""
        try:
            found = await self._found(tenant_id, list(asked))
        except Exception as error:
            if isinstance(error, Unavailable) or len(asked) == 1:
                _fail(asked, error)
                return
            for id, answer in asked.items():
                await self._answer_all(tenant_id, {id: answer})
        else:
            _answer(asked, found)

    async def _found(self, tenant_id: str, ids: Sequence[str]) -> Mapping[str, ExecutionRecord]:
        if len(ids) == 1:  # a read by id costs Cosmos DB less than a query
            try:
                stored = await self._store.read(tenant_id, ExecutionRecord, ids[0])
            except NotFound:
                return {}
            return {ids[0]: stored.record}
        some = {"id": tuple(ids)}
        return {
            stored.record.id: stored.record
            async for stored in every(self._store, tenant_id, ExecutionRecord, some)
        }


Asked = Mapping[str, "asyncio.Future[ExecutionRecord]"]


def _answer(asked: Asked, found: Mapping[str, ExecutionRecord]) -> None:
    for id, answer in asked.items():
        if id in found:
            answer.set_result(found[id])
        else:
            answer.set_exception(NotFound(f"the tenant has no execution {id}"))
            answer.exception()  # who asked may have given up


def _fail(asked: Asked, error: Exception) -> None:
    for answer in asked.values():
        answer.set_exception(error)
        answer.exception()
