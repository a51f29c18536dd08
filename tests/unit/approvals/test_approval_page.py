"""The page behind a link: everything needed to decide, nothing that runs, and one
decision at most.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from api.approvals.documents import approval_of
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision
from blocks.contracts.records import ApprovalRecord
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET, a_token
from tests.support.factories import A_TENANT, an_approval, now

A_FORM = {
    "type": "object",
    "required": ["limit", "region"],
    "properties": {
        "limit": {"type": "integer", "title": "Discount in %", "minimum": 0, "maximum": 20},
        "rate": {"type": "number"},
        "region": {"enum": ["EMEA", "APAC", 3]},
        "seen": {"type": "boolean", "title": "I have read the contract"},
        "note": {"type": "string", "maxLength": 1000},
        "lines": {"type": "array", "items": {"type": "integer"}},
    },
}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), APPROVAL_LINK_SECRET=SECRET) as api:
        yield api


async def look(api: Api, approval: ApprovalRecord, **link: Any) -> httpx.Response:
    return await api.client.get(path_of(approval, **link))


async def say(api: Api, path: str, fields: Mapping[str, str]) -> httpx.Response:
    """What a browser does: the form is sent, and the redirect followed."""
    return await api.client.post(path, data=dict(fields), follow_redirects=True)


def path_of(approval: ApprovalRecord, **link: Any) -> str:
    return f"/api/v1/hitl/links/{a_token(approval, **link)}/page"


def text_of(response: httpx.Response) -> str:
    """What a person reads."""
    body = re.sub("<style>.*?</style>", "", response.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]*>", " ", body)).split())


def tags_of(response: httpx.Response) -> list[tuple[str, dict[str, str | None]]]:
    """What a browser makes of it."""
    tags: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append((tag, dict(attrs)))

    Reader().feed(response.text)
    return tags


async def now_of(api: Api, approval: ApprovalRecord) -> ApprovalRecord:
    return (await api.store.read(A_TENANT, ApprovalRecord, approval.id)).record


# --- looking --------------------------------------------------------------------------------------


async def test_an_unknown_amount_is_shown_as_unknown_and_never_as_0(api: Api) -> None:
    approval = an_approval(amount=0.0, amount_known=False)
    await api.holds(approval)

    assert "Amount unknown" in text_of(await look(api, approval))
    assert approval_of(approval).amount_known is False


async def test_the_page_shows_what_is_needed_to_decide(api: Api) -> None:
    approval = an_approval(
        subject="quote-4711",
        summary="**20 %** off for [ACME](https://crm.example/acme)?",
        context={"risk": {"riskScore": 0.91, "detectedRisks": [{"riskName": "No champion"}]}},
        policy=ApprovalPolicy(quorum=2),
        decisions=[
            Decision(actor="cy", channel="api", outcome="approved", at=now(), reason="good margin")
        ],
        expires_at=now() + timedelta(days=1),
        form_schema=A_FORM,
    )
    await api.holds(approval)

    page = await look(api, approval)

    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    for wanted in (
        "quote-4711",
        "20 % off",
        "No champion",
        "0.91",
        "cy approved",
        "good margin",
        "1 of the 2",
        "Expires",
    ):
        assert wanted in text_of(page)
    for wanted in (
        "<strong>20 %</strong>",
        'href="https://crm.example/acme"',
        'type="number"',
        '<select id="form.region"',
        "Discount in %",
        "lines <small>(optional)",
    ):
        assert wanted in page.text


async def test_looking_decides_nothing(api: Api) -> None:
    await api.holds(approval := an_approval())

    for method in ("GET", "HEAD", "GET"):
        await api.client.request(method, path_of(approval))

    assert approval == await now_of(api, approval)


async def test_the_page_runs_nothing_and_leaves_its_address_nowhere(api: Api) -> None:
    await api.holds(approval := an_approval(form_schema=A_FORM))

    page = await look(api, approval)

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert {"form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
        policy.split("; ")
    )
    assert ("no-referrer", "no-store", "nosniff") == tuple(
        page.headers[name]
        for name in ("referrer-policy", "cache-control", "x-content-type-options")
    )
    assert not re.search(r"<script|<link|<img|src=|url\(|style=|onclick", page.text)
    assert "set-cookie" not in page.headers


async def test_the_one_style_that_the_policy_allows_is_the_pages_own(api: Api) -> None:
    await api.holds(approval := an_approval())

    page = await look(api, approval)

    [style] = re.findall("<style>(.*?)</style>", page.text, flags=re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"].split("; ")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](data:text/html,hi)",
        "![pixel](https://spy.example/pixel.png)",
        '"><script>alert(1)</script>',
    ],
)
async def test_what_comes_from_outside_is_text(api: Api, text: str) -> None:
    schema = {
        "properties": {
            text: {"type": "string", "title": text, "description": text, "default": text}
        }
    }
    approval = an_approval(
        subject=text,
        summary=text,
        context={text: [text]},
        requested_by=text,
        claimed_by=text,
        form_schema=schema,
    )
    await api.holds(approval)

    page = await look(api, approval, recipient=text)

    tags = tags_of(page)
    assert {"script", "img", "iframe", "object"}.isdisjoint(name for name, _ in tags)
    assert all(attribute[:2] != "on" for _, attributes in tags for attribute in attributes)
    assert {"#decide", "https://spy.example/pixel.png"} >= {
        attributes["href"] for _, attributes in tags if "href" in attributes
    }


# --- deciding -------------------------------------------------------------------------------------


async def test_who_decides_on_the_page_sees_the_decision_and_the_record_says_page(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))

    page = await say(api, path_of(approval), {"outcome": "approved", "reason": "fine by me"})

    assert (200, 0) == (page.status_code, page.text.count("<form"))
    assert "ann approved it on" in text_of(page)
    decided = await now_of(api, approval)
    assert ("approved", "ann", "page", "fine by me") == (
        decided.status,
        decided.decided_by,
        decided.decided_through,
        decided.comment,
    )


async def test_a_form_is_filled_in_as_its_schema_says(api: Api) -> None:
    await api.holds(approval := an_approval(form_schema=A_FORM, execution_id=None))
    filled = {
        "form.limit": "7",
        "form.rate": "0.5",
        "form.region": '"EMEA"',
        "form.seen": "true",
        "form.note": "",
        "form.lines": "[1, 2]",
    }

    await say(api, path_of(approval), {"outcome": "approved", **filled})

    [decision] = (await now_of(api, approval)).decisions
    assert {
        "limit": 7,
        "rate": 0.5,
        "region": "EMEA",
        "seen": True,
        "lines": [1, 2],
    } == decision.form


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"form.limit": "21"}, "form.limit", "21 is greater than the maximum of 20"),
        ({"form.limit": "many"}, "form.limit", '"many" is not of type "integer"'),
        ({"form.limit": ""}, "form.limit", '"limit" is a required property'),
        ({"form.region": '"MARS"'}, "form.region", '"MARS" is not one of "EMEA", "APAC" or 3'),
        ({"form.lines": "one, two"}, "form.lines", "is not JSON"),
        ({"form.lines": '[1, "x"]'}, "form.lines", '"x" is not of type "integer"'),
        ({"form.lines": "[" * 20_000}, "form.lines", "is not JSON"),
    ],
)
async def test_a_form_that_does_not_fit_comes_back_as_it_was_with_its_problem(
    api: Api, changed: dict[str, str], field: str, message: str
) -> None:
    await api.holds(approval := an_approval(form_schema=A_FORM))
    submitted = {
        "form.limit": "7",
        "form.region": '"APAC"',
        "form.note": "as <agreed>",
        "reason": "why & how",
        **changed,
    }

    page = await say(api, path_of(approval), {"outcome": "approved", **submitted})

    assert 400 == page.status_code
    assert message in text_of(page)
    assert f'id="{field}-error"' in page.text
    assert "as &lt;agreed&gt;" in page.text
    assert "why &amp; how" in page.text
    assert (
        changed.keys() == {"form.region"} or '<option value="&#34;APAC&#34;" selected>' in page.text
    )
    assert approval == await now_of(api, approval)


async def test_a_form_that_no_fields_can_show_is_written_as_json(api: Api) -> None:
    await api.holds(approval := an_approval(form_schema={"minProperties": 1}, execution_id=None))

    for whole, status in (("[]", 400), ("nonsense", 400), ("", 400), ('{"any": "thing"}', 200)):
        assert (
            status
            == (
                await say(api, path_of(approval), {"outcome": "approved", "form": whole})
            ).status_code
        )
    assert {"any": "thing"} == (await now_of(api, approval)).decisions[0].form


async def test_a_rejection_needs_its_reason_and_no_form(api: Api) -> None:
    await api.holds(
        approval := an_approval(form_schema=A_FORM, policy=ApprovalPolicy(), execution_id=None)
    )
    path = path_of(approval)

    refused = await say(api, path, {"outcome": "rejected"})
    assert 400 == refused.status_code
    assert 'id="reason-error"' in refused.text

    await say(api, path, {"outcome": "rejected", "reason": "too risky", "form.limit": "many"})
    assert "rejected" == (await now_of(api, approval)).status


@pytest.mark.parametrize("body", [b"", b"outcome=maybe", b"\xff\xfe", b'{"outcome": "approved"}'])
async def test_a_post_that_is_no_form_decides_nothing(api: Api, body: bytes) -> None:
    await api.holds(approval := an_approval())

    page = await api.client.post(path_of(approval), content=body)

    assert 400 == page.status_code
    assert "choose to approve or to reject" in text_of(page)
    assert approval == await now_of(api, approval)


async def test_a_form_of_too_many_fields_is_refused(api: Api) -> None:
    await api.holds(approval := an_approval())

    page = await say(api, path_of(approval), {f"field-{number}": "" for number in range(501)})

    assert 400 == page.status_code
    assert "at most 500 fields" in text_of(page)


# --- refusals -------------------------------------------------------------------------------------


async def test_who_comes_second_reads_who_decided(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))
    first, second = path_of(approval, recipient="ann"), path_of(approval, recipient="bob")
    await say(api, first, {"outcome": "rejected", "reason": "too risky"})

    page = await say(api, second, {"outcome": "approved"})

    assert 409 == page.status_code
    assert "ann rejected it on" in text_of(page)
    assert "too risky" in text_of(page)
    later = await api.client.get(second)
    assert (200, True) == (later.status_code, "ann rejected it on" in text_of(later))


async def test_a_second_use_of_a_link_is_refused_with_what_came_of_it(api: Api) -> None:
    await api.holds(approval := an_approval(policy=ApprovalPolicy(quorum=2), execution_id=None))
    path = path_of(approval)
    once = await say(api, path, {"outcome": "approved"})
    assert "Your decision is on the record. It is pending: 1 of 2 approvals are there." in text_of(
        once
    )

    twice = await say(api, path, {"outcome": "approved"})

    assert 410 == twice.status_code
    assert "This link has been used" in text_of(twice)


@pytest.mark.parametrize(
    ("changes", "link", "status", "message"),
    [
        (
            {"policy": ApprovalPolicy(approvers=Approvers(users=("bob",)))},
            {},
            403,
            "Others may decide",
        ),
        ({"requested_by": "ann"}, {}, 403, "may not decide it"),
        ({"expires_at": now() - timedelta(seconds=1)}, {}, 410, "The approval has expired"),
        ({}, {"seconds": -1}, 410, "The link has expired"),
        ({}, {"outcomes": ("rejected",)}, 403, "does not permit this outcome"),
    ],
)
async def test_a_refusal_is_a_page_and_changes_nothing(
    api: Api, changes: dict[str, Any], link: dict[str, Any], status: int, message: str
) -> None:
    await api.holds(approval := an_approval(**changes))

    page = await say(api, path_of(approval, **link), {"outcome": "approved"})

    assert (status, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert message in text_of(page)
    assert page.headers["content-security-policy"]
    assert approval == await now_of(api, approval)


async def test_a_link_that_is_none_is_a_page_too(api: Api) -> None:
    for method in ("GET", "POST"):
        page = await api.client.request(method, "/hitl/links/v1.nonsense.x/page")
        assert (404, "no-referrer") == (page.status_code, page.headers["referrer-policy"])
        assert "This is no link of ours" in text_of(page)


async def test_whoever_may_not_decide_is_shown_no_form(api: Api) -> None:
    theirs = an_approval(policy=ApprovalPolicy(approvers=Approvers(users=("bob",))))
    late = an_approval(expires_at=now() - timedelta(seconds=1))
    await api.holds(theirs, late)

    for approval, why in ((theirs, "Others may decide"), (late, "it can no longer be decided")):
        page = await look(api, approval)
        assert (200, 0, True) == (page.status_code, page.text.count("<form"), why in text_of(page))


async def test_no_link_is_kept_for_a_repetition(api: Api) -> None:
    await api.holds(approval := an_approval(execution_id=None))
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann", "Idempotency-Key": "once"}
    path = f"/api/v1/hitl/approvals/{approval.id}/links"

    first, second = [
        await api.client.post(path, json={"recipient": "ann"}, headers=headers) for _ in range(2)
    ]

    assert (201, 201) == (first.status_code, second.status_code)
    assert first.json()["token"] != second.json()["token"]


async def test_a_new_link_says_where_its_page_is(api: Api) -> None:
    await api.holds(approval := an_approval())
    named = {"X-Tenant-ID": A_TENANT, "X-User-ID": "cy"}

    made = await api.client.post(
        f"/api/v1/hitl/approvals/{approval.id}/links", json={"recipient": "ann"}, headers=named
    )

    assert 200 == (await api.client.get(made.json()["page"])).status_code
