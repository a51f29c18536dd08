"""What can be read without doubt is read: JSON that a strict decoder refuses, put right by the
types of its fields.

| type wanted | read, too |
| --- | --- |
| anything with a default | null, as the default |
| text, an id | a whole number (not a fraction, which has many spellings) |
| a number | its text, in JSON's own grammar (not `NaN`, `0,4`, blanks or an empty text) |
| a moment | ISO 8601 in other spellings: no seconds, `+0000`, no hyphens |

Nothing else: `"true"` is no boolean, one thing is no list, a number no moment. The strict decoder
goes first, so what is spelled as documented costs nothing more.
"""

import re
from datetime import datetime
from math import isfinite
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?")
_MOMENT = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9]{2}.{0,30}")


def decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises what the decoder raises, about what is wrong besides."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as refused:
        try:
            again = msgspec.json.encode(_repaired(msgspec.json.decode(body), decoder.type))
        # It is no JSON behind what was wrong first, too deep, or has whole numbers that cannot be
        # written down again.
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            raise refused from None
        return decoder.decode(again)


def _repaired(value: Any, kind: Any) -> Any:
    kinds = _kinds(kind)
    if Any in kinds:
        return value
    match value:
        case dict():
            struct = next((one for one in kinds if _is_struct(one)), None)
            return _repaired_struct(value, struct) if struct else value
        case list():
            items = next((get_args(one) for one in kinds if get_origin(one) is list), (Any,))
            return [_repaired(item, items[0]) for item in value]
        case str():
            return value if str in kinds else _from_text(value, kinds)
        case bool():
            return value
        case int() if str in kinds and not {int, float} & kinds:
            return str(value)
    return value


def _repaired_struct(values: dict[str, Any], struct: Any) -> dict[str, Any]:
    repaired = dict(values)
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        if name not in values:
            continue
        kinds = _kinds(field.type)
        if values[name] is None and not {type(None), Any} & kinds and not field.required:
            del repaired[name]
        else:
            repaired[name] = _repaired(values[name], field.type)
    return repaired


def _from_text(text: str, kinds: set[Any]) -> Any:
    # Text beyond what a float holds would be infinite, which JSON writes as null.
    if float in kinds and _NUMBER.fullmatch(text) and isfinite(number := float(text)):
        return number
    if datetime in kinds and _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    return text


def _kinds(kind: Any) -> set[Any]:
    """The types that a value may have, without their annotations."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _kinds(get_args(kind)[0])
    if origin in (Union, UnionType):
        return set().union(*map(_kinds, get_args(kind)))
    return {kind}


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
