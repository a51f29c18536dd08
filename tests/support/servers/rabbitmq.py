"""A private RabbitMQ node for tests: its own ports, data, node name and port mapper; gone with the
test session.

Use it as `pytest_plugins = ("tests.support.servers.rabbitmq",)` in the test module, so that one
node serves all modules.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_START_SECONDS = 300.0
_CTL_SECONDS = 180.0

# Erlang, sent to the broker; names become atoms because the client prints those as they are. What
# `rabbit_amqqueue:info` says of a quorum queue is up to five seconds old, so its state machine is
# asked.
_DEPTHS = """
Of = fun(Queue, Count) ->
    {ok, {_, Number}, _} = ra:local_query(amqqueue:get_pid(Queue), Count), Number end,
Info = fun(Queue) ->
    [{_, Ready}, {_, Held}] =
        rabbit_amqqueue:info(Queue, [messages_ready, messages_unacknowledged]), {Ready, Held} end,
Depth = fun(Queue) -> case amqqueue:get_type(Queue) of
    rabbit_quorum_queue ->
        {Of(Queue, fun rabbit_fifo:query_messages_ready/1),
         Of(Queue, fun rabbit_fifo:query_messages_checked_out/1)};
    _ -> Info(Queue) end end,
[{binary_to_atom(element(4, amqqueue:get_name(Queue))), Ready, Held}
 || Queue <- rabbit_amqqueue:list(), {Ready, Held} <- [Depth(Queue)]].
"""
_DEPTH = re.compile(r"\{'?([^',{}]+)'?, *(\d+), *(\d+)\}")


class RabbitMQNode:
    """A broker that can be killed, stopped and started like a real one. All methods block: it is
    slow, use threads.
    """

    def __init__(self, directory: Path, *, plugins: Sequence[str] = ()) -> None:
        self._directory = directory
        self._port = _free_port()
        self._log = directory / "console.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._port_mapper: subprocess.Popen[bytes] | None = None
        # The entries that end in FILE keep the machine's own configuration and plugins out of this
        # node.
        self._environment = {
            **os.environ,
            "HOME": str(directory),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_NODENAME": f"orchestrator-test-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "ERL_EPMD_PORT": str(_free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        (directory / "enabled_plugins").write_text(f"[{','.join(plugins)}].")
        self.management_port = _free_port()
        (directory / "rabbitmq.conf").write_text(
            f"management.tcp.port = {self.management_port}\n" if plugins else ""
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def pid(self) -> int:
        assert self._server, "it does not run"
        return self._server.pid

    def start(self) -> None:
        """The broker accepts connections. Raises `RuntimeError` with the end of its log if it does
        not.
        """
        if self._port_mapper is None:
            self._port_mapper = self._spawn("epmd")
        self._server = self._spawn(_script("rabbitmq-server"))
        self.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL: the broker is gone, without a goodbye to its clients or its disk."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def stop_app(self) -> None:
        """The broker has closed its connections and port; its data stay."""
        self.ctl("stop_app")

    def start_app(self) -> None:
        self.ctl("start_app")
        self.wait_until_ready()

    def settle(self) -> None:
        """Queues declared just now survive `kill`; messages do without this, as soon as they are
        confirmed.

        RabbitMQ 3.10.8, killed within a second after a quorum queue was declared, brings that queue
        back without a leader, for good (rabbitmq-server issue 10070). Nothing shows when that
        second is over, so this wait is timed.
        """
        time.sleep(2.0)

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints. Raises `CalledProcessError` if it fails."""
        command = [_script("rabbitmqctl"), "--quiet", *arguments]
        done = subprocess.run(
            command,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_CTL_SECONDS,
        )
        return done.stdout

    def depths(self) -> dict[str, tuple[int, int]]:
        """Of each queue, the messages that wait and those that are unacknowledged, at this moment.

        Asked through Erlang's own small client: `rabbitmqctl` takes seconds of processor for the
        same answer. Raises `CalledProcessError` or `TimeoutExpired` when the broker does not
        answer.
        """
        cookie = (self._directory / ".erlang.cookie").read_text()
        command = ["erl_call", "-sname", self._environment["RABBITMQ_NODENAME"], "-c", cookie, "-e"]
        output = subprocess.run(
            command,
            input=_DEPTHS,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_CTL_SECONDS,
        ).stdout
        if not output.startswith("{ok"):
            raise subprocess.CalledProcessError(1, command, output)
        return {name: (int(waiting), int(held)) for name, waiting, held in _DEPTH.findall(output)}

    def close(self) -> None:
        """Broker and port mapper have ended."""
        self.kill()
        if self._port_mapper is not None:
            self._port_mapper.kill()
            self._port_mapper.wait()
            self._port_mapper = None

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self._port):
            ended = self._server is not None and self._server.poll() is not None
            if ended or time.monotonic() > deadline:
                raise RuntimeError(
                    f"RabbitMQ did not start:\n{self._log.read_text(errors='replace')[-3000:]}"
                )
            time.sleep(0.1)

    def _spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """A running node, shared by the session: give your queues and exchanges names of their own."""
    if not shutil.which("rabbitmq-server") or not shutil.which("epmd"):
        pytest.fail(
            "RabbitMQ is not installed; `make test` installs it (Debian package rabbitmq-server)"
        )
    node = RabbitMQNode(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.close()


def _script(name: str) -> str:
    """Debian's commands on the PATH change to another user and drop the environment; the scripts
    behind them do not.
    """
    packaged = Path("/usr/lib/rabbitmq/bin") / name
    return str(packaged) if packaged.exists() else name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    """True if a broker greets: it answers the protocol header with a method frame (type 1)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
