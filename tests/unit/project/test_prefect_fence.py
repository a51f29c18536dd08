"""Private names of Prefect are imported, read and patched in `blocks/prefect_internals` and nowhere
else.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("blocks", "flows", "listeners", "api", "deployments")
FENCE = ROOT / "blocks" / "prefect_internals"

PRIVATE_MODULE = re.compile(r"prefect(\.\w+)*\._\w+[.\w]*")
REFLECTION = ("vars", "getattr", "setattr", "delattr")

EXTENSIONS = {
    "InProcessWorker",
    "InProcessFlowRunEngine",
    "InProcessResult",
    "RunClient",
    "QueueingSqlite",
    "RunLogQueue",
    "RunLogHandler",
    # Documented ways to extend Prefect: blocks.
    "MessageBroker",
    "RecordDatabase",
    "Notifications",
    "PlatformServices",
}
"""A class that is new here and overrides private members has a table in the fence."""


def test_no_module_outside_the_fence_knows_a_private_name_of_prefect() -> None:
    assert [] == [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in _modules()
        if FENCE not in path.parents
        for line, what in private_uses(ast.parse(path.read_text()))
    ]


def test_the_fence_is_where_they_are() -> None:
    found = {
        path.name
        for path in _modules()
        if FENCE in path.parents and [*private_uses(ast.parse(path.read_text()))]
    }

    assert {"cron.py", "engine.py", "server.py", "suspension.py"} == found


def test_the_classes_that_extend_prefects_are_known() -> None:
    assert EXTENSIONS == {
        node.name
        for path in _modules()
        for tree in [ast.parse(path.read_text())]
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(_root(base) in names_of_prefect(tree) for base in node.bases)
    }


@pytest.mark.parametrize(
    "code",
    [
        "import prefect._internal",
        "import prefect._internal.concurrency as c",
        "from prefect._internal import concurrency",
        "from prefect import _internal",
        "from prefect.flow_engine import _flow_parameters",
        "def f():\n    from prefect._vendor.croniter import croniter",
        "from prefect import flow_engine\nflow_engine._flow_parameters()",
        "import prefect.flow_engine as e\ne.AsyncFlowRunEngine._client",
        (
            "import prefect.server.api.server\nvars(prefect.server.api.server)['CORSMiddleware'] = "
            "None"
        ),
        "from prefect import flow_engine\nsetattr(flow_engine, 'capture_sigterm', None)",
        "from prefect import flow_engine\nflow_engine.capture_sigterm = None",
        "import prefect\ndel prefect.flow_engine.capture_sigterm",
        "import importlib\nimportlib.import_module('prefect._internal')",
        (
            "from prefect.client.orchestration import get_client\nclient = "
            "get_client()\nclient._client"
        ),
        "from prefect.flows import Flow\ndef f(flow: Flow):\n    return flow._storage",
    ],
)
def test_every_form_of_private_use_is_found(code: str) -> None:
    assert [*private_uses(ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    [
        "from prefect import flow, task",
        "import prefect.runtime.flow_run\nprefect.runtime.flow_run.id",
        "from prefect.client.orchestration import get_client\nget_client().hello()",
        (
            "from prefect.flows import Flow\nclass C:\n    def f(self):\n        self._x = "
            "Flow.__name__"
        ),
    ],
)
def test_public_use_is_free(code: str) -> None:
    assert [] == [*private_uses(ast.parse(code))]


def private_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, what) of each import, read or patch of what Prefect keeps to itself."""
    names = names_of_prefect(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                modules = [alias.name for alias in aliases]
            case ast.ImportFrom(module=module, names=aliases, level=0):
                modules = [f"{module}.{alias.name}" for alias in aliases]
            case ast.Constant(value=str(text)) if PRIVATE_MODULE.fullmatch(text):
                modules = [text]
            case _:
                modules = []
        yield from ((node.lineno, name) for name in modules if PRIVATE_MODULE.fullmatch(name))  # type: ignore[attr-defined]
        match node:
            case ast.Attribute(value=value, attr=name) if (
                names and _is_private(name) and not _is_own(value)
            ):
                yield node.lineno, ast.unparse(node)
            case ast.Attribute(ctx=ast.Store() | ast.Del()) if _root(node) in names:
                yield node.lineno, f"{ast.unparse(node)} is patched"
            case ast.Call(func=ast.Name(id=function), args=[first, *_]) if function in REFLECTION:
                if _root(first) in names:
                    yield node.lineno, ast.unparse(node)
            case _:
                pass


def names_of_prefect(tree: ast.Module) -> set[str]:
    """The names that imports from Prefect bind in this module."""
    return {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if f"{getattr(node, 'module', None) or alias.name}.".startswith("prefect.")
    }


def _is_private(name: str) -> bool:
    # `_block_type_name` and its kin are documented for blocks.
    return name.startswith("_") and not name.startswith(("__", "_block_type_"))


def _is_own(value: ast.expr) -> bool:
    """The object itself, of whose class the fence has a table; or a class that is being built from
    it.
    """
    return ast.unparse(value) in ("self", "cls", "super()")


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")
