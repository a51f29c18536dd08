"""`python -m tests.chaos`: breaks the system at random while events come in, then
audits its books.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import get_args

import msgspec
from rich.console import Console

from tests.chaos.profile import PROFILES, Profile
from tests.chaos.run import run
from tests.chaos.system import Database

_OUT = Path("build/chaos")

_EXAMPLES = """
examples:
  make chaos                                     the profile for every change, under five minutes
  make chaos ARGS="--profile two-of-everything"  two APIs and Prefect servers, a rolling restart
  make soak                                      10,000 events, about half an hour
  python -m tests.chaos --seed 7                 the profile ci with another seed
  python -m tests.chaos --events 1000 --kills 40 more of both
  python -m tests.chaos --profile smallest --database sqlite --keep

Exit code 1: a promise was broken; the logs, records and databases of the run are kept, and the
report says where.
It needs RabbitMQ and, unless another is given, PostgreSQL; `make chaos` installs them if it can.
"""


def main() -> int:
    arguments = _arguments()
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    changes = {
        name: getattr(arguments, name) for name in _NUMBERS if getattr(arguments, name) is not None
    }
    profile: Profile = msgspec.structs.replace(PROFILES[arguments.profile], **changes)
    options = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in changes.items())
    command = (
        f"python -m tests.chaos --profile {arguments.profile} {options} --database "
        f"{arguments.database}"
    )
    command = f"{' '.join(command.split())} --seed {seed}"
    folder: Path = (
        arguments.out / f"run-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-seed-{seed}"
    ).absolute()
    for library in ("aio_pika", "aiormq"):  # they log every connection that this run cuts
        logging.getLogger(library).setLevel(logging.CRITICAL)
    console = Console(width=None if sys.stdout.isatty() else 140)
    folder.mkdir(parents=True)
    report = asyncio.run(run(profile, seed, folder, arguments.database, command, console))
    report.show(console)
    console.print(f"written to {report.write(arguments.out)}", style="dim", highlight=False)
    if report.is_kept and not arguments.keep:
        shutil.rmtree(folder)
    else:
        console.print(f"logs, records and databases are in {folder}", highlight=False)
    return 0 if report.is_kept else 1


_NUMBERS = {
    "events": int,
    "per_second": float,
    "kills": int,
    "broker_restarts": int,
    "server_restarts": int,
    "freezes": int,
    "cuts": int,
    "listeners": int,
    "workers": int,
    "apis": int,
    "servers": int,
    "rolling_restarts": int,
    "tenants": int,
    "settle_seconds": float,
}
"""What may be laid over a profile."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--profile", choices=PROFILES, default="ci", help="how much happens (%(default)s)"
    )
    parser.add_argument("--seed", type=int, help="repeats a plan (default: drawn)")
    parser.add_argument(
        "--database",
        choices=get_args(Database),
        default="postgresql",
        help="of Prefect's server (%(default)s)",
    )
    for name, kind in _NUMBERS.items():
        defaults = ", ".join(
            f"{profile} {getattr(PROFILES[profile], name):g}" for profile in PROFILES
        )
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, metavar="N", help=f"({defaults})"
        )
    parser.add_argument(
        "--keep", action="store_true", help="keep logs, records and databases in any case"
    )
    parser.add_argument(
        "--out", type=Path, default=_OUT, help="folder for reports and runs (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
