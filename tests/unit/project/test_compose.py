"""deployments/docker/compose.yaml against what the rest of the project says: read as data, no
Docker needed.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import prefect.settings
import yaml
from prefect.settings import Settings

from blocks.settings import DEFAULTS
from deployments.prefect.embedded import HOSTS
from deployments.prefect.server import SERVER_TUNING

DEPLOYMENTS = Path(__file__).parents[3] / "deployments" / "docker"
COMPOSE_TEXT = (DEPLOYMENTS / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PREFECT: dict[str, str] = SERVICES["prefect-server"]["environment"]
PROCESSES = ("workflow-orchestrator", "listener", "worker")


def test_the_prefect_server_is_tuned_like_the_embedded_one() -> None:
    environment = PREFECT
    assert {tuning.name: tuning.value for tuning in SERVER_TUNING} == {
        tuning.name: environment.get(tuning.name) for tuning in SERVER_TUNING
    }


def test_prefect_knows_every_server_setting() -> None:
    """A name that Prefect does not know would change nothing, silently."""
    messaging = import_module("prefect_redis.client").RedisMessagingSettings
    of_redis = {f"PREFECT_REDIS_MESSAGING_{name.upper()}" for name in messaging.model_fields}
    unknown = [name for name in PREFECT.keys() - of_redis if not hasattr(prefect.settings, name)]
    # The first two are ours; the others Prefect reads from the environment where it uses them, they
    # are no settings.
    ours = {"LOG_FORMAT", HOSTS}
    assert ours | {"PREFECT_SERVER_ENCRYPTION_KEY", "DO_NOT_TRACK"} == set(unknown)


def test_prefect_servers_share_no_memory_of_one_process() -> None:
    """What a second server would not know of: every setting whose default is in memory is set."""
    defaults = Settings.model_construct().server
    in_memory = {
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": defaults.events.messaging_broker,
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": defaults.events.messaging_cache,
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": defaults.events.causal_ordering,
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": defaults.concurrency.lease_storage,
        "PREFECT_SERVER_DOCKET_URL": defaults.docket.url,
    }
    for name, default in in_memory.items():
        assert "memory" in default
        assert "redis" in PREFECT[name]
        if "URL" not in name:
            import_module(PREFECT[name])


def test_the_proxy_passes_requests_to_all_prefect_servers_on_their_port() -> None:
    proxy = (DEPLOYMENTS / "haproxy.cfg").read_text()
    [servers] = re.findall(r"server-template server (\d+) prefect-server:4200 ", proxy)
    assert int(servers) >= SERVICES["prefect-server"]["scale"] == 2
    assert f"hdr Host {PREFECT[HOSTS]}" in proxy


def test_the_prefect_server_answers_to_the_name_by_which_every_process_calls_it() -> None:
    called = {urlsplit(COMPOSE["x-settings"]["PREFECT_API_URL"]).hostname}
    called |= {
        urlsplit(url).hostname for url in re.findall(r"PREFECT_API_URL: (http\S+)", COMPOSE_TEXT)
    }

    assert called == {PREFECT[HOSTS]} == {"prefect"}


def test_the_prefect_server_links_to_its_pages_as_every_process_does() -> None:
    """Its automations put the address into notifications, and the server knows no other."""
    name = "PREFECT_UI_URL"

    assert COMPOSE["x-settings"][name] == PREFECT[name]


def test_every_setting_can_be_set_from_outside_except_those_that_compose_decides() -> None:
    """A variable missing from x-settings would be set in deployments/docker/.env and never reach a
    process.
    """
    decided = {
        "HOST",
        "PORT",
        "ORCHESTRATOR_DATA_DIR",
        "PREFECT_SERVER_PORT",
        "WORKER_DRAIN_SECONDS",
        "SIMULATED_CLAIMS_HOST",
        "SIMULATED_CLAIMS_PORT",
    }
    for_tests = {"COSMOS_DB_CA_FILE", "SIMULATOR_MIN_DELAY_SECONDS", "SIMULATOR_MAX_DELAY_SECONDS"}
    ours = set(re.findall(r"\$\{(\w+)", DEFAULTS.read_text())) - decided - for_tests
    assert [] == sorted(ours - set(COMPOSE["x-settings"])), (
        "add these to x-settings of deployments/docker/compose.yaml"
    )


def test_every_secret_is_asked_for_in_the_example() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", (DEPLOYMENTS / "compose.yaml").read_text()))
    example = (DEPLOYMENTS / "compose.env.example").read_text()
    assert required == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_only_the_api_and_the_operators_pages_are_published_all_on_the_loopback_address() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {
        "workflow-orchestrator": ["${API_ADDRESS:-127.0.0.1}:${API_PORT:-3051}:3051"],
        "prefect": ["127.0.0.1:4200:4200"],
        "grafana": ["127.0.0.1:3000:3000"],
    } == published


def test_databases_and_broker_have_no_way_out() -> None:
    for name in ("postgres", "rabbitmq", "redis"):
        assert all(
            (COMPOSE["networks"][network] or {}).get("internal")
            for network in SERVICES[name]["networks"]
        )


def test_every_process_starts_after_bootstrap_and_healthy_parts() -> None:
    for name in PROCESSES:
        conditions = {
            part: needs["condition"] for part, needs in SERVICES[name]["depends_on"].items()
        }
        assert {
            "bootstrap": "service_completed_successfully",
            "rabbitmq": "service_healthy",
            "prefect": "service_healthy",
        } == conditions


def test_a_worker_is_given_its_time_to_drain() -> None:
    worker = SERVICES["worker"]
    grace = int(worker["stop_grace_period"].removesuffix("s"))
    # what `orchestrator up` grants, too
    assert grace >= worker["environment"]["WORKER_DRAIN_SECONDS"] + 12


def test_every_service_has_a_memory_limit_and_bounded_logs() -> None:
    assert set() == {name for name, service in SERVICES.items() if not service.get("mem_limit")}
    assert set() == {
        name
        for name, service in SERVICES.items()
        if "max-size" not in service["logging"]["options"]
    }


def test_every_file_that_a_service_mounts_is_there() -> None:
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    ]
    assert [] == [
        path for path in mounted if path.startswith("./") and not (DEPLOYMENTS / path).exists()
    ]
