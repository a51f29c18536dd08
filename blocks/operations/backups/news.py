"""What people are notified of after a backup."""

from blocks.contracts.events import JsonObject
from blocks.notifications import Message
from blocks.operations.work import NotConfigured


def news_of(results: JsonObject) -> Message:
    """From the results of the flow's steps. Raises `NotConfigured` if they had nothing to do."""
    if "verified" not in results:
        raise NotConfigured("nothing was backed up")
    names, databases = results["verified"], results["databases"]
    lines = [
        f"Verified by a restore: {', '.join(names)}",
        f"{results['bytes'] / 1e6:,.1f} MB, {results['tables']:,} tables, {results['rows']:,} rows",
        f"Kept at {results['storageLocation']} ({results['retentionPolicy']}); "
        f"{results['cleanedUp']} deleted",
    ]
    return Message(subject=f"Backed up: {', '.join(databases)}", body="\n".join(lines))
