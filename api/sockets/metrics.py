"""The metrics of the Socket.IO endpoint of this process."""

from prometheus_client import Counter, Gauge

CLIENTS = Gauge(
    "workflow_orchestrator_socket_clients", "Clients connected to the Socket.IO endpoint now"
)
FRAMES = Counter(
    "workflow_orchestrator_socket_frames_total", "Frames sent to clients of the Socket.IO endpoint"
)
CUT = Counter(
    "workflow_orchestrator_socket_clients_cut_total",
    "Clients that the Socket.IO endpoint has disconnected, by reason",
    ["reason"],
)
REFUSED = Counter(
    "workflow_orchestrator_socket_clients_refused_total",
    "Connections that the Socket.IO endpoint has not let in, by reason",
    ["reason"],
)


def connected_clients() -> int:
    """How many clients are connected to this process now."""
    return int(next(iter(CLIENTS.collect())).samples[0].value)
