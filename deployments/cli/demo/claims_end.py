"""What a claims demo leaves behind: the claims, the packet, and where to look further."""

from pathlib import Path

from blocks.claims.packets.packets import archive_key
from blocks.contracts.events import JsonObject
from blocks.settings import Settings, links
from deployments.cli.demo.claims_api import ClaimsApi
from deployments.cli.demo.claims_lines import claims_table
from deployments.cli.demo.credential import curl_options
from deployments.local.readiness import api_url
from deployments.local.terminal import say_plainly
from deployments.prefect import server as prefect_server
from deployments.printing import console, say_line


async def print_end(settings: Settings, tenant_id: str, api: ClaimsApi) -> None:
    """Printed. Raises `DemoFailed` if the packet is missing."""
    journey = await api.journey()
    say_plainly()
    console().print(claims_table(journey["claims"]))
    say_line("")
    for packet in journey["documents"]:
        link = await api.packet_link(packet["claimId"])
        say_line(f"Proof packet  {link or _place(settings, packet)}")
    path = f"{api_url(settings)}/api/v1/claims/{api.sync_id}"
    say_plainly(f"API           curl {curl_options(settings, tenant_id)} \\\n{' ' * 19}{path}")
    say_line(f"Its log       {path}/audit")
    say_line(f"Terminal      orchestrator claims show {api.sync_id} --tenant {tenant_id}")
    if prefect_server.is_embedded(settings):
        tag = f"sync:{api.sync_id}"
        say_line(f"Prefect UI    {prefect_server.ui_url(settings)}/runs, tag {tag}")
    say_line(f"Page          {links.api_url(settings.server)}/claims/{api.sync_id}")


def _place(settings: Settings, packet: JsonObject) -> str:
    """Where the archive lies, in a folder or an object store."""
    url, key = settings.claims.packets_url, archive_key(packet["packetId"])
    if "://" in url and not url.startswith("file://"):
        return f"{url.rstrip('/')}/{key}"
    return str((Path(settings.data_dir) / url.removeprefix("file://") / key).absolute())
