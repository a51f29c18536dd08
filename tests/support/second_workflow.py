"""The workflow of docs/add-a-workflow.md, as it stands there; who imports this module has it in the
registry.
"""

from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[2] / "docs" / "add-a-workflow.md"


def _source() -> str:
    """On its lines of the page, so that errors name them."""
    text = _PAGE.read_text()
    before, _, rest = text.partition("```python\n")
    return "\n" * (before.count("\n") + 1) + rest.partition("```")[0]


exec(compile(_source(), str(_PAGE), "exec"))  # the page is what is tested

parcel_check: Any = globals()["parcel_check"]
"""The flow; Prefect finds it by this name."""
