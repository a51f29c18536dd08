"""URLs of the settings: each that cannot work is refused in one line that shows nothing of it."""

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.settings import BadSetting, load_settings
from blocks.settings.urls import url_problem

BROKER = ("amqp", "amqps", "sqlite")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("amqp://user:s3#cret@broker/", "%23"),
        ("amqp://user:s3@cret@broker/", "%40"),
        ("amqp://user:s3/cret@broker/", "%2F"),
        ("amqp://user:s3?cret@broker/", "no number"),
        ("amqp://user:s3%cret@broker/", "%25"),
        ("amqp://user:s3 cret@broker/", "a space"),
        ("amqp://user:s3[cret@broker/", "%5B"),
        ("amqp://broker:port/", "no number from 1 to 65535"),
        ("amqp://broker:70000/", "no number from 1 to 65535"),
        ("amqp://broker:0/", "port 0"),
        ("amqp://[::1/", "a host that is none"),
        ("amqp://", "names no host"),
        ("amqp:///vhost", "names no host"),
        ("amqp://user:s3cret@/", "names no host"),
        ("amqp:broker", "must begin with amqp://"),
        ("http://broker/", "must begin with amqp://, amqps:// or sqlite:"),
        ("broker", "must begin with"),
        ("sqlite:", "names no file"),
        ("sqlite:/", "names no file"),
        ("sqlite:bus/", "names no file"),
    ],
)
def test_a_broker_url_that_cannot_work_is_refused_unseen(url: str, problem: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({"RABBITMQ_URL": url})
    words = str(refusal.value)
    assert words.startswith("setting rabbitmq.url (RABBITMQ_URL) ")
    assert problem in words
    assert ("s3" in words, "cret@" in words, "\n" in words) == (False, False, False)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://broker",
        "amqp://broker/",
        "amqps://user:s3%23cr%40et@broker:5671/team%2Fa?heartbeat=5",
        "amqp://guest:guest@[::1]:5672/",
        "sqlite:bus.db",
        "sqlite:///var/lib/bus.db",
    ],
)
def test_a_broker_url_that_can_work_is_accepted(url: str) -> None:
    assert url == load_settings({"RABBITMQ_URL": url}).rabbitmq.url


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("COSMOS_DB_ENDPOINT", "AccountEndpoint=https://x.example:443/;AccountKey=s3cret==;", "connection string"),
        ("COSMOS_DB_ENDPOINT", "https://", "names no host"),
        ("COSMOS_DB_ENDPOINT", "https://account:port/", "no number"),
        ("COSMOS_DB_ENDPOINT", "sqlite:", "names no file"),
        ("PREFECT_API_URL", "prefect:4200/api", "must begin with http:// or https://"),
        ("PREFECT_API_URL", "http://:4200/api", "names no host"),
        ("RABBITMQ_MANAGEMENT_URL", "http://guest:s3#cret@broker:15672", "%23"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must begin with http:// or https://"),
    ],
)
def test_any_other_url_that_cannot_work_is_refused_unseen(variable: str, value: str, problem: str) -> None:
    cosmos = {"COSMOS_DB_ENDPOINT": "https://account.example/", "COSMOS_DB_KEY": "c2VjcmV0"}
    with pytest.raises(BadSetting) as refusal:
        load_settings(cosmos | {variable: value})
    assert variable in str(refusal.value)
    assert problem in str(refusal.value)
    assert "s3" not in str(refusal.value)


@given(st.text(max_size=20))
def test_a_password_that_is_encoded_is_accepted_and_read_as_it_was_written(password: str) -> None:
    url = f"amqp://user:{quote(password, safe='')}@broker/"
    assert url_problem(url, BROKER) is None
    assert password == unquote(urlsplit(url).password or "")


@given(st.text())
def test_any_text_is_a_url_or_refused_in_one_line(text: str) -> None:
    problem = url_problem(f"amqp://{text}", BROKER)
    if problem is None:
        assert urlsplit(f"amqp://{text}").hostname
    else:
        assert problem.isprintable()
