"""What our processes write into their logs: one line per record, with what was worked on, and no
secret.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.observability import redaction
from blocks.observability.log_context import add, log_context
from blocks.settings import load_settings
from deployments import logs
from deployments.local.supervisor import SERIOUS

PASSWORD = "s3cr3t/p@ss"
A_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLXRoaXM"
A_KEY = f"wfo_0123456789ab_{'k' * 43}"
A_LINK = f"v1.{'c' * 60}.{'s' * 43}"
AN_ACCOUNT_KEY = (
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test sets up in this process is gone after it."""
    monkeypatch.setattr(redaction, "_kept", set())
    monkeypatch.setattr(redaction, "_secrets", None)
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)


def a_record(
    message: str = "logged", *arguments: object, error: Any = None, stack: Any = None
) -> logging.LogRecord:
    return logs.RedactedRecord(
        "a.logger", logging.WARNING, __file__, 1, message, arguments, error, "f", stack
    )


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    line = logs.JsonFormatter("listener").format(record)
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def an_error(message: str) -> Any:
    try:
        raise ValueError(message)
    except ValueError:
        return sys.exc_info()


# --- format ---------------------------------------------------------------------------------------


def test_a_json_line_says_when_who_and_what() -> None:
    fields = as_json(a_record("%d events\nin two lines", 2))

    assert fields.pop("time").endswith("Z")
    assert {
        "level": "WARNING",
        "process": "listener",
        "logger": "a.logger",
        "message": "2 events\nin two lines",
    } == fields


def test_a_record_says_what_was_worked_on_when_it_was_made() -> None:
    with log_context(tenant_id="t-1", request_id="r-1"):
        with log_context(execution_id="e-1", flow_run_id=None):
            add(trace_id="0af7")
            inner = a_record()
        outer = a_record()

    names = ("tenantId", "requestId", "executionId", "traceId", "flowRunId")
    assert ["t-1", "r-1", "e-1", "0af7", None] == [as_json(inner).get(name) for name in names]
    assert ["t-1", "r-1", None, None, None] == [as_json(outer).get(name) for name in names]


def test_an_exception_is_one_field_of_its_line() -> None:
    fields = as_json(a_record(error=an_error("of the test")))

    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith("ValueError: of the test")


def test_what_a_client_sends_makes_no_line_of_its_own() -> None:
    line = logs.TextFormatter("api").format(
        a_record("path %s", "/x\r\n2026-01-01T00:00:00.000Z ERROR   api forged")
    )

    assert line.endswith(
        r"WARNING api a.logger: path /x\r\n2026-01-01T00:00:00.000Z ERROR   api forged"
    )


@pytest.mark.parametrize("formatter", [logs.TextFormatter("worker"), logs.JsonFormatter("worker")])
def test_the_stack_shows_serious_lines_of_both_formats(formatter: logging.Formatter) -> None:
    assert SERIOUS.match(formatter.format(a_record("something is wrong")))


@pytest.mark.parametrize(
    ("logger", "message"),
    [
        ("aio_pika.robust_connection", "Connection attempt failed"),
        ("aiormq.connection", "error when creating transport"),
        ("prefect.flow_runs", "Finished in state Suspended(type=PAUSED)"),
        ("prefect.flow_runs", "Finished in state Suspended('Waits for ann', type=PAUSED)"),
        ("prefect.flow_runs", "Finished in state Running()"),
    ],
)
def test_what_libraries_call_an_error_and_is_none_makes_no_line(logger: str, message: str) -> None:
    record = logging.LogRecord(logger, logging.ERROR, __file__, 1, message, (), None)

    assert not logs.is_logged(record)


