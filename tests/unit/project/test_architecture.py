"""Who may import whom: the table of the design's layout section, held against the imports in the
source.
"""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("blocks", "flows", "listeners", "api", "deployments")


class Layer(msgspec.Struct, frozen=True):
    """What one package may import of ours and of others'; the standard library is free unless a
    `Home` claims it.
    """

    name: str
    ours: tuple[str, ...]
    others: tuple[str, ...] = ("*",)
    never: tuple[str, ...] = ()


LAYERS = (
    Layer("blocks.contracts", ours=(), others=("msgspec",)),
    Layer("blocks.ports", ours=("blocks.contracts",), others=("msgspec",)),
    Layer("blocks", ours=("blocks",)),
    Layer("flows", ours=("blocks",)),
    Layer("listeners", ours=("blocks",), never=("prefect", "litestar")),
    Layer("api", ours=("blocks",), never=("prefect",)),
    Layer("deployments", ours=("blocks", "flows", "listeners", "api")),
)

# The rooms of each package, lowest first: a room imports only from rooms before it.
ROOMS = {
    "blocks": (
        (
            "contracts",
            "ports",
            "clock",
            "signals",
            "messages",
            "queries",
            "updates",
            "prefect_internals",
        ),
        (
            "tenants",
            "security",
            "schedules",
            "observability",
            "settings",
            "prefect_blocks",
            "processes",
        ),
        ("files", "adapters", "webhooks", "topology", "services", "notifications"),
        (
            "executions",
            "dead_letters",
            "jobs",
            "approvals",
            "json_text",
            "definitions",
            "actions",
            "claims",
            "deciding",
            "audit",
            "migration",
            "operations",
            "republishing",
        ),
    ),
    "flows": (
        ("shared", "analysis", "claims"),
        ("opportunity_analysis", "claim_recovery", "batch_job", "operations"),
    ),
    "listeners": (
        ("metrics", "dispatch", "triggers", "context"),
        (
            "answers",
            "approval_requests",
            "job_reports",
            "platform_events",
            "router",
            "dead_letters",
        ),
        ("webhooks", "redis_bridge", "service"),
    ),
    "api": (
        ("http", "access", "idempotency", "documentation", "cors"),
        (
            "executions",
            "approvals",
            "stand_ins",
            "audit",
            "dead_letters",
            "definitions",
            "dispatch",
        ),
        (
            "jobs",
            "keys",
            "usage",
            "webhooks",
            "live",
            "sockets",
            "health",
            "claims",
            "operations",
        ),
        ("pages",),
        ("app", "reconciler", "server"),
    ),
    "deployments": (
        (
            "printing",
            "logs",
            "prefect",
            "simulated",
            "worker",
            "bootstrap",
            "doctor",
            "local",
            "cli",
            "reference",
        ),
    ),
}
FILES_MAX = 15

# A library whose every import lies in the modules named.
HOMES = {
    "litestar": ("api", "deployments.simulated.*"),
    "azure": ("blocks.adapters.cosmos.*",),
    "aio_pika": ("blocks.adapters.rabbitmq.*",),
    "redis": ("blocks.adapters.redis.*", "blocks.operations.performance.*"),
    "sqlite3": ("blocks.adapters.sqlite.*",),
    "socketio": ("api.sockets.*",),
    "stamina": ("blocks.processes.retries",),
    "jwt": ("api.access.tokens", "api.access.key_sets"),
}

# Importing these takes longer than a person waits for a help text.
HEAVY = ("prefect", "litestar", "azure", "aio_pika", "fastapi")


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_package_imports_only_what_its_layer_may(layer: Layer) -> None:
    assert [] == [
        f"{module} imports {target}"
        for module, target in imports_of_the_project()
        if _within(module, layer.name) and not _may_import(layer, target)
    ]


@pytest.mark.parametrize("library", HOMES)
def test_an_sdk_is_imported_only_by_its_adapter(library: str) -> None:
    assert [] == [
        f"{module} imports {target}"
        for module, target in imports_of_the_project()
        if _within(target, library) and not _within(module, *HOMES[library])
    ]


