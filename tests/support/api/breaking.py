"""What breaks clients between OpenAPI documents: `python -m tests.support.api.breaking OLD NEW`.

The known programs for this are not in the registries that this project installs from. This one
knows what our documents use, and calls a break what a generated client or its caller would notice:
something that is gone, has another type, is required that was not, or may be missing that was not.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from blocks.contracts.events import JsonObject

_PROSE = ("description", "example", "examples", "headers", "summary", "title")


def breaks(old: JsonObject, new: JsonObject) -> list[str]:
    """One line for each, in the order of the old document."""
    return [*_Comparison(old, new).operations()]


def essence(document: JsonObject) -> JsonObject:
    """What is compared: the document without prose, examples and errors."""
    components = {"schemas": document["components"]["schemas"]}
    paths = {
        path: {method: _without_errors(operation) for method, operation in methods.items()}
        for path, methods in document["paths"].items()
    }
    return {"paths": _plain(paths), "components": _plain(components)}


def _without_errors(operation: JsonObject) -> JsonObject:
    answers = operation["responses"].items()
    successes = {status: answer for status, answer in answers if status < "300"}
    return operation | {"responses": successes}


def _plain(tree: Any, *, names: bool = False) -> Any:
    """Below `properties` stand names, which may be those of prose."""
    if isinstance(tree, list):
        return [_plain(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: _plain(one, names=key in ("properties", "schemas"))
        for key, one in tree.items()
        if names or key not in _PROSE
    }


class _Comparison:
    def __init__(self, old: JsonObject, new: JsonObject) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operations(self) -> Iterator[str]:
        for path, methods in self._old["paths"].items():
            for method, old in methods.items():
                name, new = f"{method.upper()} {path}", self._new["paths"].get(path, {}).get(method)
                if new is None:
                    yield f"{name} is gone"
                    continue
                if old["operationId"] != new["operationId"]:
                    yield f"{name} is named {new['operationId']}, not {old['operationId']}"
                yield from self._parameters(name, old, new)
                yield from self._bodies(name, old, new)
                yield from self._answers(name, old, new)

    def _parameters(self, name: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        before, after = _parameters(old), _parameters(new)
        for key, parameter in before.items():
            if key not in after:
                yield f"{name}: the {key} is gone"
            else:
                where = f"{name}: the {key}"
                yield from self._schemas(where, parameter["schema"], after[key]["schema"], True)
        for key, parameter in after.items():
            was_required = before.get(key, {}).get("required", False)
            if parameter.get("required") and not was_required:
                yield f"{name}: the {key} is required"

    def _bodies(self, name: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        before, after = _content(old.get("requestBody")), _content(new.get("requestBody"))
        if after and not before and new["requestBody"].get("required"):
            yield f"{name}: a body is required"
        if before and after:
            yield from self._schemas(f"{name}: the body", before, after, True)

    def _answers(self, name: str, old: JsonObject, new: JsonObject) -> Iterator[str]:
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{name}: the answer {status} is gone"
                continue
            before, after = _content(answer), _content(new["responses"][status])
            if before and after:
                yield from self._schemas(f"{name}: the answer {status}", before, after, False)
            elif before:
                yield f"{name}: the answer {status} has no body"

    def _schemas(self, where: str, old: Any, new: Any, sent: bool) -> Iterator[str]:
        """`sent`: by clients, which must do no more than before; else received, no less."""
        if isinstance(old, dict) and isinstance(new, dict) and ("$ref" in old or "$ref" in new):
            key = (str(old.get("$ref")), str(new.get("$ref")), sent)
            if key[0] != "None" != key[1]:
                if key in self._seen:
                    return
                self._seen.add(key)
                where = key[0].rpartition("/")[2]
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if _kinds(self._old, old) != _kinds(self._new, new):
            kinds = f"{sorted(_kinds(self._new, new))}, not {sorted(_kinds(self._old, old))}"
            yield f"{where} is {kinds}"
            return
        old, new = _without_null(self._old, old), _without_null(self._new, new)
        yield from _choices(where, old, new, sent)
        yield from self._fields(where, old, new, sent)
        if "items" in old and "items" in new:
            yield from self._schemas(f"{where}[]", old["items"], new["items"], sent)

    def _fields(self, where: str, old: JsonObject, new: JsonObject, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield f"{where}.{name} is gone"
            else:
                yield from self._schemas(f"{where}.{name}", schema, after[name], sent)
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(now - was if sent else (was - now) & set(after)):
            yield f"{where}.{name} {'is required' if sent else 'may be missing'}"


def _parameters(operation: JsonObject) -> dict[str, JsonObject]:
    return {f"{one['in']} {one['name']}": one for one in operation.get("parameters", ())}


def _content(body: JsonObject | None) -> Any:
    """The schema of what is sent or answered; None: nothing is."""
    return next((media["schema"] for media in (body or {}).get("content", {}).values()), None)


def _resolved(document: JsonObject, schema: JsonObject) -> JsonObject:
    if "$ref" not in schema:
        return schema
    named: JsonObject = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return named


def _kinds(document: JsonObject, schema: JsonObject) -> set[str]:
    """The JSON types that it may have."""
    if "oneOf" in schema:
        alternatives = (_resolved(document, one) for one in schema["oneOf"])
        return {kind for one in alternatives for kind in _kinds(document, one)}
    stated = schema.get("type", "anything")
    return set(stated) if isinstance(stated, list) else {stated}


def _without_null(document: JsonObject, schema: JsonObject) -> JsonObject:
    """The one thing that it may be besides null; of several, the choice itself."""
    alternatives = [_resolved(document, one) for one in schema.get("oneOf", ())]
    others = [one for one in alternatives if one.get("type") != "null"]
    return others[0] if len(others) == 1 else schema


def _choices(where: str, old: JsonObject, new: JsonObject, sent: bool) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None and sent:
        yield f"{where} is one of {after}"
    if before is not None and after is not None:
        for value in [one for one in before if one not in after] if sent else ():
            yield f"{where} is no longer {value!r}"
        for value in () if sent else [one for one in after if one not in before]:
            yield f"{where} may be {value!r}"


def main(old: str, new: str) -> int:
    """Compares each document of one folder with that of the same name in the other."""
    found = [
        f"{path.stem}: {line}"
        for path in sorted(Path(old).glob("*.json"))
        for line in breaks(
            msgspec.json.decode(path.read_bytes()),
            essence(msgspec.json.decode((Path(new) / path.name).read_bytes())),
        )
    ]
    sys.stdout.write("".join(f"breaks clients: {line}\n" for line in found))
    return 1 if found else 0


def freeze(folder: str, into: str) -> None:
    """What the next documents are compared with."""
    for path in sorted(Path(folder).glob("*.json")):
        kept = msgspec.json.encode(essence(msgspec.json.decode(path.read_bytes())))
        (Path(into) / path.name).write_bytes(msgspec.json.format(kept, indent=1) + b"\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--freeze", folder, into]:
            freeze(folder, into)
        case [old, new]:
            sys.exit(main(old, new))
