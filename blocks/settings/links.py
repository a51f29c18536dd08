"""Links for people: to a flow run in Prefect's UI, and from there to the record it works for."""

from urllib.parse import quote, urlsplit, urlunsplit

from blocks.settings.sections import Prefect, Server

_CLOUD = "api.prefect.cloud"


def flow_run_url(prefect: Prefect, flow_run_id: str | None) -> str | None:
    """The run's page in Prefect's UI. None: there is no run, or no address of a UI is known.

    The address is `prefect.ui_url`, else it is derived from that of the API, as Prefect's own
    `PREFECT_UI_URL` is; a user and a password in it stay out of the link.
    """
    base = prefect.ui_url or _beside(prefect.api_url)
    return f"{base.rstrip('/')}/runs/flow-run/{flow_run_id}" if base and flow_run_id else None


def execution_url(server: Server, execution_id: str) -> str | None:
    """Where the API answers for the execution; None unless `server.public_url` is set."""
    base = server.public_url.rstrip("/")
    return f"{base}/api/v1/executions/{quote(execution_id, safe='')}" if base else None


def approval_url(server: Server, approval_id: str) -> str | None:
    """The page on which people decide it; None unless `server.public_url` is set."""
    base = server.public_url.rstrip("/")
    return f"{base}/approvals/{quote(approval_id, safe='')}" if base else None


def api_url(server: Server) -> str:
    """Where people reach the API: `server.public_url`, else this machine's own address."""
    return server.public_url.rstrip("/") or url_of(server.host, server.port)


def url_of(host: str, port: int) -> str:
    """Where a client on this machine reaches what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _beside(api_url: str) -> str:
    if not api_url:
        return ""
    parts = urlsplit(api_url)
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/")
    if host == _CLOUD:
        # https://docs.prefect.io/v3/api-ref/settings-ref: accounts/… and workspaces/… are
        # account/… and workspace/… in Cloud's UI.
        host = "app.prefect.cloud"
        path = path.replace("/accounts/", "/account/").replace("/workspaces/", "/workspace/")
    path = path.removesuffix("/api").replace("/api/", "/", 1)
    return urlunsplit((parts.scheme, host, path, "", ""))
