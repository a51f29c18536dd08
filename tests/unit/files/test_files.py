"""Files of the system's own in a folder: whole or not there, listed, deleted, for their owner."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from blocks.files import FileMissing, Files, FilesUnavailable, Folder, open_files
from tests.support.waiting import eventually


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return open_files("kept", "archives", str(tmp_path), setting="ARCHIVES_URL")


async def test_a_file_is_uploaded_downloaded_listed_and_deleted(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "made").write_bytes(b"content")
    await files.upload(tmp_path / "made", "a/b/one.dump", seconds=5)
    await files.write("a/two.json", b"{}")
    await files.write("ab/three", b"")

    await files.download("a/b/one.dump", tmp_path / "again", seconds=5)
    await files.delete("a/two.json")
    await files.delete("a/two.json")

    assert b"content" == (tmp_path / "again").read_bytes()
    assert ["a/b/one.dump"] == await files.keys("a/")
    assert [] == await files.keys("nothing/")
    with pytest.raises(FileMissing):
        await files.read("a/two.json")
    with pytest.raises(FileMissing):
        await files.download("a/two.json", tmp_path / "never", seconds=5)


async def test_what_a_killed_writer_left_is_listed_and_no_one_reads_it(
    files: Files, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "endless")
    program = f"""
from pathlib import Path
from blocks.files import Folder
Folder(Path({str(tmp_path / "kept")!r})).upload(Path({str(tmp_path / "endless")!r}), "a/one.dump")
"""
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    content = await asyncio.to_thread((tmp_path / "endless").open, "wb")
    await eventually(lambda: there(tmp_path), within_seconds=30)
    writer.kill()
    await writer.wait()
    content.close()
    unfinished = [*(tmp_path / "kept").rglob(".one.dump.*")]

    assert [f"a/{unfinished[0].name}"] == await files.keys("a/")
    with pytest.raises(FileMissing):
        await files.read("a/one.dump")
    await files.delete(f"a/{unfinished[0].name}")
    assert [] == await files.keys("a/")


async def there(folder: Path) -> bool:
    return any((folder / "kept").rglob(".one.dump.*"))


async def test_files_and_folders_are_for_their_owner_alone(files: Files, tmp_path: Path) -> None:
    await files.write("a/one", b"content")

    modes = [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("kept/a", "kept/a/one")]
    assert [0o700, 0o600] == modes


@pytest.mark.parametrize("key", ["../outside", "/etc/outside"])
async def test_a_key_leads_nowhere_else(files: Files, key: str) -> None:
    with pytest.raises(FilesUnavailable, match=r"archives \(ARCHIVES_URL\) failed with ValueError"):
        await files.write(key, b"content")


async def test_a_place_that_is_not_there_is_named_by_its_setting(tmp_path: Path) -> None:
    class WithoutBucket(Folder):
        """As s3fs answers for a bucket that is not there."""

        def write(self, key: str, content: bytes) -> None:
            raise FileNotFoundError("The specified bucket does not exist")

    files = Files(WithoutBucket(tmp_path), "archives", setting="ARCHIVES_URL")

    with pytest.raises(FilesUnavailable, match=r"\(ARCHIVES_URL\) is not there: create its bucket"):
        await files.write("a/one", b"content")


async def test_what_the_system_says_stands_in_the_error(files: Files, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")

    with pytest.raises(FilesUnavailable, match=r"failed with FileExistsError \(File exists\)"):
        await files.write("a/one", b"content")
