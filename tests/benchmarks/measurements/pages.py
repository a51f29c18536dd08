"""What a page costs: processor time of a request, and bytes of a first view, each page once shown
before.

The application is called without a network, on the embedded store, with 10,000 executions of the
tenant beside all that the pages show. Processor time, unlike time, says the same on a busy machine.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from blocks.contracts.roles import ROLES
from tests.benchmarks.options import Options
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.screenshots.pages import LINK_SECRET, fill
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token
from tests.support.factories import an_execution, now
from tests.support.pages.visitor import Visitor, a_visitor

EXECUTIONS = 10_000
ROUNDS = 9
MS_MAX = 200.0
KB_MAX = 100.0


async def measure(stage: Stage, options: Options) -> Report:
    """The median of each page, the slowest and the heaviest."""
    count, rounds = options.count(EXECUTIONS, 50), options.turns(ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        async with an_api(Path(folder), APPROVAL_LINK_SECRET=LINK_SECRET) as api:
            samples = await _pages(api, Path(folder), count, rounds)
    slowest = max(sample["ms"] for sample in samples)
    heaviest = max(sample["kB"] for sample in samples)
    return Report(
        name="pages",
        question="What does a page cost?",
        parameters={"executions": count, "rounds": rounds, "pages": len(samples)},
        figures=[
            *(Figure(sample["page"], sample["ms"], "ms") for sample in samples),
            Figure("slowest page, processor time", slowest, "ms", at_most=MS_MAX),
            Figure("heaviest first view", heaviest, "kB", at_most=KB_MAX),
        ],
        samples=samples,
    )


async def _pages(api: Api, folder: Path, count: int, rounds: int) -> list[dict[str, Any]]:
    paths = await fill(api.store, folder)
    for number in range(count):
        status = "failed" if number % 25 == 0 else "completed"
        await api.holds(an_execution(subject=f"deal {number}", status=status, completed_at=now()))
    samples = []
    for tenant, named in paths.items():
        async with a_visitor(api.app) as visitor:
            if tenant:
                await visitor.sign_in(a_token(*ROLES, tenant_id=tenant))
            for name, path in named.items():
                samples.append(await _sample(visitor, name, path, rounds))
    return samples


async def _sample(visitor: Visitor, name: str, path: str, rounds: int) -> dict[str, Any]:
    size = await _first_view(visitor, path)
    took = []
    for _ in range(rounds):
        began = time.process_time()
        answer = await visitor.client.get(path, headers={"Accept": "text/html"})
        took.append((time.process_time() - began) * 1000)
        assert answer.status_code == (404 if name == "error" else 200), f"{path}: {answer.text}"
    return {"page": name, "ms": round(median(took), 1), "kB": round(size / 1000, 1)}


async def _first_view(visitor: Visitor, path: str) -> int:
    """Bytes of the page and of the files that it loads, uncompressed."""
    shown = await visitor.open(path)
    named = {attributes.get("src") or attributes.get("href") or "" for _, attributes in shown.tags}
    files = [await visitor.client.get(one) for one in named if one.startswith("/assets/")]
    return sum(len(answer.content) for answer in [shown.response, *files])
