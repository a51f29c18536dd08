"""The routes of claim recovery, as the demo calls them for one user and one sync."""

from typing import Any
from urllib.parse import quote

import httpx

from blocks.contracts.events import JsonObject
from deployments.cli.demo.failed import DemoFailed


class ClaimsApi:
    """Every method raises `DemoFailed` when the API does not answer as expected."""

    def __init__(self, client: httpx.AsyncClient, user_id: str, sync_id: str) -> None:
        self.user_id = user_id
        self.sync_id = sync_id
        self._client = client

    async def trigger(self, phase: int, **body: Any) -> None:
        """The phase is requested, durably."""
        of_user = {"user_id": self.user_id} | ({"sync_id": self.sync_id} if phase < 5 else {})
        given = {name: value for name, value in body.items() if value is not None}
        await self._ask("POST", f"/workflow/phase/{phase}", json=of_user | given)

    async def journey(self) -> JsonObject:
        return await self._ask(
            "GET", f"/claims/{quote(self.sync_id, safe='')}", params={"userId": self.user_id}
        )

    async def prompt(self, claim_id: str) -> JsonObject:
        """The open question about the claim."""
        path = f"/evidence/prompts/{quote(claim_id, safe='')}"
        found = (await self._ask("GET", path, params={"status": "pending"}))["prompts"]
        if not found:
            raise DemoFailed(f"the question about {claim_id} was answered elsewhere")
        prompt: JsonObject = found[0]
        return prompt

    async def answer(self, prompt: JsonObject, action: str) -> None:
        """Raises `DemoFailed` if the answer does not count."""
        option = next(one["id"] for one in prompt["options"] if one["action"] == action)
        outcome = await self._ask(
            "POST",
            f"/evidence/prompts/{prompt['prompt_id']}/answer",
            json={"selected_option": option, "reasoning": "orchestrator demo claims"},
        )
        if not outcome["success"]:
            raise DemoFailed(f"the answer did not count: {outcome['message']}")

    async def packet_link(self, claim_id: str) -> str | None:
        """A link that downloads the packet; None where links are switched off."""
        path = f"/evidence/proof-packets/{quote(claim_id, safe='')}"
        try:
            answer = await self._client.get(path, params={"user_id": self.user_id})
            if answer.status_code == httpx.codes.NOT_IMPLEMENTED:
                return None
            answer.raise_for_status()
            return str(answer.json()["data"]["packet_url"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise DemoFailed(f"the API did not answer as expected: {error}") from None

    async def _ask(self, method: str, path: str, **options: Any) -> JsonObject:
        try:
            answer = await self._client.request(method, path, **options)
            answer.raise_for_status()
            body: JsonObject = answer.json()
        except httpx.HTTPStatusError as error:
            refusal = " ".join(error.response.text.split())[:300]
            raise DemoFailed(
                f"the API answered {method} {path} with {error.response.status_code}: {refusal}"
            ) from None
        except (httpx.HTTPError, ValueError) as error:
            raise DemoFailed(f"the API did not answer as expected: {error!r}") from None
        return body
