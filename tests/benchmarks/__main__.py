"""`python -m tests.benchmarks`: measures, prints a table per benchmark and one at the end, and
writes JSON.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import msgspec
from rich.console import Console

from tests.benchmarks.measurements import (
    api,
    burst,
    fairness,
    idle,
    intake,
    journeys,
    latency,
    load,
    memory,
    pages,
    peers,
    phases,
    scaling,
    servers,
)
from tests.benchmarks.options import Options
from tests.benchmarks.report import FOLDER, Report, figures_table
from tests.benchmarks.sizing import kept_rows
from tests.benchmarks.stage import QuickStage, Stage

BENCHMARKS: Mapping[str, Callable[[Stage, Options], Awaitable[Report]]] = {
    "peers": peers.measure,
    "idle": idle.measure,
    "intake": intake.measure,
    "burst": burst.measure,
    "latency": latency.measure,
    "load": load.measure,
    "memory": memory.measure,
    "fairness": fairness.measure,
    "scaling": scaling.measure,
    "api": api.measure,
    "phases": phases.measure,
    "journeys": journeys.measure,
    "servers": servers.measure,
    "rows": kept_rows.measure,
    "pages": pages.measure,
}

GOALS = ("peers", "latency", "idle", "fairness")
"""Those whose targets are the goals of the product, so that `goals` ends with their table."""

_EXAMPLES = """
examples:
  make bench                                        all of them, about half an hour
  python -m tests.benchmarks goals                  peers, latency, idle, fairness
  python -m tests.benchmarks burst --events 500     one of them, smaller
  python -m tests.benchmarks latency fairness       two of them
  python -m tests.benchmarks burst --flame          and flame graphs of worker and listener
  python -m tests.benchmarks --quick                all of them on embedded parts: do they run?

They need RabbitMQ, PostgreSQL, for intake the Cosmos DB emulator, for servers Redis and HAProxy,
for peers Redis and Node; `make bench` installs them if it can. Celery and BullMQ are installed into
build/peers when they are first compared with.
"""


async def run(
    names: Sequence[str], options: Options, folder: Path, console: Console
) -> list[Report]:
    """The reports, each shown and written as soon as it is there."""
    reports, began = [], monotonic()

    def tell(part: str) -> None:
        minutes, seconds = divmod(round(monotonic() - began), 60)
        console.print(f"{minutes:3}:{seconds:02} {part}", style="dim")

    async with QuickStage(tell) if options.quick else Stage(tell) as stage:
        for name in names:
            console.print(f"\n{name}: load {os.getloadavg()[0]:.2f}", style="dim")
            report = await BENCHMARKS[name](stage, options)
            report.show(console)
            console.print(f"written to {report.write(folder)}", style="dim")
            reports.append(report)
    return reports


def _named(names: Sequence[str]) -> list[str]:
    """Each once; all of them if none is named."""
    wanted = [one for name in names for one in (GOALS if name == "goals" else (name,))]
    return list(dict.fromkeys(wanted)) or list(BENCHMARKS)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"goals, {', '.join(BENCHMARKS)} (default: all)"
    )
    parser.add_argument("--events", type=int, help="size of the burst, or number of lone events")
    parser.add_argument(
        "--rounds", type=int, help="how often each way is measured; the figure is the median"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test on embedded parts, in seconds"
    )
    parser.add_argument(
        "--flame", action="store_true", help="burst: flame graphs of worker and listener, too"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=FOLDER,
        help="folder for the JSON and the flame graphs (%(default)s)",
    )
    arguments = parser.parse_args()
    names = _named(arguments.names)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    options = Options(
        quick=arguments.quick,
        events=arguments.events,
        rounds=arguments.rounds,
        flames=arguments.out if arguments.flame else None,
    )
    console = Console(width=None if sys.stdout.isatty() else 160)
    reports = asyncio.run(run(names, options, arguments.out, console))
    judged = [
        msgspec.structs.replace(figure, name=f"{report.name}: {figure.name}")
        for report in reports
        for figure in report.figures
        if figure.is_met is not None
    ]
    if judged:
        console.print()
        console.print(figures_table("targets", judged))
    return 0 if all(figure.is_met for figure in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
