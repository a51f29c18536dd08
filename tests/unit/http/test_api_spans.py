"""Spans of requests: what they are named, and what they do not show."""

from pathlib import Path

from blocks.executions.tracing import tracing
from blocks.settings import Tracing
from tests.support.api import approval_links
from tests.support.api.api_client import an_api
from tests.support.factories import an_approval
from tests.support.servers.otlp_collector import an_otlp_collector


async def test_the_token_of_a_link_is_in_no_span(tmp_path: Path) -> None:
    with an_otlp_collector() as collector, tracing(Tracing(otlp_endpoint=collector.url), "api"):
        async with an_api(tmp_path, APPROVAL_LINK_SECRET=approval_links.SECRET) as api:
            await api.holds(approval := an_approval(execution_id=None))
            token = approval_links.a_token(approval)
            for path in (token, f"{token}/page", f"{token}/nowhere"):
                await api.client.get(f"/hitl/links/{path}")
                await api.client.get(f"/api/v1/hitl/links/{path}")
                await api.client.get(f"/login/{path}")

    assert 6 == len([span for span in collector.spans if "hitl/links/{token}" in repr(span)])
    assert 3 == len([span for span in collector.spans if "/login/{token}" in repr(span)])
    assert token not in repr(collector.spans)
