"""Python that a page shows has the types of the code that it calls, as it is now.

Types are looked at here, at once; what the code does is tested where it is run:
`tests/acceptance/test_second_workflow.py`, `tests/acceptance/api/test_live_examples.py`.
"""

import re
import sys
from pathlib import Path
from subprocess import run

import pytest

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [
    page
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if BLOCK.search(page.read_text())
]

FROM_THE_TEXT = "url: str; key: str; tenant: str"
"""What the text around a block says of the names in it; it takes the first line, where the page
has its title."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_types_of_a_page_are_those_of_the_code(page: Path, tmp_path: Path) -> None:
    assert "" == errors_of(page.read_text(), tmp_path)


def test_a_call_that_has_changed_is_found(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "add-a-workflow.md").read_text()

    found = errors_of(page.replace("(context, asking)", "(context, asking[0])"), tmp_path)

    assert 'Argument 2 to "continue_alone" has incompatible type' in found


def errors_of(page: str, folder: Path) -> str:
    """What mypy says of the page's blocks, by their lines there.

    In a process of its own: mypy raises the limit of recursion of the one it runs in.
    """
    lines = FROM_THE_TEXT
    for block in BLOCK.finditer(page):
        lines += "\n" * (page[: block.start(1)].count("\n") - lines.count("\n")) + block[1]
    program = folder / "page.py"
    program.write_text(lines)
    ended = run(
        [
            *(sys.executable, "-m", "mypy", "--no-error-summary"),
            # a page enters into tables what stands in them in the repository
            *("--disable-error-code", "index"),
            # other options, another cache
            *("--cache-dir", str(ROOT / ".mypy_cache" / "pages")),
            str(program),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return ended.stdout + ended.stderr
