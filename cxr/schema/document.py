"""What the models of the three JSON documents share: kinds of numbers, the check of a document, its JSON Schema.

`report.json` and `metrics.json` are plain dictionaries whose keys a `TypedDict` names, so that code, type checker and
JSON Schema agree on them and a file is written exactly as it was measured.
"""

from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cxr.schema.dataset import Split
from cxr.schema.labels import Label

DIALECT = "https://json-schema.org/draft/2020-12/schema"

closed = with_config(ConfigDict(extra="forbid"))
"""Decorates a model that allows no keys but its own."""

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Interval = Annotated[list[Share], Field(min_length=2, max_length=2)] | None
"""Lower and upper end of a 95 % interval; None where there are too few patients (two in each class that it needs)."""

Value = TypeVar("Value")
PerClass = Annotated[dict[Label, Value], Field(min_length=2)]
PerSplit = Annotated[dict[Split, Value], Field(min_length=3)]


def check(model: Any, document: object) -> None:
    """Make sure that a document about to be written keeps to its model; nothing is converted.

    Raises:
        pydantic.ValidationError: naming every key that does not.
    """
    TypeAdapter(model).validate_python(document, strict=True)


def json_schema(model: Any, title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a model."""
    generated = TypeAdapter(model).json_schema(schema_generator=_Plain)
    return {"$schema": DIALECT, "title": title, **_unwrapped({**generated, "title": title})}


def _unwrapped(schema: Any) -> Any:
    """The schema with every description on one line; docstrings break theirs to fit the source."""
    if isinstance(schema, list):
        return [_unwrapped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _unwrapped(value)
        for key, value in schema.items()
    }


class _Plain(GenerateJsonSchema):
    """No titles, which only repeat the names, and no defaults; only a field whose default is None may be missing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        inner = field["schema"]
        if inner["type"] == "default":
            return inner["default"] is not None
        return super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])
