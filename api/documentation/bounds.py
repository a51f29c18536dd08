"""The bounds of our types in the OpenAPI document, wherever in a type they stand.

Litestar documents a bound that stands directly on a field: none of a list's items, of a map's
values and of a union's members, and no 0 where a field may be null. msgspec refuses what is out of
any bound, and the document has to say what is refused.
"""

from collections.abc import Iterator
from typing import cast

from litestar._openapi.schema_generation import SchemaCreator
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.openapi.spec import OpenAPIType, Reference, Schema
from litestar.typing import FieldDefinition
from msgspec import inspect

_NUMBER = {
    "ge": "minimum",
    "gt": "exclusive_minimum",
    "le": "maximum",
    "lt": "exclusive_maximum",
    "multiple_of": "multiple_of",
}
_TEXT = {"min_length": "min_length", "max_length": "max_length", "pattern": "pattern"}
_ARRAY = {"min_length": "min_items", "max_length": "max_items"}
_OBJECT = {"min_length": "min_properties", "max_length": "max_properties"}

_BOUNDS: dict[type[inspect.Type], tuple[OpenAPIType, dict[str, str]]] = {
    inspect.IntType: (OpenAPIType.INTEGER, _NUMBER),
    inspect.FloatType: (OpenAPIType.NUMBER, _NUMBER),
    inspect.StrType: (OpenAPIType.STRING, _TEXT),
    inspect.ListType: (OpenAPIType.ARRAY, _ARRAY),
    inspect.SetType: (OpenAPIType.ARRAY, _ARRAY),
    inspect.FrozenSetType: (OpenAPIType.ARRAY, _ARRAY),
    inspect.VarTupleType: (OpenAPIType.ARRAY, _ARRAY),
    inspect.DictType: (OpenAPIType.OBJECT, _OBJECT),
}
"""What a type is called in the document, and its bounds there."""


class BoundedStructs(StructSchemaPlugin):
    """Documents structs as Litestar does, with every bound."""

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        schema = super().to_openapi_schema(field_definition, schema_creator)
        struct = cast(inspect.StructType, inspect.type_info(field_definition.type_))
        for field in struct.fields:
            _bound((schema.properties or {})[field.encode_name], field.type)
        return schema


def _bound(schema: Schema | Reference | bool | None, type_: inspect.Type) -> None:
    """A struct inside is a reference: its own schema has its bounds."""
    if isinstance(schema, Schema):
        _extend(schema, type_)
        for member in _members(type_):
            for alternative in schema.one_of or [schema]:
                _bound_one(alternative, member)


def _extend(schema: Schema, type_: inspect.Type) -> None:
    """What the type states for its documentation only."""
    extra = getattr(type_, "extra_json_schema", None) or {}
    for keyword, value in extra.items():
        setattr(schema, schema.field_aliases().get(keyword, keyword), value)


def _members(type_: inspect.Type) -> Iterator[inspect.Type]:
    """The members of a union; else the type itself."""
    if isinstance(type_, inspect.Metadata):
        yield from _members(type_.type)
    elif isinstance(type_, inspect.UnionType):
        for member in type_.types:
            yield from _members(member)
    else:
        yield type_


def _bound_one(schema: Schema | Reference, type_: inspect.Type) -> None:
    name, bounds = _BOUNDS.get(type(type_), (None, {}))
    if not isinstance(schema, Schema) or schema.type != name:
        return
    for bound, attribute in bounds.items():
        if (value := getattr(type_, bound)) is not None:
            setattr(schema, attribute, value)
    if isinstance(type_, inspect.CollectionType):
        _bound(schema.items, type_.item_type)
    elif isinstance(type_, inspect.DictType):
        _bound(schema.additional_properties, type_.value_type)
        _bound_names(schema, type_.key_type)


def _bound_names(schema: Schema, type_: inspect.Type) -> None:
    names = Schema(type=OpenAPIType.STRING)
    _bound(names, type_)
    if names != Schema(type=OpenAPIType.STRING):
        schema.property_names = names
