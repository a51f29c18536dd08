"""Validation of every request body: complete JSON in UTF-8, of limited depth, and what the route
takes.

Litestar decodes bodies through its request class; this is ours. What passes can be read, stored and
encoded again by every route.
"""

import re
from decimal import Decimal
from typing import Any, cast
from urllib.parse import parse_qs

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.enums import RequestEncodingType
from litestar.exceptions import InternalServerException
from litestar.types import Empty

from api.http.deprecation import is_to_the_letter
from api.http.errors import BODY_PROBLEMS, InvalidRequest, NotJson, Problem, RequestCutOff
from api.http.refusals.body_problems import body_problems
from blocks.approvals.form_schemas import depth_within
from blocks.contracts.reading.repeated_keys import RepeatedKey, refuse_repeated_keys

DEPTH_MAX = 100
"""msgspec and the interpreter's stack take about 1,000; nothing that is meant for us needs a tenth
of it.
"""

FIELDS_MAX = 500
"""Of a form."""

_JSON = re.compile(r"application/([a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)


class Refused:
    """In the place of a body that is not what its route takes: the type of no argument."""


class CheckedRequest(Request[Any, Any, Any]):
    """A request whose body is read in full, or refused with a documented answer."""

    async def body(self) -> bytes:
        """Raises `RequestCutOff` when the client leaves in the middle, `RequestEntityTooLarge`."""
        try:
            return await super().body()
        except InternalServerException:
            # Litestar's word for a client that has gone, or is read twice
            raise RequestCutOff from None

    async def json(self) -> Any:
        """What the body stands for: of a route that declares it, in its type.

        A body that is no such thing is returned as `Refused`, so that Litestar reports it together
        with wrong parameters. Raises `NotJson` for another format and `InvalidRequest` for JSON
        that is none.
        """
        self._check_format()
        body = await self.body()
        try:
            decoded = await super().json()
        except RecursionError:
            raise _nested() from None
        except (UnicodeDecodeError, OverflowError):
            raise _invalid("must be JSON in UTF-8") from None
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from None
        _check_shape(body, decoded)
        return self._typed(decoded)

    async def form(self) -> FormMultiDict:
        """The fields of a form; of a body that is none, none. Raises `InvalidRequest` for too many.

        Litestar's own parser caches the forms it has parsed; these are private.
        """
        if self._connection_state.form is Empty:
            self._connection_state.form = cast("Any", await self._fields())
        return FormMultiDict.from_form_data(cast("Any", self._connection_state.form))

    async def _fields(self) -> dict[str, list[str]]:
        if self.content_type[0] != RequestEncodingType.URL_ENCODED:
            return {}
        body = (await self.body()).decode(errors="replace")
        try:
            return parse_qs(body, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise _invalid(f"A form has at most {FIELDS_MAX} fields") from None

    def _typed(self, decoded: Any) -> Any:
        """Litestar itself would take a number for a moment and a text for a number, as it has to
        in a query; so bodies are decoded here. Routes of other systems take what it takes.
        """
        declared = self.route_handler.parsed_data_field
        if declared is None:
            return decoded
        strict = not is_to_the_letter(self.route_handler)
        try:
            return msgspec.convert(decoded, declared.annotation, strict=strict, str_keys=True)
        except msgspec.ValidationError:
            problems = body_problems(decoded, declared.annotation, strict=strict)
            self.scope["state"][BODY_PROBLEMS] = problems
            return Refused()

    async def exact_json(self) -> Any:
        """As `json`, and every number that is not whole is a `Decimal`, as it was written; None
        without a body.
        """
        self._check_format()
        body = await self.body()
        if not body.strip():
            return None
        try:
            decoded = _EXACT.decode(body)
        except RecursionError:
            raise _nested() from None
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            raise _invalid("must be JSON in UTF-8") from None
        _check_shape(body, decoded)
        return decoded

    def _check_format(self) -> None:
        """A body without a type is taken for JSON, as RFC 9110 (8.3) allows."""
        stated, options = self.content_type
        if stated and not _JSON.fullmatch(stated):
            raise NotJson
        if options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise NotJson
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise NotJson


def _exact(text: str) -> Decimal:
    """Within the bounds of a float: a number of a million digits is no amount of anything."""
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _EXPONENT_MAX or len(text) > 1_000:
        raise ValueError("the number is out of range")
    return number


_EXPONENT_MAX = 307
_EXACT = msgspec.json.Decoder(float_hook=_exact)


def _check_shape(body: bytes, decoded: Any) -> None:
    # Counting brackets is cheap; only who has so many is measured.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and not depth_within(decoded, DEPTH_MAX):
        raise _nested()
    try:
        refuse_repeated_keys(body or b"null")
    except RepeatedKey as repeated:
        raise _invalid(f"must hold each key once: {repeated}") from None


def _nested() -> InvalidRequest:
    return _invalid(f"must not be nested more than {DEPTH_MAX} deep")


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(Problem(message=message, source="body"))
