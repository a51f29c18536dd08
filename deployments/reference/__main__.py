"""`python -m deployments.reference`: writes the generated pages, which docs/ then holds."""

from pathlib import Path

from deployments.reference.pages import PAGES

DOCS = Path(__file__).parents[2] / "docs"

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
