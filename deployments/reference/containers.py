"""`python -m deployments.reference.containers FOLDER`: the indexing policy of each container, as
`az cosmosdb sql container` takes it.
"""

import sys
from pathlib import Path

import msgspec

from blocks.adapters.cosmos.container_policies import indexing_policy
from blocks.contracts.records import CONTAINERS


def write_policies(folder: Path) -> None:
    """A JSON file for each container lies in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for container in CONTAINERS:
        policy = msgspec.json.format(msgspec.json.encode(indexing_policy(container)), indent=2)
        (folder / f"{container}.json").write_bytes(policy)


if __name__ == "__main__":
    write_policies(Path(sys.argv[1]))
