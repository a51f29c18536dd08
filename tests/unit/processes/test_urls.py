"""URLs of the settings: each that cannot work is refused in one line that shows nothing of it."""

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.settings import BadSetting, links, load_settings
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
        (
            "COSMOS_DB_ENDPOINT",
            "AccountEndpoint=https://x.example:443/;AccountKey=s3cret==;",
            "connection string",
        ),
        ("COSMOS_DB_ENDPOINT", "https://", "names no host"),
        ("COSMOS_DB_ENDPOINT", "https://account:port/", "no number"),
        ("COSMOS_DB_ENDPOINT", "sqlite:", "names no file"),
        ("PREFECT_API_URL", "prefect:4200/api", "must begin with http:// or https://"),
        ("PREFECT_API_URL", "http://:4200/api", "names no host"),
        ("RABBITMQ_MANAGEMENT_URL", "http://guest:s3#cret@broker:15672", "%23"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must begin with http:// or https://"),
    ],
)
def test_any_other_url_that_cannot_work_is_refused_unseen(
    variable: str, value: str, problem: str
) -> None:
    cosmos = {"COSMOS_DB_ENDPOINT": "https://account.example/", "COSMOS_DB_KEY": "c2VjcmV0"}
    with pytest.raises(BadSetting) as refusal:
        load_settings(cosmos | {variable: value})
    assert variable in str(refusal.value)
    assert problem in str(refusal.value)
    assert "s3" not in str(refusal.value)


INSTEAD = {
    "COSMOS_DB_ENDPOINT": "COSMOS_DB_KEY",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "OTEL_EXPORTER_OTLP_HEADERS",
    "JWT_JWKS": "public keys are served without",
}


@pytest.mark.parametrize("variable", INSTEAD)
@pytest.mark.parametrize("user", ["user:hunter2", "hunter2", ":hunter2", "user:hunter%402"])
def test_a_url_that_is_shown_in_clear_holds_no_password(variable: str, user: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({"COSMOS_DB_KEY": "c2VjcmV0", variable: f"https://{user}@host.example/path"})

    assert variable in str(refusal.value)
    assert INSTEAD[variable] in str(refusal.value)
    assert "hunter" not in str(refusal.value)


@pytest.mark.parametrize("variable", ["COSMOS_DB_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_url_that_is_shown_in_clear_holds_no_token(variable: str) -> None:
    with pytest.raises(BadSetting, match=rf"{variable}\) has a query .*{INSTEAD[variable]}"):
        load_settings(
            {"COSMOS_DB_KEY": "c2VjcmV0", variable: "https://host.example/path?sig=hunter2"}
        )


@pytest.mark.parametrize(
    "variable",
    ["RABBITMQ_EXCHANGE", "RABBITMQ_QUEUE", "COSMOS_DB_DATABASE_ID", "WEBHOOK_ALLOWED_HOSTS"],
)
@pytest.mark.parametrize(
    "value", ["amqp://user:hunter2@broker/", "user:hunter2@host", "name;AccountKey=hunter2"]
)
def test_a_name_that_is_shown_in_clear_is_no_place_for_a_credential(
    variable: str, value: str
) -> None:
    with pytest.raises(BadSetting, match=rf"{variable}\) .*write the name alone") as refusal:
        load_settings({variable: value})
    assert "hunter2" not in str(refusal.value)


def test_what_is_refused_for_its_type_shows_no_credential_either() -> None:
    with pytest.raises(BadSetting, match=r"PORT\) is \*\*\*: expected") as refusal:
        load_settings({"PORT": "amqp://user:hunter2@broker/"})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "source", ['{"keys": [{"kty": "oct", "k": "hunter2"}]}', "data:,hunter2", "HTTPS://hunter2/"]
)
def test_a_key_set_is_named_and_not_written(source: str) -> None:
    with pytest.raises(BadSetting, match="JWT_JWKS") as refusal:
        load_settings({"JWT_JWKS": source})
    assert "hunter2" not in str(refusal.value)


def test_the_query_of_a_key_set_stays_and_is_shown_nowhere() -> None:
    auth = load_settings({"JWT_JWKS": "https://login.example/keys?p=hunter2"}).auth

    assert auth.jwt_jwks.endswith("?p=hunter2")
    assert "hunter2" not in repr(auth)


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


# --- links for people -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "ui", "page"),
    [
        ("http://prefect:4200/api", "", "http://prefect:4200/runs/flow-run/r-1"),
        ("http://prefect:4200/api/", "", "http://prefect:4200/runs/flow-run/r-1"),
        (
            "http://prefect:4200/api",
            "https://prefect.customer.example/",
            "https://prefect.customer.example/runs/flow-run/r-1",
        ),
        (
            "https://user:s3cret@prefect.customer.example/behind/api",
            "",
            "https://prefect.customer.example/behind/runs/flow-run/r-1",
        ),
        (
            "https://api.prefect.cloud/api/accounts/a-1/workspaces/w-1",
            "",
            "https://app.prefect.cloud/account/a-1/workspace/w-1/runs/flow-run/r-1",
        ),
        ("", "", None),
    ],
)
def test_a_flow_runs_page_is_where_prefect_itself_looks_for_its_ui(
    api: str, ui: str, page: str | None
) -> None:
    environment = {"PREFECT_API_URL": api, "PREFECT_UI_URL": ui}
    settings = load_settings({name: url for name, url in environment.items() if url})

    assert page == links.flow_run_url(settings.prefect, "r-1")
    assert links.flow_run_url(settings.prefect, None) is None


def test_a_records_page_is_known_where_the_api_has_a_public_address() -> None:
    with_address = load_settings({"PUBLIC_URL": "https://api.customer.example/"}).server

    assert "https://api.customer.example/api/v1/executions/e-1" == links.execution_url(
        with_address, "e-1"
    )
    assert links.execution_url(load_settings({}).server, "e-1") is None


@pytest.mark.parametrize("variable", ["PUBLIC_URL", "PREFECT_UI_URL"])
@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://user:s3cret@host", "https://host/?token=s3cret"]
)
def test_an_address_for_links_holds_no_secret_and_is_a_web_page(variable: str, url: str) -> None:
    with pytest.raises(BadSetting, match=variable) as refused:
        load_settings({variable: url})
    assert "s3cret" not in str(refused.value)
