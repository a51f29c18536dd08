"""Where proof packets lie."""

from blocks.files import Files, open_files
from blocks.settings import Settings


def packet_files(settings: Settings) -> Files:
    """The place that `claims.packets_url` names."""
    url, folder = settings.claims.packets_url, settings.data_dir
    return open_files(url, "packets", folder, setting="CLAIMS_PACKETS_URL")
