"""Processes of ours that start in hundredths of a second: forked from one that has imported
everything already.

Importing Prefect takes two to three seconds of a processor, and the tests of running systems start
hundreds of processes. A parent per environment that Prefect reads on import imports once. What it
forks gets an environment, a log and arguments of its own and runs the console script from its
beginning: only the imports are shared.
"""

import atexit
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blocks.settings import load_settings
from deployments.prefect.server import client_environment

IMPORTED_FIRST = "IMPORTED_FIRST"
"""Names a module that the processes have imported before everything else, e.g. with a workflow of a
test's own.
"""

_READ_ON_IMPORT = ("PREFECT_", "OTEL_", "PYTHON", "DO_NOT_TRACK", IMPORTED_FIRST)
_OURS = frozenset({"PREFECT_WORK_POOL"})
_PARENTS_MAX = 4
_POLL_SECONDS = 0.01

_parents: "OrderedDict[frozenset[tuple[str, str]], _Parent]" = OrderedDict()
_lock = threading.Lock()


class Forked:
    """As much of `subprocess.Popen` as tests use."""

    def __init__(self, parent: "_Parent", pid: int) -> None:
        self.pid = pid
        self._parent = parent
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._parent.ask(poll=self.pid)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self.send_signal(9)


def can_be_forked(environment: Mapping[str, str]) -> bool:
    """What the dynamic linker reads must be there when the interpreter starts."""
    return "LD_PRELOAD" not in environment


def fork(arguments: list[str], environment: Mapping[str, str], log: Path) -> Forked:
    """`orchestrator ARGUMENTS` runs, with this environment and no other, and appends to the log."""
    parent = _parent_for(environment)
    return Forked(parent, parent.ask(fork=arguments, environment=dict(environment), log=str(log)))


def _parent_for(environment: Mapping[str, str]) -> "_Parent":
    # The console script sets some of Prefect's variables itself before it imports Prefect.
    whole = {**environment, **client_environment(load_settings(environment))}
    whole |= {name: environment[name] for name in ("PREFECT_HOME",) if name in environment}
    read = {
        name: whole[name]
        for name in whole
        if name.startswith(_READ_ON_IMPORT) and name not in _OURS
    }
    key = frozenset(read.items())
    with _lock:
        if key not in _parents:
            if len(_parents) == _PARENTS_MAX:
                _parents.popitem(last=False)[1].close()
            _parents[key] = _Parent({**environment, **read})
        _parents.move_to_end(key)
        return _parents[key]


class _Parent:
    """Forks one process for each request, and is asked for exit codes. Ends with the
    test session.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.system.forking"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        with self._asking:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """Nothing more is forked. Whoever needs an exit code of its children must have asked
        before.
        """
        self._process.kill()
        self._process.wait()
        atexit.unregister(self.close)


# --- the parent's side ----------------------------------------------------------------------------


def _serve() -> None:
    _import_everything()
    assert threading.active_count() == 1, "a fork takes no threads along"
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            answer = _exit_code(request["poll"])
        elif (answer := os.fork()) == 0:
            _become(request["fork"], request["environment"], request["log"])
            return
        print(json.dumps(answer), flush=True)  # noqa: T201  # the protocol


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become(arguments: list[str], environment: dict[str, str], log: str) -> None:
    """This process is `orchestrator ARGUMENTS`."""
    os.environ.clear()
    os.environ.update(environment)
    nothing, appended = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
    )
    for number, opened in enumerate((nothing, appended, appended)):
        os.dup2(opened, number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    sys.argv = ["orchestrator", *arguments]
    from deployments.cli.app import main

    main()


def _import_everything() -> None:
    if first := os.environ.get(IMPORTED_FIRST):
        importlib.import_module(first)

    import flows.batch_job
    import flows.opportunity_analysis  # noqa: F401


if __name__ == "__main__":
    _serve()
