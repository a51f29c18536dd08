"""The function for pages that docs/claim-live.md shows, run as it stands there."""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from pathlib import Path

from blocks.claims.log import event_of
from blocks.messages import to_message
from tests.support.api.credentials import a_token
from tests.support.claims.phase_entries import an_entry
from tests.support.system.live_system import live_system
from tests.support.system.socket_clients import HERE, installed_node

PAGE = Path(__file__).parents[3] / "docs" / "claim-live.md"


async def test_the_function_for_pages_follows_a_user_over_a_restart(tmp_path: Path) -> None:
    async with live_system(tmp_path, 1) as system:
        [place] = system.places
        token = a_token("viewer", user="ann")
        [function] = re.findall(r"^```js\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        program = f"""
            {function}
            const {{ io }} = require("socket.io-client");
            const show = (name, data) => console.log(JSON.stringify([name, data]));
            follow(io, "http://127.0.0.1:{place.port}", "ann", {token!r}, "sync-1", show);
        """
        process = await asyncio.create_subprocess_exec(
            installed_node(), "-e", program, stdout=PIPE, cwd=HERE
        )
        assert process.stdout
        lines = process.stdout

        async def shown(wanted: str) -> dict[str, object]:
            while True:
                name, data = json.loads(await asyncio.wait_for(lines.readline(), 30))
                if name == wanted:
                    found: dict[str, object] = data
                    return found

        try:
            assert {"success": True} == await shown("authenticated")
            await shown("sync_progress_update")
            place.process.kill()
            entry = an_entry()
            await system.store.create(entry.tenant_id, entry)
            await place.starts()
            assert entry.id == (await shown("workflow.phase.1.completed"))["eventId"]
            live = an_entry(2)
            await system.bus.publish(to_message(event_of(live)))
            assert live.id == (await shown("workflow.phase.2.completed"))["eventId"]
        finally:
            process.kill()
            await process.wait()
