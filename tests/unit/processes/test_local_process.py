"""What this machine knows about its processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.processes.local_process import has_ended, this_process

pytestmark = pytest.mark.skipif(not Path("/proc/self/ns").exists(), reason="only Linux says it")

STATES_ITS_NAME = """
import sys
from blocks.processes.local_process import this_process
print(this_process(), flush=True)
sys.stdin.read()
"""


def test_a_process_has_ended_as_soon_as_it_was_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STATES_ITS_NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        name = child.stdout.readline().strip()
        assert not has_ended(name)

        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert has_ended(name), "a zombie, for which nobody has waited"

    assert has_ended(name)


def test_this_process_has_not_ended() -> None:
    name = this_process() or ""

    assert name
    assert not has_ended(name)


def test_a_process_number_that_was_given_again_is_another_process() -> None:
    namespace_and_number = (this_process() or "").rpartition("/")[0]

    assert has_ended(f"{namespace_and_number}/1")


@pytest.mark.parametrize("place", ["another-boot/pid:[4026531836]", "/", "x/y/z"])
def test_of_a_process_of_another_machine_or_container_nothing_is_known(place: str) -> None:
    assert not has_ended(f"{place}/4194305/17")