def test_what_prefect_calls_an_error_and_is_one_makes_a_line() -> None:
    failed = "Finished in state Failed('Flow run encountered an exception')"

    assert logs.is_logged(
        logging.LogRecord("prefect.flow_runs", logging.ERROR, __file__, 1, failed, (), None)
    )


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:hunter2@broker:5672/vhost", "amqp://user:***@broker:5672/vhost"),
        ("redis://:hunter2@redis/0", "redis://:***@redis/0"),
        ("postgresql://user:hunter2@one@database/shop", "postgresql://user:***@database/shop"),
        ("postgresql://user:hunter2#one@database/shop", "postgresql://user:***@database/shop"),
        ("postgresql://user:hunter2:one@database/shop", "postgresql://user:***@database/shop"),
        ("postgresql://user:hunter2/one@database/shop", "postgresql://user:***@database/shop"),
        ("postgresql://user:hunter2?one@database/shop", "postgresql://user:***@database/shop"),
        ("postgresql://user:hunter2 one@database/shop", "postgresql://user:***@database/shop"),
        ('postgresql://user:hunter2"one@database/shop', "postgresql://user:***@database/shop"),
        ("amqp://user:hunter2%40one%2F@broker/", "amqp://user:***@broker/"),
        ("amqp://user:hunter2@[2001:db8::1]:5672/", "amqp://user:***@[2001:db8::1]:5672/"),
        ("smtps://me@example.org:hunter2@mail:465", "smtps://me@example.org:***@mail:465"),
        (
            "postgresql://a:hunter2@one/x,postgresql://b:hunter2@@two/y",
            "postgresql://a:***@one/x,postgresql://b:***@two/y",
        ),
        ("https://files.example/x?sig=hunter2&se=2", "https://files.example/x?sig=***&se=2"),
        ("amqp://broker:5672/", "amqp://broker:5672/"),
        ("amqp://user@broker/", "amqp://user@broker/"),
        ("http://[2001:db8::1]:4200/api", "http://[2001:db8::1]:4200/api"),
        ("sqlite:records.db", "sqlite:records.db"),
        ("", ""),
    ],
)
def test_of_a_url_all_is_shown_but_its_password(url: str, shown: str) -> None:
    assert shown == redaction.masked_url(url)


def test_a_process_knows_the_password_in_a_url_whatever_it_holds() -> None:
    urls = "postgresql://a:hunter2@one/x@db,postgresql://b:hunter3#four@db"

    redaction.keep_secret(redaction.secrets_in_environment({"BACKUP_DATABASES": urls}))

    assert "***, ***" == redaction.redacted("hunter2@one/x, hunter3#four")


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("hunter2", "cannot connect to smtp://me@example.org:hunter2@mail"),
        ("hunter2", "cannot connect to amqp://user:hunter2@broker:5672/vhost"),
        ("hun@ter2", "cannot connect to amqps://user:hun@ter2@broker"),
        ("hunter2", "postgresql+asyncpg://prefect:hunter2@postgres:5432/prefect failed"),
        ("abc123", "Authorization: Bearer abc123"),
        ("abc123", "{'authorization': 'abc123', 'x': 1}"),
        ("abc123", "[(b'authorization', b'Bearer abc123'), (b'host', b'x')]"),
        ("abc123", "X-API-Key: abc123"),
        ("abc123", "Cookie: abc123"),
        (
            "type%3Dmaster%26ver%3D1.0%26sig%3DhJ",
            "'Authorization': 'type%3Dmaster%26ver%3D1.0%26sig%3DhJ'",
        ),
        ("dXNlcjpwYXNzd29yZA==", "sent Basic dXNlcjpwYXNzd29yZA=="),
        ("abcdefgh.ijkl", "refused bearer abcdefgh.ijkl"),
        (A_JWT, f"the token {A_JWT} has expired"),
        (A_JWT[:60], f"the token {A_JWT[:60]}… has expired"),
        ("k" * 43, f"key {A_KEY} is revoked"),
        ("s" * 43, f"GET /approvals/decide/{A_LINK} answered 200"),
        ("whsec_abcdefgh", "secret whsec_abcdefgh signs"),
        (AN_ACCOUNT_KEY, f"CosmosClient(url, {AN_ACCOUNT_KEY!r})"),
        (AN_ACCOUNT_KEY, f"AccountEndpoint=https://x.example:443/;AccountKey={AN_ACCOUNT_KEY};"),
        ("hunter2", "connect(host='x', password='hunter2')"),
        ("hunter2", '{"user": "x", "client_secret": "hunter2"}'),
        ("hunter2", "https://x.example/blob?sv=1&sig=hunter2&se=2"),
        ("MIIabc", "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"),
    ],
)
def test_what_looks_like_a_secret_is_masked(secret: str, text: str) -> None:
    masked = redaction.redacted(text)

    assert secret not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        (
            "GET /api/v1/executions/7f6b3c3e-8a53-4a25-9d8a-0f0f5ad3c002 answered 200 in 12 ms "
            "(request gateway-17.a_b)"
        ),
        "The API listens on http://127.0.0.1:3051, its documentation is under /docs",
        "setting cosmos_db.key (COSMOS_DB_KEY) is empty: Cosmos DB needs its account key",
        "execution e-1 is running in flow run 0af7651916cd43dd8448eb211c80319c: not ours",
        (
            "event 5da0ea7f (risk.evaluation.completed) refused: schema-invalid: Expected "
            "`object`, got `str`"
        ),
        "a basic authentication is not accepted; the bearer of this link may decide",
        (
            "the reconciler cannot look for lost-runs: Prefect does not answer at "
            "http://prefect:4200/api (PREFECT_API_URL)"
        ),
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert text == redaction.redacted(text)


