"""What `prefect deploy` finds ready, and Prefect's automations, on a real server."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from prefect import flow
from prefect.automations import AutomationCore, DoNothing, SendNotification
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed

from blocks.adapters.prefect.flow_runs import TAG
from blocks.ports import Unavailable
from blocks.settings import BadSetting, Settings, load_settings
from deployments.bootstrap.automations import WATCHES, create_automations
from deployments.bootstrap.prefect_deploy import prepared
from deployments.bootstrap.prefect_plugin import is_deploy
from tests.support.factories import new_id
from tests.support.notifications.automations import without_automations
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.webhook_receiver import a_receiver

FAILED, *_ = WATCHES


@pytest.fixture
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with without_automations(prefect_server) as client:
        yield client


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"pool-{new_id()}"
    monkeypatch.setenv("PREFECT_WORK_POOL", name)
    return name


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python /venv/bin/prefect deploy --all", True),
        ("python -m prefect deploy -n outcome-sync", True),
        ("python /venv/bin/prefect --no-prompt --profile local deploy --all", True),
        ("python /venv/bin/prefect deploy --help", False),
        ("python /venv/bin/prefect deployment run batch-job/outcome-sync", False),
        ("python /venv/bin/prefect worker start --pool deploy", False),
        ("python -m pytest deploy", False),
        ("python", False),
    ],
)
def test_the_plugin_leaves_all_but_prefect_deploy_alone(command: str, expected: bool) -> None:
    assert expected == is_deploy(command.split())


async def test_prefect_deploy_finds_the_pool_that_prefect_yaml_names(
    client: PrefectClient, prefect_server: PrefectServer, pool: str
) -> None:
    for _ in range(2):
        assert {"PREFECT_WORK_POOL": pool} == await prepared(prefect_server.api_url)

    assert "in-process" == (await client.read_work_pool(pool)).type


async def test_a_pool_of_another_type_stays_as_it_is(
    client: PrefectClient, prefect_server: PrefectServer, pool: str
) -> None:
    template = {"job_configuration": {"command": "mine"}, "variables": {"properties": {}}}
    await client.create_work_pool(
        WorkPoolCreate(name=pool, type="process", base_job_template=template)
    )

    await prepared(prefect_server.api_url)

    there = await client.read_work_pool(pool)
    assert ("process", template) == (there.type, there.base_job_template)


async def test_schedules_of_the_settings_that_are_not_deployed_are_named(
    client: PrefectClient,
    prefect_server: PrefectServer,
    pool: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OUTCOME_SYNC_CRON", "5 5 * * *")

    await prepared(prefect_server.api_url)

    assert "other schedules for outcome-sync than prefect.yaml" in capsys.readouterr().err


async def test_a_server_that_is_away_or_not_named_is_reported() -> None:
    away = f"http://127.0.0.1:{free_port()}/api"
    with (
        temporary_settings({PREFECT_API_URL: away}),
        pytest.raises(Unavailable, match=f"Prefect does not answer at {away}"),
    ):
        await prepared(away)
    with pytest.raises(BadSetting, match="set PREFECT_API_URL"):
        await prepared(None)


# --- automations ----------------------------------------------------------------------------------


def with_block(named: str = "") -> Settings:
    return load_settings({"PREFECT_NOTIFICATION_BLOCK": named})


async def there(client: PrefectClient, title: str = FAILED.title) -> Any:
    [automation] = await client.read_automations_by_name(title)
    return automation


async def a_block(url: str = "http://127.0.0.1/") -> SimpleNamespace:
    name = f"on-call-{new_id()}"
    block = CustomWebhookNotificationBlock(
        name=name, url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    id: UUID = await block.asave(name)
    return SimpleNamespace(id=id, named=f"custom-webhook/{name}")


async def test_automations_come_described_and_switched_off(client: PrefectClient) -> None:
    for _ in range(2):
        await create_automations(client, with_block().prefect)

    found = [await there(client, watch.title) for watch in WATCHES]
    assert [False] * len(WATCHES) == [one.enabled for one in found]
    assert [watch.description for watch in WATCHES] == [one.description for one in found]
    assert [[DoNothing()]] * len(WATCHES) == [one.actions for one in found]


async def test_what_an_operator_changed_stays_and_what_does_nothing_is_given_the_block(
    client: PrefectClient,
) -> None:
    first, second = await a_block(), await a_block()
    await create_automations(client, with_block().prefect)
    await client.resume_automation((await there(client)).id)

    await create_automations(client, with_block(first.named).prefect)
    await create_automations(client, with_block(second.named).prefect)

    automation = await there(client)
    assert automation.enabled
    assert [first.id] == [action.block_document_id for action in automation.actions]
    edited = automation.model_dump(exclude={"id", "owner_resource"}) | {"description": "mine"}
    await client.update_automation(automation.id, AutomationCore(**edited))
    await create_automations(client, with_block(second.named).prefect)
    assert "mine" == (await there(client)).description


async def test_a_notification_block_that_is_not_there_is_named(client: PrefectClient) -> None:
    with pytest.raises(BadSetting, match="'slack-webhook/nowhere': Prefect has no such block"):
        await create_automations(client, with_block("slack-webhook/nowhere").prefect)
    with pytest.raises(BadSetting, match=r"prefect\.notification_block"):
        with_block("nowhere")


async def test_a_failed_run_of_ours_notifies_once_it_is_switched_on(client: PrefectClient) -> None:
    with a_receiver() as receiver:
        block = await a_block(receiver.url)
        await create_automations(client, with_block(block.named).prefect)
        automation = await there(client)
        assert isinstance(automation.actions[0], SendNotification)
        await client.resume_automation(automation.id)
        ends: list[tuple[list[str], State[None]]] = [
            ([], Failed(message="of others")),
            ([TAG], Completed(message="in order")),
            ([TAG], Failed(message="the store is full")),
        ]
        for tags, end in ends:
            run = await client.create_flow_run(sleepy, name="Opportunity 0063X", tags=tags)
            await client.set_flow_run_state(run.id, end, force=True)

        await receiver.has_received(1)

    [sent] = [msgspec.json.decode(request.body) for request in receiver.received]
    assert FAILED.title == sent["subject"]
    assert "Flow run Opportunity 0063X is Failed. the store is full" in sent["body"]


@flow
async def sleepy() -> None: ...
