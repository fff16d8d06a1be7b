"""What a configuration key allows, in words, read from the schema itself so that messages cannot go stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from covidnet.config.schema import Section

Node = Mapping[str, Any]

BOUNDS = {
    "minimum": "at least {:.12g}",
    "exclusiveMinimum": "above {:.12g}",
    "maximum": "at most {:.12g}",
    "exclusiveMaximum": "below {:.12g}",
}
TYPES = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
SECTION = "a section"


def allowed(schema: type[Section], location: Sequence[int | str]) -> str:
    """The values that the key at a pydantic error's ``location`` takes, such as "a number above 0 and below 1"."""
    root = schema.model_json_schema()
    node: Node = root
    for part in location:
        node = _step(_resolve(node, root), part, root)
    return _phrase(_resolve(node, root), root)


def _resolve(node: Node, root: Node) -> Node:
    while "$ref" in node:
        node = root["$defs"][str(node["$ref"]).rpartition("/")[2]]
    return node


def _step(node: Node, part: int | str, root: Node) -> Node:
    """Follow one part of an error's location: a key, a union's tag, or a position in a list."""
    if isinstance(part, str) and part in node.get("properties", {}):
        found: Node = node["properties"][part]
        return found
    if isinstance(part, str) and part in node.get("discriminator", {}).get("mapping", {}):
        return _resolve({"$ref": node["discriminator"]["mapping"][part]}, root)
    if isinstance(part, int):
        for choice in [node, *node.get("anyOf", [])]:
            if "items" in choice:
                items: Node = choice["items"]
                return items
    return node  # the name of one branch of a plain union: all its branches are of interest


def _phrase(node: Node, root: Node) -> str:
    if "anyOf" in node:
        return " or ".join(_phrase(_resolve(choice, root), root) for choice in node["anyOf"])
    if "enum" in node or "const" in node:
        return _choices([str(value) for value in node.get("enum", [node.get("const")])])
    if node.get("type") == "array":
        return _list_phrase(node, root)
    if node.get("type") == "string":
        return "a text" if node.get("minLength") else "a text (may be empty)"
    bounds = [words.format(node[name]) for name, words in BOUNDS.items() if name in node]
    return " ".join(part for part in (TYPES.get(str(node.get("type")), SECTION), " and ".join(bounds)) if part)


def _list_phrase(node: Node, root: Node) -> str:
    item = _phrase(_resolve(node["items"], root), root).removeprefix("a ")
    if node.get("minItems") and node.get("minItems") == node.get("maxItems"):
        return f"a list of {node['minItems']} values, each a {item}"
    return f"a list of values, each a {item}"


def _choices(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