def test_every_secret_of_the_settings_is_masked_wherever_it_stands() -> None:
    settings = load_settings(
        {
            "RABBITMQ_URL": "amqp://user:s3cr3t%2Fp%40ss@broker/",
            "COSMOS_DB_KEY": "the-account-key",
            "JWT_SECRET": "the-platforms-secret-of-thirty-two-bytes",
            "APPROVAL_LINK_SECRET": "the-secret-of-links-is-long-enough-too",
            "METRICS_BEARER_TOKEN": "the-token-of-metrics",
        }
    )

    redaction.keep_secret(redaction.secrets_of(settings))

    for secret in (
        PASSWORD,
        "s3cr3t%2Fp%40ss",
        "the-account-key",
        "the-platforms-secret-of-thirty-two-bytes",
        "the-secret-of-links-is-long-enough-too",
        "the-token-of-metrics",
    ):
        assert "shown (***)" == redaction.redacted(f"shown ({secret})")


def test_secrets_are_masked_in_messages_arguments_tracebacks_and_stacks() -> None:
    redaction.keep_secret([PASSWORD])
    record = a_record(
        f"{PASSWORD}: %s", PASSWORD, error=an_error(f"no {PASSWORD}"), stack=f"in {PASSWORD}"
    )

    for formatter in (
        logs.TextFormatter("api"),
        logs.JsonFormatter("api"),
        logging.Formatter("%(message)s"),
    ):
        line = formatter.format(record)
        assert PASSWORD not in line
        assert "ValueError: no ***" in line


def test_a_process_masks_secrets_whoever_logs_them_and_however_it_ends() -> None:
    """A real process: a library's logger, a warning, a thread that fails, an error that is
    not caught.
    """
    program = f"""
import logging, threading, warnings
from deployments.logs import configure_logging
configure_logging("INFO", "tests", "json")
logging.getLogger("aio_pika").error("cannot reach amqp://user:{PASSWORD}@broker")
logging.getLogger("prefect.flow_runs").warning("token %s", "{A_JWT}")
warnings.warn("a warning about {A_KEY}")
def fail():
    raise RuntimeError("{A_LINK}")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise RuntimeError("password={PASSWORD}")
"""
    environment = {"PATH": "", "BROKER_PASSWORD": PASSWORD}
    command, root = [sys.executable, "-c", program], Path(logs.__file__).parents[1]
    run = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)

    output = run.stderr + run.stdout
    assert [] == [
        secret for secret in (PASSWORD, "p@ss", A_JWT, "k" * 43, "s" * 43) if secret in output
    ]
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert ["ERROR", "WARNING", "WARNING", "ERROR", "CRITICAL"] == [line["level"] for line in lines]
    assert all({"time", "process", "logger", "message"} <= line.keys() for line in lines)
    assert all("exception" in line for line in lines[-2:])
