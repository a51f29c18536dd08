"""docs/webhooks.md says how to check a signature and how to notify Slack; both are run here as they
are written.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from blocks.settings import load_settings
from blocks.webhooks.changes import SECRET_OVERLAP
from blocks.webhooks.outgoing_http import HostRules, NoAnswer, OutgoingHttp
from blocks.webhooks.signatures import signature
from blocks.webhooks.subscriptions import EVENT_TYPES, SUBSCRIPTIONS_MAX, deliver
from tests.support.factories import a_webhook, now
from tests.support.servers.ports import free_port
from tests.support.servers.webhook_receiver import Answer, a_receiver
from tests.support.waiting import eventually

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
SECRET = "whsec_of-the-page"
BODY = b'{"type": "hitl.approval.requested", "data": {"opportunityId": "opportunity-1"}}'


def snippet(first_line: str) -> str:
    """The indented block that begins with this line."""
    lines = PAGE[PAGE.index(f"    {first_line}") :].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    return dedent("\n".join(lines[:end]))


@pytest.fixture
def is_ours() -> Callable[..., bool]:
    names: dict[str, Any] = {}
    exec(snippet("import hmac"), names)
    checked: Callable[..., bool] = names["is_ours"]
    return checked


def test_a_delivery_of_ours_passes(is_ours: Callable[..., bool]) -> None:
    assert is_ours(SECRET, signature(SECRET, BODY, now()), BODY)


@pytest.mark.parametrize("secret", ["whsec_new", SECRET, "whsec_oldest"])
def test_while_a_secret_is_being_rotated_a_receiver_with_any_of_them_accepts(
    is_ours: Callable[..., bool], secret: str
) -> None:
    header = signature("whsec_new", BODY, now(), earlier=[SECRET, "whsec_oldest"])

    assert is_ours(secret, header, BODY)
    assert not is_ours("whsec_of-another", header, BODY)


@pytest.mark.parametrize(
    "header_at",
    [
        lambda at: signature("whsec_of-another", BODY, at),
        lambda at: signature(SECRET, BODY + b" ", at),
        lambda at: signature(SECRET, BODY, at - timedelta(seconds=301)),
        lambda at: signature(SECRET, BODY, at + timedelta(seconds=400)),
        lambda at: signature(SECRET, BODY, at).replace("t=", "t=1"),
        lambda at: signature(SECRET, BODY, at).partition(",")[0],
        lambda at: "v1=,t=",
        lambda at: "ä=ö",
        lambda at: "",
    ],
)
def test_anything_else_does_not(
    is_ours: Callable[..., bool], header_at: Callable[[datetime], str]
) -> None:
    assert not is_ours(SECRET, header_at(now()), BODY)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """The relay's authority, and the Slack it posts to."""
    (tmp_path / "verify.py").write_text(snippet("import hmac"))
    (tmp_path / "relay.py").write_text(snippet("import json"))
    port = free_port()
    with a_receiver(Answer(200)) as slack:
        environment = {
            **os.environ,
            "PORT": str(port),
            "WEBHOOK_SECRET": SECRET,
            "SLACK_URL": slack.url,
        }
        process = subprocess.Popen(
            [sys.executable, "relay.py"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            yield f"127.0.0.1:{port}", slack
        finally:
            process.kill()
            process.wait()


async def test_the_relay_sends_slack_what_is_ours_and_nothing_else(
    relay: tuple[str, Any],
) -> None:
    authority, slack = relay
    async with OutgoingHttp(HostRules.of(authority), timeout_seconds=10) as http:

        async def send(secret: str) -> int | None:
            try:
                webhook = a_webhook(url=f"http://{authority}/", secret=secret)
                return (
                    await deliver(http, webhook, "hitl.approval.requested", "event-1", BODY)
                ).status
            except NoAnswer:
                return None

        assert 401 == await eventually(lambda: send("whsec_of-another"))
        assert 204 == await send(SECRET)
        slack.answers = [Answer(500)]
        assert await send(SECRET) is None

    posted = [msgspec.json.decode(one.body) for one in slack.received]
    assert [{"text": "hitl.approval.requested: opportunity opportunity-1"}] * 2 == posted


def test_the_page_names_every_event_and_the_figures_in_force() -> None:
    assert [] == [name for name in EVENT_TYPES if f"| `{name}` |" not in PAGE]
    settings = load_settings({}).webhooks
    assert f"`WEBHOOK_RETRY_DELAYS_SECONDS`, `{settings.retry_delays_seconds}`" in PAGE
    assert f"valid for {SECRET_OVERLAP.total_seconds() / 3600:g} hours" in PAGE
    assert f"at most {SUBSCRIPTIONS_MAX}" in PAGE
    assert 10 == settings.timeout_seconds
