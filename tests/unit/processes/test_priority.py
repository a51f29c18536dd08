"""Who has the processor first on a machine that is busy."""

import os
import subprocess
import sys

import pytest

LOWERED = """
import os, sys
from blocks.processes.priority import work_in_the_background
work_in_the_background({niceness})
print(os.nice(0), round(sys.getswitchinterval(), 4))
"""


@pytest.mark.parametrize(("niceness", "expected"), [(0, 0), (5, 5), (19, 19)])
def test_a_process_in_the_background_is_lowered_and_its_threads_take_turns_quickly(
    niceness: int, expected: int
) -> None:
    command = [sys.executable, "-c", LOWERED.format(niceness=niceness)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert [min(19, os.nice(0) + expected), 0.0001] == [int(printed[0]), float(printed[1])]
