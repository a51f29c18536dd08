"""`make image`: the whole Dockerfile, its packages from an index that a build secret names."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from deployments.bootstrap.prefect_yaml import PREFECT_YAML
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.orchestrator_image import import_debian, wheels_of_the_lock

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
    with served(wheels_of_the_lock(cache)) as address:
        secret.write_text(f"[global]\nno-index = true\nfind-links = {address}\n")
        options = f"--network host --secret id=pip-conf,src={secret}"
        make = ("make", "image", f"IMAGE={BUILT}", f"BASE={base}", f"ARGS={options}")
        environment = {**os.environ, **engine.environment}
        done = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert 0 == done.returncode, done.stderr[-3000:]
        yield address


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_it_runs_the_command_line_without_a_network(engine: DockerEngine, index: str) -> None:
    assert "Usage: orchestrator" in inside(engine, "--help")
    assert inside(engine, "schemas", "--help")


def test_it_has_what_the_lock_names(engine: DockerEngine, index: str) -> None:
    printed: dict[str, str] = json.loads(inside(engine, "-c", INSTALLED, entrypoint="python3"))
    installed = {canonicalize_name(name): version for name, version in printed.items()}
    named = dict(of_the_lock(python=inside(engine, "-V", entrypoint="python3").split()[-1]))
    assert named == {name: installed.get(name) for name in named}


def test_no_layer_and_no_file_of_it_knows_the_secrets(engine: DockerEngine, index: str) -> None:
    made_by = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", BUILT)
    assert index not in made_by
    left = "ls -A /run/secrets /etc/pip.conf /root/.cache/pip 2>/dev/null; env"
    assert index not in inside(engine, "-c", left, entrypoint="sh")
    assert "pip.conf" not in inside(engine, "-c", left, entrypoint="sh")


def inside(engine: DockerEngine, *arguments: str, entrypoint: str = "") -> str:
    options = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/data", "--tmpfs", "/tmp")
    first = (f"--entrypoint={entrypoint}",) if entrypoint else ()
    return engine.docker("run", *options, *first, BUILT, *arguments)


def of_the_lock(*, python: str) -> Iterator[tuple[NormalizedName, str]]:
    """Name and version of each package that the lock has for this Python."""
    for line in re.findall(r"^(\S+==[^\\\n]+)", (ROOT / "requirements.lock").read_text(), re.M):
        found = Requirement(line.strip())
        if found.marker is None or found.marker.evaluate({"python_full_version": python}):
            yield canonicalize_name(found.name), str(found.specifier).removeprefix("==")
