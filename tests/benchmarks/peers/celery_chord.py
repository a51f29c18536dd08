"""Celery's way: a chord of four tasks on RabbitMQ with confirmed publishing, results in Redis.

    celery --app celery_chord worker
    python celery_chord.py COUNT

The second publishes so many chords at once and prints as JSON how long they took. A task is
acknowledged after it was done, so that a killed worker loses none.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery, chord

STEPS = ("risk_analysis", "risk_scoring", "forecast", "recommendation")
_PUBLISHERS = 8
"""Threads. A publish waits for its confirm: one alone would be what limits the rate."""

_POLL_SECONDS = 0.05
_LIMIT_SECONDS = 600

app = Celery("peer", broker=os.environ["RABBITMQ_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
)


def do_step(step: str, subject: str) -> dict[str, Any]:
    return {"step": step, "subject": subject, "confidence": 0.8}


def do_end(answers: list[Any], subject: str) -> dict[str, Any]:
    return {"subject": subject, "status": "completed", "answers": answers}


answer, end = app.task(name="answer")(do_step), app.task(name="end")(do_end)


def publish(number: int) -> Any:
    return chord(answer.s(step, str(number)) for step in STEPS)(end.s(str(number)))


def burst(count: int) -> dict[str, float]:
    """Seconds from the first publish to the last end, all of which completed."""
    began, began_at = time.monotonic(), time.time()
    with ThreadPoolExecutor(_PUBLISHERS) as publishers:
        results = list(publishers.map(publish, range(count)))
    published = time.monotonic() - began
    keys = [app.backend.get_key_for_task(result.id) for result in results]
    deadline = began + _LIMIT_SECONDS
    while app.backend.client.exists(*keys) < count:
        assert time.monotonic() < deadline, f"not all of {count} chords have ended"
        time.sleep(_POLL_SECONDS)
    seconds = time.time() - began_at
    ended = [json.loads(value)["result"] for value in app.backend.client.mget(keys)]
    assert {("completed", 4)} == {(one["status"], len(one["answers"])) for one in ended}
    return {"seconds": seconds, "published_after": published}


if __name__ == "__main__":
    print(json.dumps(burst(int(sys.argv[1]))))
