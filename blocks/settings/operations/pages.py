"""Lists of web pages in settings: `NAME=URL` or a URL, separated by commas."""


def pages_of(listed: str) -> dict[str, str]:
    """Each URL by its name; one without a name has that of its host and path. Raises `ValueError`
    for a name that stands twice.
    """
    pages: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in listed.split(","))):
        name, url = _named(entry)
        if pages.setdefault(name, url) != url:
            raise ValueError(f"{name} stands twice, for different URLs")
    return pages


def _named(entry: str) -> tuple[str, str]:
    name, equals, url = entry.partition("=")
    if equals and "://" not in name:
        return name.strip(), url.strip()
    return entry.partition("?")[0].partition("://")[2].rpartition("@")[2].rstrip("/"), entry
