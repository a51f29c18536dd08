"""`orchestrator up` and `orchestrator demo` as a user starts them, on free ports and a folder of
their own.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.contracts import workflows
from blocks.contracts.jobs import JOBS
from tests.support.factories import A_TENANT, new_id
from tests.support.servers.ports import free_port

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

START_LIMIT_SECONDS = 150.0
STOP_LIMIT_SECONDS = 40.0


class Stack:
    """`orchestrator up` in a folder, and other commands beside it with the same environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api_port, self.prefect_port = free_port(), free_port()
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = inherited | {
            "ORCHESTRATOR_DATA_DIR": str(folder / "data"),
            "PORT": str(self.api_port),
            "PREFECT_SERVER_PORT": str(self.prefect_port),
            "SIMULATOR_MAX_DELAY_SECONDS": "0.5",
            "STARTUP_WAIT_SECONDS": "120",  # on a busy machine
        }
        self.prefect_api = f"http://127.0.0.1:{self.prefect_port}/api"
        self._output = folder / "up.txt"
        self._up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._output.open("wb") as output:
            self._up = subprocess.Popen(
                self._command("up"), env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        until(
            lambda: "Everything runs." in self.output or self._has_ended(),
            START_LIMIT_SECONDS,
            self.describe,
        )
        assert not self._has_ended(), self.describe()

    def end(self, number: signal.Signals) -> int:
        """The exit code after this signal."""
        assert self._up, "it was never started"
        self._up.send_signal(number)
        return self._up.wait(STOP_LIMIT_SECONDS)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def processes(self) -> dict[int, str]:
        """Command lines of all processes of this folder, by process id."""
        return {
            int(process.name): command
            for process in Path("/proc").iterdir()
            if process.name.isdigit()
            and str(self.folder / "data") in read_proc(process / "environ")
            if (command := read_proc(process / "cmdline").replace("\0", " ").strip())
        }

    def process(self, name: str) -> int:
        (pid,) = [
            pid
            for pid, command in self.processes().items()
            if command.endswith(f"deployments.cli {name}")
        ]
        return pid

    def describe(self) -> str:
        logs = (
            f"{log.name}:\n{log.read_text()[-1500:]}"
            for log in (self.folder / "data" / "logs").glob("*.log")
        )
        return "\n".join([self.output, *logs])

    def close(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):  # it was just ending by itself
                os.kill(pid, signal.SIGKILL)
        if self._up:
            self._up.wait()

    def _has_ended(self) -> bool:
        return self._up is None or self._up.poll() is not None

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "deployments.cli", *arguments]


def read_proc(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # the process has just ended, or is not ours
        return ""


def until(
    condition: Callable[[], bool], limit_seconds: float, describe: Callable[[], str] = str
) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_seconds:g} s\n{describe()}"
        time.sleep(0.05)


@contextmanager
def running_stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        stack = Stack(Path(folder))
        try:
            stack.start()
            yield stack
        finally:
            stack.close()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


def deployments(stack: Stack) -> list[dict[str, Any]]:
    answer = httpx.post(f"{stack.prefect_api}/deployments/filter", json={"sort": "NAME_ASC"})
    # What a second registration may change: when it was made, and the version that `prefect deploy`
    # invents.
    changing = {"updated", "version", "last_polled", "status"}
    return [
        {key: value for key, value in each.items() if key not in changing}
        | {"schedules": schedules(each)}
        for each in answer.json()
    ]


