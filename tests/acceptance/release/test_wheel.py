"""The wheel by itself: installed into a fresh environment, it runs in an empty folder, with no
checkout.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
START_LIMIT_SECONDS = 180.0


class Installation:
    """A virtual environment with the wheel, and an empty folder to run it in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "empty"
        self.folder.mkdir()
        self._bin = folder / "venv" / "bin"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "PYTHON", "VIRTUAL_ENV"))
        }
        self.environment = inherited | {
            "PORT": str(free_port()),
            "PREFECT_SERVER_PORT": str(free_port()),
            "SIMULATOR_MAX_DELAY_SECONDS": "0.5",
            "STARTUP_WAIT_SECONDS": "120",
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder.parent / "output").open("wb") as output:
            return subprocess.Popen(
                [self._bin / "orchestrator", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return (self.folder.parent / "output").read_text()

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._bin / program, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr + self.output
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel, built here; its dependencies are those of this environment, at the versions of the
    lock, so that no network is needed.
    """
    folder = tmp_path_factory.mktemp("wheel")
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run([hatchling, "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    site = Path(
        sysconfig.get_path(
            "purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        )
    )
    # Behind the wheel's own packages; the path files in there, our editable install, do not count.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    [wheel] = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    offline = ("--disable-pip-version-check", "--no-index", "--no-deps", "--ignore-installed")
    subprocess.run([*pip, *offline, wheel], check=True)
    return Installation(folder)


@pytest.fixture
def up(installed: Installation) -> Iterator[subprocess.Popen[bytes]]:
    process = installed.start("up")
    try:
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while "Everything runs." not in installed.output:
            assert process.poll() is None, installed.output
            assert time.monotonic() < deadline, installed.output
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)


def test_all_of_our_code_and_files_are_the_wheels(installed: Installation) -> None:
    printed = installed.run(
        "python",
        "-c",
        "import api, blocks, deployments, flows, listeners\n"
        "from blocks.settings import DEFAULTS\n"
        "from deployments.bootstrap.prefect_yaml import PREFECT_YAML\n"
        "for one in (api, blocks, deployments, flows, listeners): print(one.__file__)\n"
        "print(DEFAULTS); print(PREFECT_YAML)",
    )

    place = str(installed.folder.parent / "venv")
    assert [] == [line for line in printed.splitlines() if not line.startswith(place)]


def test_the_stack_runs_in_an_empty_folder(
    installed: Installation, up: subprocess.Popen[bytes]
) -> None:
    demo = installed.run("orchestrator", "demo")
    up.send_signal(signal.SIGINT)

    assert "From published to completed" in demo
    assert 0 == up.wait(60), installed.output
    assert [".orchestrator"] == [file.name for file in installed.folder.iterdir()]
