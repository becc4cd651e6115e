"""Reads YAML files that people write: mappings, lists and scalars, and nothing that hides."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST = 10**6
"""Bytes of a file; those of this suite have a few thousand."""
DEEPEST = 50
"""Mappings and lists within each other."""


class NotPlain(Exception):
    """The file is not such YAML. The message is a clause: where, what was found, what to write."""


def read(path: Path) -> tuple[yaml.Node, Any]:
    """The file's tree, which knows line numbers, and its content.

    Raises
    ------
    NotPlain : the file cannot be read, is too large, is not UTF-8 or not YAML, is nested too
        deeply, has a key twice in one mapping, an alias, a tag, or a value that its look belies,
        such as a date that no calendar has.
    """
    try:
        with path.open("rb") as file:
            stored = file.read(LARGEST + 1)
    except OSError as error:
        raise NotPlain(f"it cannot be read ({error.strerror})") from None
    if len(stored) > LARGEST:
        raise NotPlain(f"it has more than {LARGEST} bytes; is it the right file?")
    try:
        loader = _Loader(stored.decode("utf-8-sig"))
        tree = loader.get_single_node()
        return tree, None if tree is None else loader.construct_document(tree)
    except UnicodeDecodeError as error:
        raise NotPlain(f"byte {error.start} is no text in UTF-8; is it the right file?") from None
    except yaml.YAMLError as error:
        raise NotPlain(str(error)) from None
    # PyYAML lets through what Python says of `2020-99-99` or a number of 5000 digits.
    except (ValueError, OverflowError) as error:
        raise NotPlain(f"a value is not what it looks like ({error}); put it in quotes") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's, for plain values alone; it refuses the rest before it is built."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _fault(event, f"found the alias `*{event.anchor}`; write its value out")
        if event.tag is not None:
            raise _fault(event, f"found the tag `{event.tag}`; write the value without it")
        self.depth += 1
        if self.depth > DEEPEST:
            raise _fault(event, f"nested more than {DEEPEST} deep; is it the right file?")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_scalar(self, node: yaml.Node) -> Any:
        if node.tag.endswith((":int", ":float")) and len(node.value) > 100:
            raise _fault(node, "a number of more than 100 digits; write a smaller one")
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if (name := (key.tag, str(key.value))) in seen:
                raise _fault(key, f"`{key.value}` is in line {seen[name]} too; keep one of them")
            seen[name] = line
        return super().construct_mapping(node, deep)


def _fault(place: yaml.Event | yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"line {place.start_mark.line + 1}: {what}")
