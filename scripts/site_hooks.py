"""What `mkdocs build` does beside its own: the pages at the root of the repository are part of the
site, links to code are names, and the order is that of docs/README.md.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
AT_ROOT = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")

_SECTION = re.compile(r"^## (.+)$|^\| \[[^\]]+\]\(([^)]+\.md)\)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(((?!\w+:|#)[^)\s]+)\)")


def on_config(config: Any) -> Any:
    """The navigation: a section for each of docs/README.md, with the pages of its table."""
    nav: list[Any] = ["README.md"]
    for section, page in _SECTION.findall((ROOT / "docs" / "README.md").read_text()):
        if section:
            nav.append({section: []})
        else:
            [pages] = nav[-1].values()
            pages.append(page.removeprefix("../"))
    config["nav"] = [one for one in nav if isinstance(one, str) or any(one.values())]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Beside docs/, the pages of the repository's root."""
    for name in AT_ROOT:
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to what is no page of the site, as code, become their text; they have to exist."""
    source = page.file.src_uri
    folder = ROOT if source in AT_ROOT else (ROOT / "docs" / source).parent
    return _LINK.sub(lambda found: _linked(found, folder, source), markdown)


def _linked(found: re.Match[str], folder: Path, source: str) -> str:
    text, (path, _, anchor) = found[1], found[2].partition("#")
    target = (folder / path).resolve()
    if source in AT_ROOT:  # its links to docs/ are those of a page in there already
        target = target if target.exists() else (ROOT / "docs" / path).resolve()
    if target.parent == ROOT and target.name in AT_ROOT:
        up = "../" * source.count("/")
        return f"[{text}]({up}{target.name}{'#' * bool(anchor)}{anchor})"
    if target.is_relative_to(ROOT / "docs") or not target.exists():
        return found[0]  # mkdocs checks it
    return text if text.startswith("`") else f"`{text}`"
