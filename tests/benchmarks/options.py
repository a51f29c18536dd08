"""What the command line asks of a benchmark."""

from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`quick` asks for a smoke test: embedded parts only, as few events as show that everything
    still runs. `flames` is the folder for flame graphs, if any are wanted.
    """

    quick: bool = False
    events: int | None = None
    rounds: int | None = None
    flames: Path | None = None

    def count(self, normal: int, quick: int) -> int:
        """How many events to send: what was asked for, or the benchmark's own number."""
        return self.events or (quick if self.quick else normal)

    def turns(self, normal: int) -> int:
        return self.rounds or (1 if self.quick else normal)
