"""What the routes of an application take."""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute


def request_bodies(app: Litestar) -> Iterator[type[msgspec.Struct]]:
    """The struct of each route that takes a body."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            data = handler.parsed_data_field
            if data is not None:
                yield from (one for one in _structs(data.annotation))


def _structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    for one in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            yield one
