"""An id in any case, and a moment with or without a zone, mean the same over every channel."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from api.live.events import LiveEvent
from api.live.filters import Filters
from blocks.contracts.reading.uuids import canonical_uuid, in_lower_case
from blocks.contracts.records import ApprovalRecord
from deployments.cli import parameters
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, an_approval, an_execution, new_id, now

AN_ID = "3f2b1c0d-aaaa-4bbb-8ccc-abcdefabcdef"
SPELLINGS = pytest.mark.parametrize("spell", [str.lower, str.upper, str.title, str.swapcase])
Spell = Callable[[str], str]

OTHER_NOTATIONS = [
    *(
        f"urn:uuid:{AN_ID}",
        f"{{{AN_ID}}}",
        AN_ID.replace("-", ""),
        f" {AN_ID}",
        f"{AN_ID}\n",
        f"urn:{'a' * 32}",
    ),
    *(
        "{{" + "a" * 32 + "}}",
        AN_ID.replace("3", "٣"),
        "3f2b1c0daaaa-4bbb-8ccc-abcd-efabcdef",
        "3f2b_c0d" + AN_ID[8:],
    ),
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@SPELLINGS
def test_a_uuid_has_one_spelling(spell: Spell) -> None:
    assert (
        AN_ID
        == canonical_uuid(spell(AN_ID))
        == parameters.uuid(spell(AN_ID))
        == parameters.any_id(spell(AN_ID))
    )


@pytest.mark.parametrize("odd", OTHER_NOTATIONS)
def test_another_notation_is_none(odd: str) -> None:
    assert canonical_uuid(odd) is None
    with pytest.raises(click.BadParameter):
        parameters.uuid(odd)


@SPELLINGS
@pytest.mark.parametrize("path", ["executions/{}", "workflows/{}"])
async def test_a_path_names_it_in_any_case(api: Api, path: str, spell: Spell) -> None:
    await api.holds(execution := an_execution())

    assert 200 == (await api.get(f"/api/v1/{path.format(spell(execution.id))}")).status_code


@SPELLINGS
async def test_a_query_names_it_in_any_case(api: Api, spell: Spell) -> None:
    rerun = an_execution(rerun_of=AN_ID)
    await api.holds(rerun, an_approval(subject=rerun.subject))
    by_subject = await api.get("/api/v1/executions", subject=spell(rerun.subject))
    by_rerun = await api.get("/api/v1/executions", rerunOf=spell(AN_ID))
    workflows = await api.get("/api/v1/workflows", opportunityId=spell(rerun.subject))
    approvals = await api.get("/api/v1/hitl/approvals", subject=spell(rerun.subject))

    assert [1, 1, 1, 1] == [
        len(by_subject.json()["items"]),
        len(by_rerun.json()["items"]),
        workflows.json()["total"],
        len(approvals.json()["items"]),
    ]


@SPELLINGS
async def test_a_body_names_it_in_any_case_and_its_moments_may_lack_a_zone(
    api: Api, spell: Spell
) -> None:
    await api.holds(execution := an_execution(status="running"))
    later = (now() + timedelta(days=1)).replace(microsecond=0)
    body = {
        "subject": "s",
        "executionId": spell(execution.id),
        "expiresAt": later.replace(tzinfo=None).isoformat(),
        "reminders": [later.replace(tzinfo=None).isoformat()],
    }

    made = await api.send("POST", "/api/v1/hitl/approvals", body)

    assert 201 == made.status_code, made.text
    kept = (await api.store.read(A_TENANT, ApprovalRecord, made.json()["id"])).record
    assert (execution.id, later, [later]) == (kept.execution_id, kept.expires_at, kept.reminders)


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        *(("executionId", odd) for odd in (*OTHER_NOTATIONS[:3], "unknown")),
        *(("expiresAt", odd) for odd in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00")),
        ("dueAt", "9999-12-31T23:59:59Z"),
    ],
)
async def test_what_cannot_be_is_refused_and_its_field_named(
    api: Api, field: str, odd: str
) -> None:
    refused = await api.send("POST", "/api/v1/hitl/approvals", {"subject": "s", field: odd})

    assert (400, field) == (refused.status_code, refused.json()["error"]["details"][0]["field"])


@pytest.mark.parametrize(
    "moment",
    [
        *(
            "2026-03-02T09:15:00",
            "2026-03-02T09:15:00Z",
            "2026-03-02T09:15:00-05:00",
            "0001-01-01T00:00:00+05:00",
        ),
        *(
            "9999-12-31T23:59:59-05:00",
            "9999-12-31T23:59:60Z",
            "1700000000",
            "1700000000000",
            "NaN",
            "yesterday",
        ),
    ],
)
@pytest.mark.parametrize("path", ["executions", "audit", "dead-letters"])
async def test_whatever_moment_limits_a_list_it_is_listed_or_refused(
    api: Api, path: str, moment: str
) -> None:
    response = await api.get(f"/api/v1/{path}", createdBefore=moment)

    assert response.status_code in (200, 400)


@SPELLINGS
def test_a_follower_names_it_in_any_case(spell: Spell) -> None:
    about = {"execution_id": AN_ID, "subject": AN_ID.title()}
    event = LiveEvent(event_id="e", type="t", tenant_id=A_TENANT, timestamp=now(), data={}, **about)

    assert Filters(execution_id=spell(AN_ID)).passes(event)
    assert Filters(subject=spell(AN_ID)).passes(event)
    assert not Filters(subject=new_id()).passes(event)


@SPELLINGS
def test_a_repeated_request_is_the_same_however_its_path_spells_it(spell: Spell) -> None:
    path = f"/api/v1/executions/{spell(AN_ID)}/cancel".encode()

    assert f"/api/v1/executions/{AN_ID}/cancel".encode() == in_lower_case(path)
    assert b"/api/v1/hitl/links/v1.AbC" == in_lower_case(b"/api/v1/hitl/links/v1.AbC")


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-02 09:15:00", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02T09:15:00Z", datetime(2026, 3, 2, 9, 15, tzinfo=UTC)),
        ("2026-03-02T09:15:00-05:00", datetime(2026, 3, 2, 14, 15, tzinfo=UTC)),
    ],
)
def test_a_moment_at_the_command_line_is_in_utc(stated: str, meant: datetime) -> None:
    read = parameters.moment(stated)

    assert (meant, UTC) == (read, read.tzinfo)


@pytest.mark.parametrize(
    "odd", ["", "yesterday", "1700000000", "2026-13-01", "2026-03-02T09:15:60Z"]
)
def test_what_is_no_moment_is_refused_at_the_command_line(odd: str) -> None:
    with pytest.raises(click.BadParameter):
        parameters.moment(odd)


async def test_an_opportunity_in_another_case_starts_the_same_by_request(api: Api) -> None:
    id = new_id()
    body = {"workflow": "opportunity-analysis", "subject": id.upper()}
    started = await api.send("POST", "/api/v1/executions", body)

    assert (201, id) == (started.status_code, started.json()["subject"])
