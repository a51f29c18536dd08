"""`python -m deployments.prefect.prepare`: a database that several Prefect servers can start on. It
has its tables, migrated to this version of Prefect, and Prefect's types of blocks.

A server does both by itself. Two that do so at once on an empty database collide, and one ends.
"""

import asyncio

from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration


async def prepare() -> None:
    """It has both; done twice, it is as done once."""
    database = provide_database_interface()
    await database.create_db()
    async with database.session_context() as session:
        await run_block_auto_registration(session=session)


if __name__ == "__main__":
    asyncio.run(prepare())
