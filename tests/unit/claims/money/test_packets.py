"""The proof packet: what it holds, that it is made once, and who may download it."""

import asyncio
import json
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from blocks.claims.packets import make_packet, read_archive, remake_packet
from blocks.claims.packets.summary import summary_of
from blocks.contracts.records.audit import AuditEntry
from blocks.files import Files, Folder
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.security import packet_links, signed_links
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, now
from tests.support.payouts.packets import NOON, a_fee, a_paid_claim, a_paid_claim_in, facts

SECRET = "a secret of more than thirty-two characters"


def text_of(pdf: bytes) -> str:
    return " ".join(
        "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split()
    )


async def test_the_archive_holds_summary_evidence_and_metadata(
    store: RecordStore, tmp_path: Path
) -> None:
    files = Files(Folder(tmp_path / "packets"), "packets")

    packet = await make_packet(store, files, facts())

    assert "completed" == packet.status
    with zipfile.ZipFile(BytesIO(await read_archive(files, packet))) as archive:
        assert [
            "summary.pdf",
            "evidence_01_Invoice 2025-1187.pdf.json",
            "evidence_02_packing list.csv",
            "metadata.json",
        ] == archive.namelist()
        metadata, pdf = json.loads(archive.read("metadata.json")), archive.read("summary.pdf")
    assert (1234.56, 246.91, 987.65) == tuple(
        metadata["payout_details"][name] for name in ("amount", "platform_fee", "seller_payout")
    )
    assert (2, 1) == (metadata["evidence_documents_count"], metadata["prompts_count"])
    for shown in ("$1,234.56", "−$246.91", "$987.65", "Ann Weaver", "Page 1 of 2", packet.id):
        assert shown in text_of(pdf)


@pytest.mark.parametrize(
    "name", ["<b>&amp;</font>", "Жанна Ünsal", "王小明", "\x07😀", "x" * 5_000]
)
def test_no_name_breaks_the_summary(name: str) -> None:
    claim = a_paid_claim(user_id=name, claim_id=name[:200])

    assert "Proof of recovery" in text_of(summary_of(facts(claim), "id", NOON))


def test_markup_from_outside_is_shown_as_it_is() -> None:
    claim = a_paid_claim(user_id="<b>Ann</b>")

    assert "<b>Ann</b>" in text_of(summary_of(facts(claim, a_fee(claim)), "id", NOON))


async def test_five_at_once_and_a_repetition_make_the_same_bytes(
    store: RecordStore, tmp_path: Path
) -> None:
    files = Files(Folder(tmp_path / "packets"), "packets")

    made = await asyncio.gather(*(make_packet(store, files, facts()) for _ in range(5)))
    made.append(await make_packet(store, files, facts()))

    assert 1 == len({packet.sha256 for packet in made})
    await read_archive(files, made[0])
    stored = [path.name for path in (tmp_path / "packets").rglob("*") if path.is_file()]
    assert {"proof_packet.zip", "summary.pdf"} == {*stored}


async def test_a_packet_that_failed_is_made_by_the_next_call(
    store: RecordStore, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("no folder")

    failed = await make_packet(store, Files(Folder(tmp_path / "blocked"), "packets"), facts())
    made = await make_packet(store, Files(Folder(tmp_path / "packets"), "packets"), facts())

    assert ("failed", "completed", None) == (failed.status, made.status, made.error)
    assert failed.error


async def test_an_archive_that_was_changed_is_made_again(
    store: RecordStore, tmp_path: Path
) -> None:
    files = Files(Folder(tmp_path / "packets"), "packets")
    made = await make_packet(store, files, facts())
    [archive] = (tmp_path / "packets").rglob("*.zip")
    archive.write_bytes(b"changed")

    again = await remake_packet(store, files, facts())

    assert made.sha256 == again.sha256
    await read_archive(files, again)


async def test_a_link_downloads_the_archive_without_a_credential(tmp_path: Path) -> None:
    async with an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api:
        claim = await a_paid_claim_in(api.store)
        base = f"/api/v1/evidence/proof-packets/{claim.id}"
        assert 200 == (await api.send("POST", f"{base}/generate")).status_code
        link = (await api.get(base, hours_valid=1)).json()["data"]
        path = urlsplit(link["packet_url"]).path

        answer = await api.client.get(path, headers={"Authorization": ""})
        again = await api.client.get(path, headers={"Authorization": ""})

        assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
        assert answer.content == again.content
        assert zipfile.is_zipfile(BytesIO(answer.content))
        assert "attachment" in answer.headers["content-disposition"]
        looks = [one.record async for one in every(api.store, A_TENANT, AuditEntry)]
        assert 1 == sum(one.action == "proof-packet.download" for one in looks)
        log = await api.get(f"/api/v1/evidence/audit-log/{claim.claim_id}")
        downloads = [one for one in log.json()["entries"] if one["action"] == "packet_downloaded"]
        [look] = [one for one in looks if one.action == "proof-packet.download"]
        assert [(look.targets, "link")] == [
            ([one["packet_id"]], one["channel"]) for one in downloads
        ]
        assert path.rpartition(".")[2] not in log.text
        assert 404 == (await api.get(base, ANOTHER_TENANT)).status_code
        for hours in (0, 169):
            assert 400 == (await api.get(base, hours_valid=hours)).status_code


@pytest.mark.parametrize(("change", "status", "code"), [
    ("expired", 403, "PROOF_PACKET_LINK_EXPIRED"),
    ("forged", 404, "PROOF_PACKET_LINK_INVALID"),
    ("other tenant", 404, "PROOF_PACKET_NOT_READY"),
    ("other purpose", 404, "PROOF_PACKET_LINK_INVALID"),
])  # fmt: skip
async def test_no_other_link_opens_anything(
    tmp_path: Path, change: str, status: int, code: str
) -> None:
    async with an_api(tmp_path, APPROVAL_LINK_SECRET=SECRET) as api:
        claim = await a_paid_claim_in(api.store)
        token = await _token(api, claim.id, change)

        answer = await api.client.get(f"/api/v1/evidence/links/{token}")

        assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


async def _token(api: Api, claim_id: str, change: str) -> str:
    url = (await api.get(f"/api/v1/evidence/proof-packets/{claim_id}")).json()["data"]["packet_url"]
    token = url.rpartition("/")[2]
    link = packet_links.read(SECRET.encode(), token, now())
    match change:
        case "expired":
            return packet_links.issue(SECRET.encode(), replace(link, expires_at=now()))
        case "other tenant":
            return packet_links.issue(SECRET.encode(), replace(link, tenant_id=ANOTHER_TENANT))
        case "other purpose":
            claims = signed_links.LinkClaims(
                approval_id=link.packet_id,
                tenant_id=A_TENANT,
                recipient="ann",
                outcomes=(),
                expires_at=link.expires_at,
                nonce=link.nonce,
            )
            return signed_links.issue(SECRET.encode(), claims)
    return f"{token[:-2]}AA" if not token.endswith("AA") else f"{token[:-2]}BB"
