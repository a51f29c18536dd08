"""Where the simulated claim services of a local stack answer, and who is sent there."""

from collections.abc import Mapping

import msgspec

from blocks.settings import Settings, load_settings
from blocks.settings.links import url_of
from deployments.local.free_ports import free_port

FIRST_PORT = 8030
_PORTS_TRIED = 10


class SimulatedClaims(msgspec.Struct, frozen=True):
    """Their address, and the environment with which every process of the stack knows it."""

    url: str
    environment: Mapping[str, str]


def simulated_claims(settings: Settings, environment: Mapping[str, str]) -> SimulatedClaims | None:
    """The simulated services stand in for those whose address is not set; None if both are.

    What a configuration file states counts more than the environment, so it stays.
    """
    defaults = load_settings({}).claims
    present = {
        "INTEGRATIONS_URL": settings.claims.integrations_url == defaults.integrations_url,
        "PYTHON_API_URL": settings.claims.python_api_url == defaults.python_api_url,
    }
    unset = [
        name for name, is_default in present.items() if is_default and not environment.get(name)
    ]
    if not unset:
        return None
    host = settings.simulators.claims_host
    port = settings.simulators.claims_port or free_port(
        host, range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED)
    )
    url = url_of(host, port)
    return SimulatedClaims(url, {"SIMULATED_CLAIMS_PORT": str(port), **dict.fromkeys(unset, url)})
