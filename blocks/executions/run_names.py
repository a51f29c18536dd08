"""What flow runs are called in Prefect: names for people, by which a subject can be searched.

Purpose: Prefect's pages list names, and its search looks into nothing else. Contract: subjects come
from outside, so control characters are spelled out and every name is bounded.
"""

from collections.abc import Mapping
from datetime import datetime

from blocks.contracts.workflows import WORKFLOWS
from blocks.observability.plain_text import shortened

NAME_LENGTH_MAX = 120


def run_name(workflow: str, subjects: Mapping[str, str]) -> str:
    """Of a run that carries these executions, given by id with their subjects ("": unknown).

    One: "Opportunity 0063X000004C92r". Several: "2 opportunities: 0063X1, 0063X2", the subjects
    left out unless all fit into the name: a search must not find some of a batch only.
    """
    noun = WORKFLOWS[workflow].subject if workflow in WORKFLOWS else "execution"
    if len(subjects) == 1:
        [(id, subject)] = subjects.items()
        return _capital(f"{noun} {shortened(subject, _SUBJECT)}" if subject else f"execution {id}")
    counted = f"{len(subjects)} {_plural(noun)}"
    listed = f"{counted}: {', '.join(shortened(text, _SUBJECT) for text in subjects.values())}"
    return listed if all(subjects.values()) and len(listed) <= NAME_LENGTH_MAX else counted


def approval_run_name(workflow: str, execution_id: str, subject: str) -> str:
    """Of the run that takes one execution to its gate: "Opportunity 0063X000004C92r: approval"."""
    return f"{run_name(workflow, {execution_id: subject})}: approval"


def tick_name(job: str, at: datetime) -> str:
    """Of a job's run for a tick (UTC): "outcome-sync 2026-11-29 01:00"."""
    # Whoever starts a run by hand may type any text as its job.
    return f"{shortened(job, _SUBJECT)} {at:%Y-%m-%d %H:%M}"


_SUBJECT = NAME_LENGTH_MAX - 40
"""What the noun and the word of a gate leave for a subject."""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
