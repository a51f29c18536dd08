"""`make image`: both stages of the Dockerfile, packages from an index that a build secret names.
What it installs of Debian where it can is left out, as in a network without Debian.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import import_debian, wheels_of_the_lock
from tests.support.operations.served_folder import served_folder

pytestmark = [pytest.mark.slow, pytest.mark.docker]

BUILT = "workflow-orchestrator:built"
ROOT = PREFECT_YAML.parent
INSTALLED = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""


@pytest.fixture(scope="module")
def index(
    engine: DockerEngine, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the only packages there are; the image is built from them."""
    cache: Path = request.config.cache.mkdir("docker")
    base, secret = import_debian(engine, cache), tmp_path_factory.mktemp("image") / "pip.conf"
    with served_folder(wheels_of_the_lock(cache)) as port:
        address = f"http://127.0.0.1:{port}/"
        secret.write_text(f"[global]\nno-index = true\nfind-links = {address}\n")
        options = f"--network host --secret id=pip-conf,src={secret}"
        make = ("make", "image", f"IMAGE={BUILT}", f"BASE={base}", f"ARGS={options}")
        environment = {**os.environ, **engine.environment}
        done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True)
        if "buildx component is missing" in done.stderr:
            pytest.skip("Docker's plugin buildx is missing")
        assert 0 == done.returncode, done.stderr[-3000:]
        yield address


def test_it_runs_the_command_line_without_a_network(engine: DockerEngine, index: str) -> None:
    assert "Usage: orchestrator" in inside(engine, "--help")
    assert inside(engine, "schemas", "--help")


def test_it_has_what_the_lock_names(engine: DockerEngine, index: str) -> None:
    printed: dict[str, str] = json.loads(inside(engine, "-c", INSTALLED, entrypoint="python3"))
    installed = {canonicalize_name(name): version for name, version in printed.items()}
    named = dict(of_the_lock(python=inside(engine, "-V", entrypoint="python3").split()[-1]))
    assert named == {name: installed.get(name) for name in named}


def test_no_layer_and_no_file_of_it_knows_the_index(engine: DockerEngine, index: str) -> None:
    made_by = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", BUILT)
    assert index not in made_by
    search = f"env | grep -F {index}; grep -rlsF {index} /app /data /etc /home /opt /root; true"
    assert "" == inside(engine, "-c", search, entrypoint="sh", user="0")


def inside(engine: DockerEngine, *arguments: str, entrypoint: str = "", user: str = "") -> str:
    options = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/data", "--tmpfs", "/tmp"]
    options += [f"--entrypoint={entrypoint}"] if entrypoint else []
    options += [f"--user={user}"] if user else []
    return engine.docker("run", *options, BUILT, *arguments)


def of_the_lock(*, python: str) -> Iterator[tuple[NormalizedName, str]]:
    """Name and version of each package that the lock has for this Python."""
    for line in re.findall(r"^(\S+==[^\\\n]+)", (ROOT / "requirements.lock").read_text(), re.M):
        found = Requirement(line.strip())
        if found.marker is None or found.marker.evaluate({"python_full_version": python}):
            yield canonicalize_name(found.name), str(found.specifier).removeprefix("==")
