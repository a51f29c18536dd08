"""`python -m tests.benchmarks`: measures, prints a table per benchmark and one at the end, and
writes JSON.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from tests.benchmarks.measurements import (
    api,
    burst,
    fairness,
    intake,
    journeys,
    latency,
    load,
    memory,
    pages,
    phases,
    scaling,
    servers,
)
from tests.benchmarks.options import Options
from tests.benchmarks.report import FOLDER, Report, figures_table
from tests.benchmarks.stage import QuickStage, Stage

BENCHMARKS: Mapping[str, Callable[[Stage, Options], Awaitable[Report]]] = {
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
    "pages": pages.measure,
}

_EXAMPLES = """
examples:
  make bench                                        all of them, about half an hour
  python -m tests.benchmarks burst --events 500     one of them, smaller
  python -m tests.benchmarks latency fairness       two of them
  python -m tests.benchmarks --quick                all of them on embedded parts: do they run?

They need RabbitMQ, PostgreSQL, for intake the Cosmos DB emulator, for servers Redis and HAProxy;
`make bench` installs them if it can.
"""


async def run(
    names: Sequence[str], options: Options, folder: Path, console: Console
) -> list[Report]:
    """The reports, each shown and written as soon as it is there."""
    reports = []
    async with QuickStage() if options.quick else Stage() as stage:
        for name in names:
            console.print(f"\n{name}: load {os.getloadavg()[0]:.2f}", style="dim")
            report = await BENCHMARKS[name](stage, options)
            report.show(console)
            console.print(f"written to {report.write(folder)}", style="dim")
            reports.append(report)
    return reports


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)"
    )
    parser.add_argument("--events", type=int, help="size of the burst, or number of lone events")
    parser.add_argument(
        "--rounds", type=int, help="how often each way is measured; the figure is the median"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test on embedded parts, in seconds"
    )
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder for the JSON (%(default)s)"
    )
    arguments = parser.parse_args()
    names = arguments.names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    options = Options(quick=arguments.quick, events=arguments.events, rounds=arguments.rounds)
    console = Console(width=None if sys.stdout.isatty() else 160)
    reports = asyncio.run(run(names, options, arguments.out, console))
    judged = [
        figure for report in reports for figure in report.figures if figure.is_met is not None
    ]
    if judged:
        console.print()
        console.print(figures_table("targets", judged))
    return 0 if all(figure.is_met for figure in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
