"""What a chaos run found: a table for people, JSON for machines."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from tests.benchmarks.machine import machine
from tests.benchmarks.report import Figure, figures_table
from tests.chaos.faults import Struck
from tests.chaos.profile import Profile
from tests.support.system.audit import Finding

_SHOWN = 10


class ChaosReport(msgspec.Struct, kw_only=True):
    """The outcome of one run. `command` repeats its plan."""

    command: str
    seed: int
    profile: Profile
    database: str
    seconds: float
    counts: dict[str, int]
    """What went in and came out."""
    findings: list[Finding]
    figures: list[Figure]
    struck: list[Struck]
    deaths: list[str]
    """Processes that ended by themselves, and were started again: allowed, and worth a look."""
    failures: list[str]
    """Faults that did not go as planned, because the system did not recover in time."""

    @property
    def all_figures(self) -> list[Figure]:
        kept = [Figure(one.promise, len(one.breaches), "", at_most=0) for one in self.findings]
        return [*kept, *self.figures]

    @property
    def is_kept(self) -> bool:
        return all(figure.is_met is not False for figure in self.all_figures)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        file = folder / f"chaos-{now:%Y%m%dT%H%M%SZ}-seed-{self.seed}.json"
        content = {
            "date": now.isoformat(),
            "kept": self.is_kept,
            "machine": machine(),
            **msgspec.to_builtins(self),
        }
        file.write_text(json.dumps(content, indent=2, default=str))
        return file

    def show(self, console: Console) -> None:
        console.print()
        console.print(
            figures_table(f"chaos, seed {self.seed}, {self.seconds:.0f} s", self.all_figures)
        )
        console.print(
            ", ".join(f"{count:,} {what}" for what, count in self.counts.items()), highlight=False
        )
        console.print("faults: " + _fault_counts(self.struck), highlight=False)
        for death in self.deaths:
            console.print(f"ended by itself: {death}", markup=False, highlight=False)
        for failure in self.failures:
            console.print(f"not recovered: {failure}", style="red", markup=False, highlight=False)
        for finding in self.findings:
            for breach in finding.breaches[:_SHOWN]:
                console.print(
                    f"{finding.promise}: {breach}", style="red", markup=False, highlight=False
                )
        console.print(f"again: {self.command}", markup=False, highlight=False)


def _fault_counts(struck: Sequence[Struck]) -> str:
    """`12 × kill worker, 3 × server killed`."""
    counts = Counter(
        f"{one.kind} {one.target.partition('-')[0]}" if one.kind in ("kill", "freeze") else one.kind
        for one in struck
    )
    return ", ".join(f"{count} × {what}" for what, count in sorted(counts.items()))
