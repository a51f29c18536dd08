"""Where proof packets lie."""

from blocks.files import Files, open_files
from blocks.settings import Settings


def packet_files(settings: Settings) -> Files:
    """The place that `claims.packets_url` names."""
    return open_files(settings.claims.packets_url, "packets", settings.data_dir)
