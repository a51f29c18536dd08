"""A variable that is called almost as one of ours was meant to be it: it would have no effect."""

from collections.abc import Iterable
from difflib import get_close_matches

from blocks.settings.environment.names import FILE, variables
from blocks.settings.keys import EARLIER_NAMES
from blocks.settings.sections import BadSetting

_ALIKE = 0.9
"""Of `difflib`: one letter in ten is another, or is missing. Less also fits other programs'."""

_OTHERS = ("PREFECT_", "OTEL_")
"""What begins so is read by a library, which has many more names than we use."""

_WELL_KNOWN = ("COSMOSDB_ENDPOINT", "COSMOSDB_KEY", "DATABASE_URI", "LOGLEVEL")
"""Common names of other programs, almost as ours are."""


def check_names(names: Iterable[str]) -> None:
    """Raises `BadSetting` for the first that is probably a mistyped one of ours.

    Beside the one that it resembles, a name is another program's: that one has its effect.
    """
    stated = set(names)
    known = {*variables(), *EARLIER_NAMES}
    for name in sorted(stated - known):
        if name.startswith(_OTHERS) or name in _WELL_KNOWN:
            continue
        meant = get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if meant and stated.isdisjoint((meant[0], f"{meant[0]}{FILE}")):
            raise BadSetting(
                f"{name} is set, and is no variable of ours: it is called almost as {meant[0]}; "
                "correct its name, or unset it"
            )
