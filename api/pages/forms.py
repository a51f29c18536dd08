"""Forms of pages, decoded at the door: fields named as the Struct has them on the wire."""

from typing import Annotated, Any, TypeVar, get_origin

import msgspec
from litestar import Request
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import Receive, Scope, Send

from api.http.errors import InvalidRequest, Problem

F = TypeVar("F", bound="Form")


class Form(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all forms. An empty field is one that was not filled in."""


async def form_in(request: Request[Any, Any, Any], kind: type[F]) -> F:
    """The form that was sent; fields that it does not know are ignored.

    A field that is a list takes every value of its name. Raises `InvalidRequest`.
    """
    fields = await request.form()
    stated: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        values = [str(one).strip() for one in fields.getall(field.encode_name, [])]
        values = [one for one in values if one]
        if _is_list(field.type):
            stated[field.encode_name] = values
        elif values:
            stated[field.encode_name] = values[-1]
    try:
        return msgspec.convert(stated, kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise InvalidRequest(
            Problem(field=where.rstrip("`") or None, message=what, source="body")
        ) from None


def _is_list(kind: Any) -> bool:
    plain = kind.__origin__ if get_origin(kind) is Annotated else kind
    return get_origin(plain) is list


class SignedForms(CSRFMiddleware):
    """Litestar's protection of forms; a cookie that this system did not sign counts for nothing.

    Litestar keeps any cookie: after a change of the secret, no form would be taken any more.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookies = Request[Any, Any, Any](scope).cookies  # which the scope keeps
        cookie = cookies.get(self.config.cookie_name)
        if cookie is not None and self._decode_csrf_token(cookie) is None:
            del cookies[self.config.cookie_name]
        await super().__call__(scope, receive, send)