@pytest.mark.parametrize("package", ROOMS)
def test_arrows_between_rooms_run_downwards(package: str) -> None:
    order = [room for row in ROOMS[package] for room in row]
    arrows = [
        (module, target, _room(module), _room(target))
        for module, target in imports_of_the_project()
        if _within(module, f"{package}.*") and _within(target, f"{package}.*")
    ]

    assert [] == [
        f"{a} imports {b}"
        for a, b, lower, upper in arrows
        if order.index(lower) < order.index(upper)
    ]
    assert arrows


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_has_its_place_in_the_order(package: str) -> None:
    order = [room for row in ROOMS[package] for room in row]

    assert sorted(order) == sorted(
        path.stem
        for path in (ROOT / package).iterdir()
        if path.stem != "__init__" and _holds_modules(path)
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, target in imports_of_the_project(only_at_run_time=True):
        graph[module].add(target)

    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_folder_is_a_hall() -> None:
    files = [
        path
        for top in (*PACKAGES, "tests")
        for path in (ROOT / top).rglob("*.py")
        if "node_modules" not in path.parts and path.name != "__init__.py"
    ]
    crowded = {
        folder: count
        for folder, count in Counter(path.parent for path in files).items()
        if count > FILES_MAX
    }

    assert {} == crowded


def test_every_package_of_the_layout_is_there() -> None:
    assert set(PACKAGES) == {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}


def test_the_help_text_comes_without_the_heavy_libraries() -> None:
    program = f"""
import sys
from deployments.cli.app import main
sys.argv = ["orchestrator", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "[]") == (run.returncode, run.stderr.strip())
    assert "Usage: orchestrator" in run.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import litestar.handlers as handlers", {"litestar.handlers"}),
        ("from azure.cosmos import exceptions", {"azure.cosmos"}),
        ("from blocks import contracts, missing", {"blocks.contracts", "blocks"}),
        ("from blocks.ports import EventBus", {"blocks.ports"}),
        ("from . import ports", {"blocks.ports"}),
        ("from .contracts.ids import execution_id", {"blocks.contracts.ids"}),
        ("def later():\n    import prefect", {"prefect"}),
    ],
)
def test_every_form_of_import_is_read(line: str, expected: set[str]) -> None:
    modules = {
        "blocks": ROOT,
        "blocks.contracts": ROOT,
        "blocks.ports": ROOT,
        "blocks.contracts.ids": ROOT,
    }
    assert expected == set(_imports(ast.parse(line), package="blocks", modules=modules))


def imports_of_the_project(*, only_at_run_time: bool = False) -> Iterator[tuple[str, str]]:
    """Every (module, imported module) of our packages, imports inside functions included."""
    modules = {
        _module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    for module, path in modules.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        tree = ast.parse(path.read_text())
        if only_at_run_time:
            tree.body = [one for one in tree.body if not _is_for_type_checkers(one)]
        for target in _imports(tree, package=package, modules=modules):
            yield module, target


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"


def _room(module: str) -> str:
    return module.split(".")[1]


def _holds_modules(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.AST, *, package: str, modules: Mapping[str, Path]) -> Iterable[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(names=names):
                source = _source(node, package)
                members = (f"{source}.{alias.name}" for alias in names)
                yield from (member if member in modules else source for member in members)


def _source(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what stands after `from`; each dot after the first goes
    up one package.
    """
    if not node.level:
        return node.module or ""
    base = package.rsplit(".", node.level - 1)[0]
    return f"{base}.{node.module}" if node.module else base


def _may_import(layer: Layer, target: str) -> bool:
    if _within(target, *layer.never):
        return False
    if _within(target, *PACKAGES):
        return _within(target, layer.name, *layer.ours)
    return target.partition(".")[0] in sys.stdlib_module_names or _within(target, *layer.others)


def _within(module: str, *names: str) -> bool:
    return any(fnmatch(module, name) or fnmatch(module, f"{name}.*") for name in names)