def schedules(deployment: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Prefect makes a new schedule at each registration: what counts is what it says."""
    return [
        (each["schedule"]["cron"], each["schedule"]["timezone"], each["active"])
        for each in deployment["schedules"]
    ]


def test_up_says_where_everything_is_when_everything_is_ready(stack: Stack) -> None:
    for part in ("prefect", "bootstrap", "api", "listener", "worker", "simulators"):
        assert re.search(rf"^  {part} +ready ", stack.output, re.MULTILINE), stack.output
    for url in (
        f"http://127.0.0.1:{stack.api_port}/docs",
        f"http://127.0.0.1:{stack.prefect_port}",
    ):
        assert url in stack.output
        assert httpx.get(url, follow_redirects=True).is_success
    assert httpx.get(f"http://127.0.0.1:{stack.api_port}/ready").json()["status"] == "ready"
    assert "\x1b[" not in stack.output


@pytest.mark.parametrize("role", ["api", "listener", "worker"])
def test_up_says_where_the_metrics_of_each_process_are(stack: Stack, role: str) -> None:
    printed = re.search(
        rf"(http://127\.0\.0\.1:\d+)/metrics \({role}\)$", stack.output, re.MULTILINE
    )
    assert printed, stack.output
    assert role == httpx.get(f"{printed[1]}/health").json()["role"]
    assert "process_resident_memory_bytes" in httpx.get(f"{printed[1]}/metrics").text


def test_the_printed_command_reads_the_api_with_the_key_made_for_it(stack: Stack) -> None:
    printed = re.search(r"curl .*?/api/v1/executions$", stack.output, re.MULTILINE | re.DOTALL)
    assert printed
    answer = subprocess.run(
        ["bash", "-c", f"{printed[0]} --silent"], capture_output=True, check=True
    ).stdout
    assert "items" in json.loads(answer)
    assert 0o600 == (stack.folder / "data" / "development-key").stat().st_mode & 0o777
    assert 401 == httpx.get(f"http://127.0.0.1:{stack.api_port}/api/v1/executions").status_code


def test_the_demo_shows_the_four_steps_and_the_finished_record(stack: Stack) -> None:
    opportunity_id = new_id()
    demo = stack.run("demo", "--tenant", A_TENANT, "--opportunity", opportunity_id)
    assert demo.returncode == 0, demo.stderr + demo.stdout + stack.describe()
    for step in ("risk_analysis", "risk_scoring", "forecast", "recommendation"):
        assert re.search(rf"\d s  {step} +completed", demo.stdout)
    assert re.search(r"From published to completed: \d+\.\d+ s", demo.stdout)
    assert f"http://127.0.0.1:{stack.prefect_port}/runs/flow-run/" in demo.stdout
    listed = stack.run(
        "executions", "list", "--tenant", A_TENANT, "--subject", opportunity_id, "--json"
    )
    assert json.loads(listed.stdout)["status"] == "completed"


def test_the_demo_of_claims_shows_each_phase_and_the_proof_packet(stack: Stack) -> None:
    demo = stack.run("demo", "claims", "--tenant", A_TENANT)

    assert demo.returncode == 0, demo.stderr + demo.stdout + stack.describe()
    percents = [int(percent) for percent in re.findall(r"\d s +(\d+) %  Phase", demo.stdout)]
    assert percents == sorted(percents)
    assert {14, 29, 43, 57, 71, 100} == set(percents)
    assert "No terminal to ask at: confirmed" in demo.stdout
    packet = re.search(r"^Proof packet +(\S+)$", demo.stdout, re.MULTILINE)
    assert packet, demo.stdout
    with zipfile.ZipFile(packet[1]) as archive:
        assert {"summary.pdf", "metadata.json"} <= set(archive.namelist())
    sync_id = re.search(r"sync (demo-sync-\w+)", demo.stdout)
    assert sync_id
    shown = stack.run("claims", "show", sync_id[1], "--tenant", A_TENANT, "--json")
    journey = json.loads(shown.stdout)
    assert "waiting" == journey["journey"]["status"]
    assert ["paid"] == [one["status"] for one in journey["claims"] if one["status"] == "paid"]
    assert ["charged"] == [fee["status"] for fee in journey["money"]]


def test_the_demo_fails_with_the_reason_when_its_time_is_over(stack: Stack) -> None:
    demo = stack.run("demo", "--timeout", "1", RABBITMQ_URL=f"sqlite:{stack.folder}/elsewhere.db")
    assert demo.returncode == 1
    assert demo.stderr.startswith("error: ")
    assert "Traceback" not in demo.stderr


def test_the_demo_says_when_no_execution_appears(stack: Stack) -> None:
    elsewhere = {"RABBITMQ_URL": f"sqlite:{stack.folder}/another.db"}
    assert stack.run("bootstrap", **elsewhere).returncode == 0
    demo = stack.run("demo", "--timeout", "1", **elsewhere)
    assert demo.returncode == 1
    assert "no execution appeared in 1 s" in demo.stderr
    # The block shows the broker of whoever ran bootstrap last.
    assert stack.run("bootstrap").returncode == 0


def test_a_worker_that_dies_is_started_again(stack: Stack) -> None:
    killed = stack.process("worker")
    os.kill(killed, signal.SIGKILL)
    until(lambda: "worker      restarted" in stack.output, 20, stack.describe)
    assert stack.process("worker") != killed
    assert stack.run("demo").returncode == 0, stack.describe()


def test_a_second_stack_on_the_same_folder_is_refused(stack: Stack) -> None:
    second = stack.run("up", PORT=str(free_port()), PREFECT_SERVER_PORT=str(free_port()))
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert "a stack already runs on" in line
    assert "ORCHESTRATOR_DATA_DIR=" in line


def test_bootstrap_again_changes_nothing(stack: Stack) -> None:
    before = deployments(stack)
    again = stack.run("bootstrap")
    assert again.returncode == 0, again.stderr
    assert before == deployments(stack)
    assert {*workflows.dispatched(), *(job.id for job in JOBS)} == {
        deployment["name"] for deployment in before
    }


def test_prefect_deploy_registers_the_same_deployments(stack: Stack) -> None:
    before = deployments(stack)
    deploy = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        env=stack.environment
        | {"PREFECT_API_URL": stack.prefect_api, "PREFECT_HOME": str(stack.folder / "home")},
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    after = deployments(stack)
    assert before == [one for one in after if not one["name"].endswith("-docker")]
    assert deploy.returncode == 0, deploy.stdout + deploy.stderr


def test_the_blocks_show_the_settings_and_hide_the_secrets(stack: Stack) -> None:
    documents = httpx.post(f"{stack.prefect_api}/block_documents/filter", json={}).json()
    shown = {document["block_type"]["slug"]: document["data"] for document in documents}
    assert shown["message-broker"]["exchange"] == "coder_events"
    assert shown["record-database"]["database_id"]
    assert not any("sqlite" in str(value) for data in shown.values() for value in data.values())


def test_ctrl_c_stops_everything_in_order(stack: Stack) -> None:
    """Last of the tests on the shared stack: it is gone afterwards."""
    assert len(stack.processes()) == 6
    assert stack.end(signal.SIGINT) == 0
    assert {} == stack.processes()
    stopped = re.findall(r"^  (\w+) +stopped", stack.output, re.MULTILINE)
    assert ["worker", "listener", "api", "simulators", "prefect"] == stopped


def test_nothing_is_left_when_up_itself_is_killed() -> None:
    with running_stack() as stack:
        assert stack.end(signal.SIGKILL) == -signal.SIGKILL
        until(lambda: not stack.processes(), 5)


def test_a_demo_without_a_stack_starts_one_and_stops_it() -> None:
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        stack = Stack(Path(folder))
        try:
            demo = stack.run("demo")
            assert demo.returncode == 0, demo.stderr + demo.stdout
            assert "From published to completed" in demo.stdout
            assert {} == stack.processes()
        finally:
            stack.close()
