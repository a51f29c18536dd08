"""The documentation as a site: every link leads somewhere, generated pages are as the code is."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.reference.pages import PAGES

ROOT = Path(__file__).parents[3]
SOURCES = ("docs", "scripts", "mkdocs.yml", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINKED = ("prefect.yaml", "deployments", "blocks")


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("mkdocs"))
    return subprocess.run(
        [program, "build", "--strict", "--site-dir", str(site)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert 0 == built.returncode, built.stderr
    return folder


def test_every_page_is_found_by_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())

    found = {one["location"].partition("#")[0] for one in index["docs"]}

    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - {"404.html"}
    assert pages == found
    assert {"index.html", "settings.html", "runbooks/dead-letters.html"} < pages


def test_a_reader_loads_nothing_from_other_hosts(site: Path) -> None:
    loaded = [
        (page.name, found)
        for page in site.rglob("*.html")
        for found in re.findall(
            r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?:[^\"\s>]+)", page.read_text()
        )
    ]

    assert [] == loaded


@pytest.mark.parametrize(
    "link", ["[x](no-such-page.md)", "[x](deploy.md#no-such-part)", "[x](../no/such/file.py)"]
)
def test_a_link_that_leads_nowhere_fails_the_build(link: str, tmp_path: Path) -> None:
    for name in SOURCES:
        source, copy = ROOT / name, tmp_path / name
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    with (tmp_path / "docs" / "doctor.md").open("a") as page:
        page.write(f"\n{link}\n")

    built = build(tmp_path, tmp_path / "site")

    assert 0 != built.returncode
    assert "doctor.md" in built.stderr
    assert "Aborted with 1 warnings" in built.stdout


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_as_the_code_has_it(name: str) -> None:
    assert PAGES[name]() == (ROOT / "docs" / name).read_text(), "run `make reference`"
