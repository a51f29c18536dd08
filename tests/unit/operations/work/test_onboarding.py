"""New users, with a communications hub and services that answer over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from blocks.contracts.events import JsonObject
from blocks.operations import onboarding
from blocks.operations.http import ServiceFailed
from blocks.operations.onboarding import User, user_in
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import BadSetting, Settings, load_settings
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.web import Asked, Reply, WebService, web_service

ANN = User(id="u-1", email="ann@shop.example", name="Ann")

SERVICES = ("DEFAULTS", "ROLE", "WORKSPACE")


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
def platform() -> Iterator[WebService]:
    with web_service(_answer) as service:
        yield service


def _answer(asked: Asked) -> Reply:
    if asked.path.endswith("/role") and asked.json["userId"] == "no-role":
        return Reply(status=409, content={"error": "the account is locked"})
    return Reply(status=201, content={"id": 77} if asked.path.endswith("/workspace") else {})


@pytest.fixture
def settings(hub: CommsHub, platform: WebService) -> Settings:
    urls = {
        f"USER_ONBOARDING_{name}_URL": f"{platform.url}/users/{{userId}}/{name.lower()}"
        for name in SERVICES
    }
    return load_settings({"COMMS_HUB_URL": hub.url, "USER_ONBOARDING_TOKEN": "of-core", **urls})


async def onboard(store: RecordStore, settings: Settings, user: User) -> list[JsonObject]:
    part = settings.operations.user_onboarding
    return [
        await onboarding.send_welcome(store, part, settings.notifications, user),
        await onboarding.setup_defaults(store, part, user),
        await onboarding.assign_role(store, part, user),
        await onboarding.create_workspace(store, part, user),
    ]


async def test_a_new_user_is_welcomed_and_known_to_the_services(
    store: RecordStore, settings: Settings, hub: CommsHub, platform: WebService
) -> None:
    figures = await onboard(store, settings, ANN)

    assert [
        {"emailSent": True},
        {"defaultsSet": True},
        {"roleAssigned": "user"},
        {"workspaceCreated": True, "workspaceId": "77"},
    ] == figures
    [mail] = hub.messages
    assert ("ann@shop.example", "Welcome to Molochain!", 8) == (
        mail["recipient"],
        mail["subject"],
        mail["priority"],
    )
    assert mail["body"].startswith("Hello Ann,")
    assert [f"/users/u-1/{name.lower()}" for name in SERVICES] == [
        one.path for one in platform.asked
    ]
    assert {"userId": "u-1", "email": "ann@shop.example", "name": "Ann", "role": "user"} == (
        platform.asked[1].json
    )
    assert {"Bearer of-core"} == {one.headers["authorization"] for one in platform.asked}


async def test_each_step_is_done_once_for_a_user_whatever_is_repeated(
    store: RecordStore, settings: Settings, hub: CommsHub, platform: WebService
) -> None:
    first = await onboard(store, settings, ANN)
    again = await onboard(store, settings, User(id="u-1", email="ann@home.example", name=""))

    assert [{**figures, "doneBefore": True} for figures in first] == again
    assert (1, 3) == (len(hub.messages), len(platform.asked))


async def test_a_step_that_failed_is_done_later_under_the_same_key(
    store: RecordStore, settings: Settings, platform: WebService
) -> None:
    locked = User(id="no-role", email="bo@shop.example", name="")
    for _ in range(2):
        with pytest.raises(ServiceFailed, match="service of assign-role answered 409: the account"):
            await onboard(store, settings, locked)

    asked = [one.path.rpartition("/")[2] for one in platform.asked]
    assert ["defaults", "role", "role"] == asked
    keys = [one.headers["idempotency-key"] for one in platform.asked]
    assert (keys[1], 2) == (keys[2], len(set(keys)))


@pytest.mark.parametrize(
    "input",
    [
        {"email": "ann@shop.example", "userId": "u-1", "name": "Ann"},
        {"inputData": {"email": "ann@shop.example", "userId": "u-1", "name": "Ann"}},
        {
            "triggerEvent": {
                "type": "user.registered",
                "payload": {"email": " ann@shop.example", "userId": "u-1", "name": "Ann"},
            }
        },
    ],
)
def test_the_user_is_found_wherever_a_trigger_states_them(input: JsonObject) -> None:
    assert ANN == user_in(input)


@pytest.mark.parametrize("input", [{}, {"triggerEvent": "x"}, {"email": 1.5}, {"inputData": []}])
async def test_without_a_user_there_is_nothing_to_do(
    store: RecordStore, settings: Settings, input: Any
) -> None:
    user, part = user_in(input), settings.operations.user_onboarding

    with pytest.raises(NotConfigured, match="No email provided"):
        await onboarding.send_welcome(store, part, settings.notifications, user)
    with pytest.raises(NotConfigured, match="No user provided"):
        await onboarding.setup_defaults(store, part, user)


async def test_an_address_that_needs_an_id_is_not_asked_without_one(
    store: RecordStore, settings: Settings, platform: WebService
) -> None:
    user = User(id="", email="ann@shop.example", name="")

    with pytest.raises(NotConfigured, match="No userId provided"):
        await onboarding.setup_defaults(store, settings.operations.user_onboarding, user)

    assert [] == platform.asked


async def test_without_services_steps_name_the_setting(store: RecordStore) -> None:
    nothing = load_settings({})
    part = nothing.operations.user_onboarding

    with pytest.raises(NotConfigured, match="COMMS_HUB_URL or SMTP_URL"):
        await onboarding.send_welcome(store, part, nothing.notifications, ANN)
    with pytest.raises(NotConfigured, match="USER_ONBOARDING_ROLE_URL"):
        await onboarding.assign_role(store, part, ANN)


@pytest.mark.parametrize(
    ("id", "path"),
    [("a/../admin?x=1", "/users/a%2F..%2Fadmin%3Fx%3D1/role"), ("zoë", "/users/zo%C3%AB/role")],
)
async def test_an_id_stays_in_its_place_of_the_address(
    store: RecordStore, settings: Settings, platform: WebService, id: str, path: str
) -> None:
    user = User(id=id, email="", name="")

    await onboarding.assign_role(store, settings.operations.user_onboarding, user)

    assert [path] == [one.path for one in platform.asked]


@pytest.mark.parametrize("id", ["..", "x" * 201])
async def test_an_id_that_cannot_stand_in_an_address_is_refused(
    store: RecordStore, settings: Settings, platform: WebService, id: str
) -> None:
    with pytest.raises(ServiceFailed, match="userId cannot stand in an address"):
        await onboarding.assign_role(
            store, settings.operations.user_onboarding, User(id=id, email="", name="")
        )

    assert [] == platform.asked


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://{userId}.example/role", "has a placeholder in its host"),
        ("http://core/users/{user}/role", "has a placeholder that is not known here"),
        ("http://core/users/{userId/role", "has a { or } that belongs"),
        ("core/users", "must begin with http"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_the_start(url: str, problem: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({"USER_ONBOARDING_ROLE_URL": url})

    setting = "setting operations.user_onboarding.role_url (USER_ONBOARDING_ROLE_URL)"
    assert f"{setting} {problem}" in str(refusal.value)
