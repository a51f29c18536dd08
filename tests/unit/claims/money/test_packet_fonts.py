"""The fonts of a proof packet are where the image and the PDF library have them."""

import re
from importlib.metadata import files
from pathlib import Path

import pytest
from reportlab.pdfbase.ttfonts import TTFont

from blocks.claims.packets import fonts

DOCKERFILE = (Path(__file__).parents[4] / "deployments" / "docker" / "Dockerfile").read_text()

# Where Debian puts them (file lists of the packages in bookworm).
OF_DEBIAN = {
    "fonts-dejavu-core": (
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    ),
    "fonts-droid-fallback": ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",),
}


def test_the_image_installs_the_packages_of_the_fonts_that_are_looked_for_first() -> None:
    [installed] = re.findall(r"apt-get install [^\n]*recommends ([\w -]+?) *\\", DOCKERFILE)

    assert OF_DEBIAN.keys() <= set(installed.split())
    dejavu, droid = OF_DEBIAN.values()
    assert {str(fonts._FOLDERS[0])} == {str(Path(file).parent) for file in dejavu}
    assert droid == (str(fonts._FALLBACKS[0]),)


@pytest.mark.parametrize("name", ["Vera.ttf", "VeraBd.ttf"])
def test_without_them_the_fonts_of_the_librarys_package_are_there(name: str) -> None:
    of_package = [file for file in files("reportlab") or () if file.name == name]

    assert [fonts._OF_THE_LIBRARY / name] == [Path(str(file.locate())) for file in of_package]
    assert ord("é") in TTFont(name, str(fonts._OF_THE_LIBRARY / name)).face.charToGlyph


def test_where_no_dejavu_is_installed_the_librarys_fonts_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "_FOLDERS", ())

    assert [fonts._OF_THE_LIBRARY] * 2 == [file.parent for file in fonts._files()]
    assert all(file.is_file() for file in fonts._files())
