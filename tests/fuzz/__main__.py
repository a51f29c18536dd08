"""`python -m tests.fuzz`: Schemathesis against the API, by both of its documents, in good order and
without a database.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from api.documentation.parts import PARTS, Part
from blocks.contracts.roles import ROLES
from blocks.ports import Throttled, Unavailable
from tests.fuzz.raw import fuzz_bytes
from tests.support.api.credentials import a_service_token, as_user
from tests.support.api.every_route import RECORDS, a_record
from tests.support.api.served_api import served_api
from tests.support.factories import A_TENANT
from tests.support.stores import FailingStore

CONFIG = Path(__file__).with_name("schemathesis.toml")
STATES = {
    "healthy": None,
    "away": FailingStore(Unavailable("the database is away")),
    "throttled": FailingStore(Throttled("the database is busy", 2.0)),
}
ALL_CHECKS = "all"
DOCUMENTED_ONLY = "status_code_conformance,content_type_conformance,response_schema_conformance"
"""Without a database, 503 and 429 are right: all that counts is that they are documented and look
like it.
"""

_EXAMPLES = """
examples:
  make fuzz                                             every state of the database, 10,000 requests
  python -m tests.fuzz --state away --max-examples 20   one of them, shorter
  python -m tests.fuzz --seed 7 -- --include-tag Keys   what stands behind -- is for `st run`
"""


async def fuzz_raw(seed: int, count: int) -> int:
    """The same for bytes that no document invites."""
    with tempfile.TemporaryDirectory() as folder:
        async with served_api(
            Path(folder), REQUEST_HEAD_SECONDS="2", REQUEST_BODY_SECONDS="2"
        ) as api:
            faults = await fuzz_bytes(
                api.url, as_user(a_service_token(*ROLES, "act-for-users")), seed, count
            )
    sys.stdout.write("\n".join([*faults, f"{count} raw requests, {len(faults)} faults", ""]))
    return 1 if faults else 0


async def fuzz(part: Part, state: str, max_examples: int, seed: int, *options: str) -> int:
    """0 if nothing was found; Schemathesis prints what was, with a curl for each."""
    credential = as_user(a_service_token(*ROLES, "act-for-users"))
    with tempfile.TemporaryDirectory() as folder:
        async with served_api(Path(folder), STATES[state]) as api:
            for kind in {*RECORDS.values()}:
                await a_record(api.store, kind, A_TENANT)
            process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("st"),
                f"--config-file={CONFIG}",
                "run",
                f"{api.url}/schema/{part}.json",
                *(f"--header={name}: {value}" for name, value in credential.items()),
                f"--checks={ALL_CHECKS if state == 'healthy' else DOCUMENTED_ONLY}",
                "--wait-for-schema=120",  # of a busy machine
                f"--max-examples={max_examples}",
                f"--seed={seed}",
                *options,
            )
            return await process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--state", choices=STATES, action="append", help="of the database (default: each)"
    )
    parser.add_argument(
        "--max-examples", type=int, default=100, help="requests per route and phase (%(default)s)"
    )
    parser.add_argument(
        "--raw",
        type=int,
        default=5_000,
        help="requests of raw bytes, without --state (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another one asks other things (%(default)s)"
    )
    parser.add_argument("options", nargs="*", help="for `st run`")
    wanted = parser.parse_args(arguments)
    states = wanted.state or list(STATES)
    raw = 0 if wanted.state else asyncio.run(fuzz_raw(wanted.seed, wanted.raw))
    return max(
        [
            raw,
            *(
                asyncio.run(fuzz(part, state, wanted.max_examples, wanted.seed, *wanted.options))
                for part in PARTS
                for state in states
            ),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
