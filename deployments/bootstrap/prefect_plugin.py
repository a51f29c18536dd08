"""What `prefect deploy` needs is there before it looks: the work pool, and what prefect.yaml names.

`prefect deploy` reads the work pool before the first step of prefect.yaml runs, so no step can
create it. Prefect calls its plugins when it is imported, in folders whose pyproject.toml enables
them: whatever is not `prefect deploy` must be left alone, and soon.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from prefect.plugins import HookContext, SetupResult, register_hook


@register_hook
async def setup_environment(*, ctx: HookContext) -> SetupResult | None:
    """Before `prefect deploy`, and nothing else, all is ready. What is raised ends the command."""
    if not is_deploy(sys.orig_argv):
        return None
    from deployments.bootstrap.prefect_deploy import WORK_POOL, prepared

    variables = await prepared(ctx.api_url)
    return SetupResult(env=variables, note=f"work pool {variables[WORK_POOL]} is there")


def is_deploy(command: Sequence[str]) -> bool:
    """Whether this command line, interpreter first, is `prefect deploy` that deploys."""
    match [Path(word).name for word in command[1:]]:
        case ["prefect", *words] | ["-m", "prefect", *words]:
            named = [word for word in words if not word.startswith("-")]
            return "deploy" in named[:2] and "--help" not in words  # after --profile NAME
    return False
