"""Four pictures of a page as one: desktop and phone, light and dark."""

from pathlib import Path

from PIL import Image

PICTURES = Path("docs/images/pages")
DESKTOP, PHONE = (1280, 800), (390, 844)
"""As the browser's windows are."""
_HEIGHT = 540
_GAP = 12
_GROUND = (128, 134, 146)


def sheet_of(folder: Path, name: str) -> None:
    """The first view of each, side by side in two rows, lies in the pictures of the documents."""
    rows = [
        [_view(folder, name, "desktop", "light"), _view(folder, name, "phone", "dark")],
        [_view(folder, name, "desktop", "dark"), _view(folder, name, "phone", "light")],
    ]
    width = sum(one.width for one in rows[0]) + 3 * _GAP
    sheet = Image.new("RGB", (width, 2 * _HEIGHT + 3 * _GAP), _GROUND)
    for line, row in enumerate(rows):
        left = _GAP
        for view in row:
            sheet.paste(view, (left, _GAP + line * (_HEIGHT + _GAP)))
            left += view.width + _GAP
    PICTURES.mkdir(parents=True, exist_ok=True)
    sheet.save(PICTURES / f"{name}.webp", quality=72, method=6)


def _view(folder: Path, name: str, screen: str, scheme: str) -> Image.Image:
    width, height = DESKTOP if screen == "desktop" else PHONE
    with Image.open(folder / f"{name}-{screen}-{scheme}.png") as picture:
        whole = picture.convert("RGB")
    scale = whole.width / width
    first = whole.crop((0, 0, whole.width, min(whole.height, round(height * scale))))
    return first.resize((round(_HEIGHT * width / height), _HEIGHT), Image.Resampling.LANCZOS)
