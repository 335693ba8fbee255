"""As much of JSON Schema as docs/metrics.schema.json speaks; a word that it does not know is an error."""

from collections.abc import Iterator

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
PROSE = {"$schema", "$defs", "title", "description"}


def faults(value: object, schema: dict, root: dict | None = None, where: str = "$") -> Iterator[str]:
    """What in a value is not as the schema says, each with its place."""
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for word in schema.keys() - PROSE - CHECKS.keys():
        raise NotImplementedError(f"{word} at {where}")
    for word in schema.keys() & CHECKS.keys():
        yield from CHECKS[word](value, schema, root, where)


def _type(value, schema, root, where):
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = any(isinstance(value, TYPES[name]) and (name == "boolean") == isinstance(value, bool) for name in names)
    if not fits:
        yield f"{where}: {value!r} is none of {names}"


def _properties(value, schema, root, where):
    for name, part in schema["properties"].items():
        if isinstance(value, dict) and name in value:
            yield from faults(value[name], part, root, f"{where}.{name}")


def _required(value, schema, root, where):
    yield from (f"{where}: no {name}" for name in schema["required"] if name not in value)


def _additional(value, schema, root, where):
    for name in value.keys() - schema.get("properties", {}).keys():
        part = schema["additionalProperties"]
        yield from faults(value[name], part, root, f"{where}.{name}") if part else [f"{where}: {name} is not known"]


def _items(value, schema, root, where):
    for number, item in enumerate(value if isinstance(value, list) else []):
        yield from faults(item, schema["items"], root, f"{where}[{number}]")


def _any_of(value, schema, root, where):
    if all(list(faults(value, part, root, where)) for part in schema["anyOf"]):
        yield f"{where}: {value!r} fits none"


def _bound(word, holds):
    def check(value, schema, root, where):
        if value is not None and not holds(value, schema[word]):
            yield f"{where}: {value!r} breaks {word} {schema[word]!r}"

    return check


CHECKS = {
    "$ref": lambda *_: (),
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    "const": _bound("const", lambda value, bound: value == bound),
    "enum": _bound("enum", lambda value, bound: value in bound),
    "minimum": _bound("minimum", lambda value, bound: value >= bound),
    "maximum": _bound("maximum", lambda value, bound: value <= bound),
    "exclusiveMinimum": _bound("exclusiveMinimum", lambda value, bound: value > bound),
    "minItems": _bound("minItems", lambda value, bound: len(value) >= bound),
    "maxItems": _bound("maxItems", lambda value, bound: len(value) <= bound),
}
