"""Sales, with a CRM, an AI workflow and Inngest that answer over HTTP."""

from collections.abc import Iterator
from datetime import date

import pytest

from blocks.contracts.events import JsonObject
from blocks.operations import sales
from blocks.operations.http import ServiceFailed
from blocks.operations.sales import inngest
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings, load_settings
from blocks.settings.operations import SalesOperations
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.sales import EVENT_KEY, SIGNING_KEY, Sales, running_sales

TODAY = date(2026, 11, 29)
AN_EXECUTION = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def platform() -> Iterator[Sales]:
    with running_sales() as platform:
        yield platform


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inngest, "LOOK_SECONDS", 0.01)


def over_ai(platform: Sales) -> SalesOperations:
    return load_settings(platform.variables).operations.sales_operations


def over_inngest(platform: Sales, **changes: str) -> SalesOperations:
    return load_settings(platform.inngest_variables | changes).operations.sales_operations


async def analyse(store: RecordStore, settings: SalesOperations, **input: object) -> JsonObject:
    return await sales.analyse(store, settings, AN_EXECUTION, input, TODAY)


async def qualify(store: RecordStore, settings: SalesOperations, **input: object) -> JsonObject:
    return await sales.qualify_leads(store, settings, AN_EXECUTION, input)


async def test_the_crm_is_counted_and_the_ai_workflow_adds_to_it(
    store: RecordStore, platform: Sales
) -> None:
    figures = await analyse(store, over_ai(platform))

    assert {
        "analysisComplete": True,
        "insights": {"trend": "rising", "leadsToday": 1, "opportunitiesActive": 2},
    } == figures
    [asked] = platform.asked("/ai")
    assert ("sales-operations", "business-intel") == (asked.json["workflow"], asked.json["step"])
    assert platform.leads == asked.json["input"]["leads"]
    assert {"Bearer of-the-crm"} == {one.headers["authorization"] for one in platform.asked("/crm")}


async def test_leads_are_judged_with_what_was_found_before_and_noted_in_the_crm(
    store: RecordStore, platform: Sales
) -> None:
    figures = await qualify(store, over_ai(platform), insights={"trend": "rising"})

    assert {"leadsQualified": 1, "leadsChecked": 2, "qualifiedLeads": ["l-1"]} == figures
    assert {"trend": "rising"} == platform.asked("/ai")[0].json["input"]["insights"]
    noted = platform.asked("/crm/leads/")
    assert ["/crm/leads/l-1/qualification", "/crm/leads/l-2/qualification"] == [
        one.path for one in noted
    ]
    assert {"leadId": "l-1", "qualified": True, "score": 0.9, "reason": "large order"} == (
        noted[0].json
    )


async def test_the_lead_of_an_event_is_judged_alone(store: RecordStore, platform: Sales) -> None:
    event = {"type": "sales.lead.created", "payload": {"leadId": "l-2", "name": "Bo"}}

    figures = await qualify(store, over_ai(platform), triggerEvent=event)

    assert (0, 1) == (figures["leadsQualified"], figures["leadsChecked"])
    assert [{"leadId": "l-2", "name": "Bo", "id": "l-2"}] == (
        platform.asked("/ai")[0].json["input"]["leads"]
    )


async def test_a_repeated_step_asks_under_the_same_keys(
    store: RecordStore, platform: Sales
) -> None:
    platform.failures = [503]
    with pytest.raises(ServiceFailed, match="the AI workflow answered 503"):
        await qualify(store, over_ai(platform))
    for _ in range(2):
        await qualify(store, over_ai(platform))

    assert 1 == len({one.headers["idempotency-key"] for one in platform.asked("/ai")})
    noted = [one.headers["idempotency-key"] for one in platform.asked("/crm/leads/")]
    assert (4, 2) == (len(noted), len(set(noted)))


@pytest.mark.parametrize(
    ("opportunities", "status", "overdue"),
    [(4, "attention", 1), (0, "normal", 0)],
)
async def test_overdue_opportunities_call_for_attention(
    platform: Sales, opportunities: int, status: str, overdue: int
) -> None:
    platform.opportunities = platform.opportunities[:opportunities]

    figures = await sales.monitor_operations(over_ai(platform), TODAY)

    assert (status, overdue) == (figures["opsStatus"], figures["opportunitiesOverdue"])


# --- Inngest --------------------------------------------------------------------------------------


