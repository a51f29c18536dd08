"""How the processes of one machine share its processor."""

import os
import sys

_SWITCH_SECONDS = 0.0001


def work_in_the_background(niceness: int) -> None:
    """This process leaves the processor to those that have a caller waiting.

    Its threads take turns 50 times as often as Python's default has it: the one that holds the lock
    of the embedded store, for which other processes wait, gets its turn soon. 0 changes nothing of
    its priority; one that is lower already is lowered further, to the lowest at most.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    os.nice(niceness)
