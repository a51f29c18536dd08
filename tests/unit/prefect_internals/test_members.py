"""The members of Prefect's classes that ours override or use are there, as the fence's tables say.

A failure after an upgrade of Prefect names the member: read what Prefect does there now, then
change the subclass and the table together. docs/prefect-upgrade.md is the checklist.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.logging.handlers import APILogWorker
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessWorker

from blocks.prefect_internals.engine import ENGINE_MEMBERS
from blocks.prefect_internals.member import Member
from blocks.prefect_internals.run_logs import QUEUE_MEMBERS, RunLogQueue
from blocks.prefect_internals.server import SQLITE_MEMBERS
from blocks.prefect_internals.worker import WORKER_MEMBERS
from deployments.prefect.embedded import QueueingSqlite
from deployments.worker.in_process_engine import InProcessFlowRunEngine
from deployments.worker.in_process_worker import InProcessWorker

HINT = "see docs/prefect-upgrade.md"


class Extended(NamedTuple):
    """A class of Prefect, ours that extends it, and what the fence lists of it."""

    base: type[Any]
    ours: type[Any]
    members: tuple[Member, ...]
    attributes: frozenset[str]
    """Of an instance of the base class; methods included."""
    only_private: bool


def _of_worker() -> frozenset[str]:
    return frozenset({*dir(BaseWorker), *vars(ProcessWorker("a pool"))})


def _of_engine() -> frozenset[str]:
    return frozenset(
        {*dir(AsyncFlowRunEngine), *(field.name for field in fields(AsyncFlowRunEngine))}
    )


def _of_queue() -> frozenset[str]:
    opened = inspect.unwrap(APILogWorker._lifespan).__code__
    return frozenset({*dir(APILogWorker), *opened.co_names})


EXTENDED = (
    Extended(APILogWorker, RunLogQueue, QUEUE_MEMBERS, _of_queue(), only_private=True),
    Extended(BaseWorker, InProcessWorker, WORKER_MEMBERS, _of_worker(), only_private=True),
    Extended(
        AsyncFlowRunEngine, InProcessFlowRunEngine, ENGINE_MEMBERS, _of_engine(), only_private=False
    ),
    Extended(
        AioSqliteConfiguration,
        QueueingSqlite,
        SQLITE_MEMBERS,
        frozenset(dir(AioSqliteConfiguration)),
        only_private=False,
    ),
)
MEMBERS = [
    pytest.param(extended, member, id=f"{extended.base.__name__}.{member.name}")
    for extended in EXTENDED
    for member in extended.members
]


@pytest.mark.parametrize(("extended", "member"), MEMBERS)
def test_prefects_class_has_the_member_as_the_fence_lists_it(
    extended: Extended, member: Member
) -> None:
    name = f"{extended.base.__name__}.{member.name}"
    assert member.name in extended.attributes, f"Prefect has no {name} any more; {HINT}"
    if member.parameters is not None:
        method = getattr(extended.base, member.name)
        assert (member.parameters, member.is_async) == (
            _parameters(method),
            inspect.iscoroutinefunction(method),
        ), f"{name} has another signature; {HINT}"


@pytest.mark.parametrize(("extended", "member"), [m for m in MEMBERS if m.values[1].called_by])  # type: ignore[union-attr]
def test_prefects_class_calls_what_is_overridden(extended: Extended, member: Member) -> None:
    caller = inspect.unwrap(getattr(extended.base, member.called_by or ""))

    assert member.name in _names_in(caller.__code__), (
        f"{member.called_by} calls no {member.name}; {HINT}"
    )


@pytest.mark.parametrize("extended", EXTENDED, ids=lambda extended: extended.base.__name__)
def test_an_override_takes_what_prefect_passes(extended: Extended) -> None:
    for member in extended.members:
        if member.parameters is not None and member.name in vars(extended.ours):
            theirs = inspect.signature(getattr(extended.base, member.name))
            positional = [
                p for p in theirs.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
            ]
            inspect.signature(getattr(extended.ours, member.name)).bind(*positional)


@pytest.mark.parametrize("extended", EXTENDED, ids=lambda extended: extended.base.__name__)
def test_the_fence_lists_every_member_that_is_used_and_no_other(extended: Extended) -> None:
    """It also fails when a new version of Prefect has a member with the name of one of ours."""
    used = {
        name
        for name in _own_names(extended.ours) & extended.attributes
        if name.startswith("_") or not extended.only_private
    }

    assert {member.name for member in extended.members} == used


def _parameters(method: Any) -> str:
    signature = inspect.signature(method)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _names_in(code: CodeType) -> set[str]:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return {*code.co_names}.union(*map(_names_in, inner))


def _own_names(ours: type[Any]) -> set[str]:
    """What the class body defines, and what its methods take from `self`, `cls` or `super()`; no
    dunders.
    """
    tree = ast.parse(Path(inspect.getfile(ours)).read_text())
    [body] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == ours.__name__
    ]
    return {name for name in _mentioned(body) if not name.startswith("__")}


def _mentioned(body: ast.ClassDef) -> Iterator[str]:
    for statement in body.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass
    for node in ast.walk(body):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                yield name
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                yield name
            case _:
                pass