async def test_an_event_starts_inngests_function_and_its_output_is_read_with_the_signing_key(
    store: RecordStore, platform: Sales
) -> None:
    platform.endings = ["Running", "Completed"]

    figures = await analyse(store, over_inngest(platform))

    assert (True, "rising") == (figures["analysisComplete"], figures["insights"]["trend"])
    [event] = platform.events
    assert "sales-operations/business-intel.requested" == event["name"]
    assert platform.leads == event["data"]["leads"]
    assert [f"/e/{EVENT_KEY}"] == [one.path for one in platform.asked("/e/")]
    runs = platform.asked("/v1/events/internal-1/runs")
    assert [f"Bearer {SIGNING_KEY}"] * 2 == [one.headers["authorization"] for one in runs]
    assert [] == platform.asked("/ai")


async def test_an_event_is_sent_once_until_its_function_has_failed(
    store: RecordStore, platform: Sales
) -> None:
    settings = over_inngest(platform)
    for _ in range(2):
        await analyse(store, settings)
    assert 1 == len(platform.events)

    platform.endings = ["Failed"]
    with pytest.raises(ServiceFailed, match="function for business-intel was failed"):
        await analyse(store, settings)
    await analyse(store, settings)

    assert 2 == len({event["id"] for event in platform.events}) == len(platform.events)


async def test_a_function_that_does_not_end_fails_the_step(
    store: RecordStore, platform: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.operations.sales.analysis.LIMIT_SECONDS", 0.05)
    platform.endings = ["Running"] * 1_000

    with pytest.raises(ServiceFailed, match=r"did not end within 0\.05 s"):
        await analyse(store, over_inngest(platform))


async def test_without_a_signing_key_the_figures_of_the_crm_are_all_there_is(
    store: RecordStore, platform: Sales
) -> None:
    figures = await analyse(store, over_inngest(platform, INNGEST_SIGNING_KEY=""))

    assert {
        "analysisComplete": False,
        "insights": {"leadsToday": 1, "opportunitiesActive": 2},
    } == figures
    assert 1 == len(platform.events)


async def test_no_key_is_in_what_goes_wrong(store: RecordStore, platform: Sales) -> None:
    for changes in ({"INNGEST_EVENT_KEY": "wrong-key"}, {"INNGEST_SIGNING_KEY": "wrong-key"}):
        settings = over_inngest(platform, **changes)

        with pytest.raises(ServiceFailed, match="answered 401") as failure:
            await analyse(store, settings)

        assert "wrong-key" not in f"{failure.value!r} {settings!r}"


# --- the report -----------------------------------------------------------------------------------


def with_hub(hub: CommsHub) -> Settings:
    return load_settings({"COMMS_HUB_URL": hub.url, "SALES_RECIPIENT": "sales@shop.example"})


async def test_the_report_has_what_the_steps_found_and_is_sent_once(
    store: RecordStore, hub: CommsHub
) -> None:
    results = {
        "insights": {"leadsToday": 3, "trend": "rising"},
        "leadsQualified": 1,
        "qualifiedLeads": ["l-1"],
        "opsStatus": "attention",
    }
    for _ in range(2):
        assert {"emailsSent": 1} == await sales.send_report(
            store, with_hub(hub), AN_EXECUTION, results
        )

    [mail] = hub.messages
    assert ("sales@shop.example", "Sales: operations attention") == (
        mail["recipient"],
        mail["subject"],
    )
    assert "leadsToday: 3\ntrend: rising\nleadsQualified: 1\nqualifiedLeads: l-1" == mail["body"]


async def test_an_event_that_leads_to_nothing_is_not_reported(
    store: RecordStore, hub: CommsHub
) -> None:
    nothing = {"triggerEvent": {}, "leadsQualified": 0, "opsStatus": "normal"}

    figures = await sales.send_report(store, with_hub(hub), AN_EXECUTION, nothing)

    assert (0, []) == (figures["emailsSent"], hub.messages)


async def test_without_services_each_step_names_what_is_missing(store: RecordStore) -> None:
    nothing = load_settings({})
    part = nothing.operations.sales_operations

    with pytest.raises(NotConfigured, match="SALES_LEADS_URL"):
        await analyse(store, part)
    with pytest.raises(NotConfigured, match="INNGEST_EVENT_KEY"):
        await qualify(store, part)
    with pytest.raises(NotConfigured, match="SALES_OPPORTUNITIES_URL"):
        await sales.monitor_operations(part, TODAY)
    with pytest.raises(NotConfigured, match="COMMS_HUB_URL"):
        await sales.send_report(store, nothing, AN_EXECUTION, {})
