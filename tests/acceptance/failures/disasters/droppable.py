"""A Prefect server whose database can be dropped."""

from pathlib import Path

import asyncpg

from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer


class DroppablePrefect(PrefectServer):
    """On a database of its own in this cluster."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._name = folder.name.replace("-", "_")
        super().__init__(folder, postgres.create_database(self._name))
        self._cluster = postgres.url().replace("+asyncpg", "")

    async def lose(self) -> None:
        """No server any more; the next start finds an empty database."""
        connection = await asyncpg.connect(self._cluster)
        try:
            await connection.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {self._name}")
        finally:
            await connection.close()
        self.kill()
