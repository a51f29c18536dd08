"""Proof packets in Azure Blob Storage: Azurite's server, through the URL that a setting names."""

import zipfile
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import fsspec
import pytest

from blocks.claims.packets import (
    make_packet,
    packet_files,
    read_archive,
    remake_packet,
)
from blocks.claims.packets.packets import archive_key
from blocks.files import FileMissing, Files, FilesUnavailable
from blocks.ports import RecordStore
from blocks.services import open_store
from blocks.settings import load_settings
from tests.support.payouts.azurite import azurite
from tests.support.payouts.packets import facts

pytestmark = pytest.mark.long

CONTAINER = "packets"


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    with azurite(CONTAINER) as connection:
        yield connection


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with open_store(load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})) as store:
        yield store


@pytest.fixture
def files(
    connection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Files:
    """In a folder of the test's own."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    # fsspec keeps a client for each URL, with the credentials of its first use
    fsspec.get_filesystem_class("abfs").clear_instance_cache()
    return files_at(f"abfs://{CONTAINER}/{request.node.name}", tmp_path)


def files_at(url: str, folder: Path) -> Files:
    environment = {"ORCHESTRATOR_DATA_DIR": str(folder), "CLAIMS_PACKETS_URL": url}
    return packet_files(load_settings(environment))


async def test_a_packet_is_written_to_the_container_and_read_again(
    store: RecordStore, files: Files
) -> None:
    packet = await make_packet(store, files, facts())

    assert ("completed", None) == (packet.status, packet.error)
    with zipfile.ZipFile(BytesIO(await read_archive(files, packet))) as archive:
        assert {"summary.pdf", "metadata.json"} <= {*archive.namelist()}
        assert archive.testzip() is None


async def test_a_packet_whose_archive_was_replaced_is_made_again(
    store: RecordStore, files: Files
) -> None:
    made = await make_packet(store, files, facts())
    await files.write(archive_key(made.id), b"changed")

    again = await remake_packet(store, files, facts())

    assert made.sha256 == again.sha256
    await read_archive(files, again)


async def test_what_was_never_written_is_missing(files: Files) -> None:
    with pytest.raises(FileMissing):
        await files.read("proof-packets/none/proof_packet.zip")


async def test_a_container_that_is_not_there_fails_the_packet_with_a_reason(
    store: RecordStore, files: Files, tmp_path: Path
) -> None:
    nowhere = files_at("abfs://nowhere/prefix", tmp_path)

    failed = await make_packet(store, nowhere, facts())

    assert "failed" == failed.status
    assert failed.error
    with pytest.raises(FilesUnavailable):
        await nowhere.write("key", b"content")
