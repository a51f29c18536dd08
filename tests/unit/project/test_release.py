"""Version, changelog, bill of materials and CI workflow agree with the code."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from blocks.settings import load_settings

ROOT = Path(__file__).parents[3]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LOCKED = dict(re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.M))


def test_the_version_in_pyproject_is_what_the_api_and_the_pages_have() -> None:
    assert VERSION == load_settings({}).module.version


def test_the_changelog_has_its_releases_newest_first() -> None:
    unreleased, *released = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    form = re.compile(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)")

    assert "Unreleased" == unreleased
    found = [form.fullmatch(one) for one in released]
    assert all(found), released
    dates = [one[2] for one in found if one]
    assert sorted(dates, reverse=True) == dates
    assert not found or (found[0] and VERSION == found[0][1])


def test_a_release_writes_its_version_everywhere(tmp_path: Path) -> None:
    for file in ("pyproject.toml", "CHANGELOG.md", "scripts/release"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for folder in ("blocks", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("node_*"))
    (tmp_path / ".venv").symlink_to(sys.prefix)

    def release(version: str) -> subprocess.CompletedProcess[str]:
        command = [str(tmp_path / "scripts" / "release"), version]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = release("7.0.0")

    assert 0 == done.returncode, done.stderr
    assert 'version = "7.0.0"' in (tmp_path / "pyproject.toml").read_text()
    assert "\n## Unreleased\n\n## 7.0.0 (" in (tmp_path / "CHANGELOG.md").read_text()
    formats = tmp_path / "tests" / "unit" / "contracts" / "record_formats.json"
    assert "ExecutionRecord" in json.loads(formats.read_text())
    assert "has 7.0.0 already" in release("7.0.0").stderr
    assert "not of the form" in release("7.0").stderr


def test_the_bill_of_materials_has_every_package_of_the_lock(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    command = re.search(
        r"(cyclonedx-py (?:.|\\\n)*?)--output-file", (ROOT / "Makefile").read_text()
    )
    assert command
    arguments = command[1].replace("\\\n", " ").split()
    program = Path(sys.executable).with_name(arguments[0])
    subprocess.run(
        [program, *arguments[1:], "--output-file", bill], cwd=ROOT, check=True, capture_output=True
    )

    found = json.loads(bill.read_bytes())

    assert ("CycloneDX", VERSION) == (
        found["bomFormat"],
        found["metadata"]["component"]["version"],
    )
    assert set(LOCKED.items()) <= {(part["name"], part["version"]) for part in found["components"]}
    assert [] == [
        part["name"]
        for part in found["components"]
        if not any(reference.get("hashes") for reference in part["externalReferences"])
    ]


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")))
def test_a_workflow_runs_targets_that_there_are_and_names_no_address(workflow: Path) -> None:
    text = workflow.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = [
        target
        for job in yaml.safe_load(text)["jobs"].values()
        for step in job["steps"]
        for words in re.findall(r"\bmake ([a-z -]+)$", step.get("run", ""), re.M)
        for target in words.split()
    ]

    assert "wheel" in called
    assert [] == [target for target in called if target not in targets]
    assert "://" not in text
