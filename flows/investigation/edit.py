"""Edits of a pipeline's document: made in its text where they belong, so that all else stays as it was written."""

import copy
import json
import re
from collections.abc import Iterable
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from core.spec.document import yaml_values

Place = tuple[str | int, ...]


class Edit(BaseModel):
    """A change at a place of the document: `("sources", "orders", "delimiter")`.

    `set` gives the key a value, whether or not it is there; `rename` another name; `append` and `prepend` put a value
    into the list at the place, which is made if there is none.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["set", "rename", "append", "prepend"]
    place: Place
    value: Any


def edited_values(values: Any, edits: Iterable[Edit]) -> Any:
    """The document's values after the edits. Raises InputError for a place that there is none of."""
    changed = copy.deepcopy(values)
    for edit in edits:
        *above, last = edit.place
        try:
            parent = changed
            for key in above:
                parent = parent.setdefault(key, {}) if isinstance(parent, dict) else parent[key]
            _edit(parent, last, edit)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise _nowhere(edit) from error
    return changed


def _edit(parent: Any, last: str | int, edit: Edit) -> None:
    if edit.kind == "set":
        parent[last] = edit.value
    elif edit.kind == "rename":
        renamed = {edit.value if key == last else key: value for key, value in parent.items()}
        parent.clear()
        parent.update(renamed)
    elif isinstance(parent, dict) and last not in parent:
        parent[last] = [edit.value]
    else:
        parent[last].insert(len(parent[last]) if edit.kind == "append" else 0, edit.value)


def edited_text(text: str, edits: Iterable[Edit]) -> str:
    """The document's text after the edits: comments, order and notation of all else stay.

    Raises InputError where the text is written in a way that cannot be edited in its place.
    """
    windows = "\r\n" in text
    if windows:
        text = text.replace("\r\n", "\n")
    for edit in edits:
        text = _edited(text, edit)
    return text.replace("\n", "\r\n") if windows else text


def _edited(text: str, edit: Edit) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise _nowhere(edit)
    node, rest = _found(root, edit.place)
    if edit.kind == "rename":
        key = _key(_found(root, edit.place[:-1])[0], edit.place[-1])
        if key is None:
            raise _nowhere(edit)
        return _spliced(text, key.start_mark.index, key.end_mark.index, written(edit.value))
    if rest:
        value = edit.value if edit.kind == "set" else [edit.value]
        for part in reversed(rest[1:]):
            value = {part: value}
        return _with_key(text, node, str(rest[0]), value, edit)
    if edit.kind == "set":
        plain = node.style not in ("|", ">") if isinstance(node, yaml.ScalarNode) else _flows(node)
        if not plain:
            raise _nowhere(edit)
        return _spliced(text, node.start_mark.index, node.end_mark.index, written(edit.value))
    return _with_item(text, node, edit)


def _found(root: yaml.Node, place: Place) -> tuple[yaml.Node, Place]:
    """The node at a place, or the last on the way there, and what of the way is left."""
    node = root
    for index, part in enumerate(place):
        if isinstance(node, yaml.MappingNode):
            values = [value for key, value in node.value if key.value == part]
        else:
            values = node.value[part : part + 1] if isinstance(part, int) and isinstance(node.value, list) else []
        if not values:
            return node, place[index:]
        node = values[0]
    return node, ()


def _key(node: yaml.Node, name: str | int) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((key for key, _ in pairs if key.value == name), None)


def _with_key(text: str, node: yaml.Node, key: str, value: Any, edit: Edit) -> str:
    if not isinstance(node, yaml.MappingNode):
        raise _nowhere(edit)
    if node.flow_style:
        close = node.end_mark.index - 1
        return _spliced(text, close, close, f"{', ' if node.value else ''}{written(key)}: {written(value)}")
    indent = node.value[0][0].start_mark.column
    return _below(text, node, _block(key, value, " " * indent))


def _with_item(text: str, node: yaml.Node, edit: Edit) -> str:
    if not isinstance(node, yaml.SequenceNode):
        raise _nowhere(edit)
    value = written(edit.value)
    first = edit.kind == "prepend"
    if node.flow_style:
        at = node.start_mark.index + 1 if first else node.end_mark.index - 1
        comma = (", " if node.value else "") if not first else ""
        return _spliced(text, at, at, f"{comma}{value}{', ' if first and node.value else ''}")
    indent = " " * node.start_mark.column
    if first:
        at = _with_comment(text, text.rfind("\n", 0, node.start_mark.index) + 1)
        return _spliced(text, at, at, f"{indent}- {value}\n")
    return _below(text, node, f"{indent}- {value}")


def _with_comment(text: str, at: int) -> int:
    """Where the comment begins that stands right above a line, which is where the line begins if there is none."""
    while at:
        above = text.rfind("\n", 0, at - 1) + 1
        if not text[above:at].lstrip().startswith("#"):
            break
        at = above
    return at


def _below(text: str, node: yaml.Node, lines: str) -> str:
    """The lines after the last line of a block, with the comment that may stand there."""
    end = _end(node)
    stop = text.find("\n", end - 1 if end and text[end - 1] == "\n" else end)
    if stop < 0:
        return f"{text}\n{lines}\n"
    return _spliced(text, stop, stop, f"\n{lines}")


def _flows(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _end(node: yaml.Node) -> int:
    """Where the last thing of a node ends: a block's own mark is behind the blank lines and comments after it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


def _block(key: str, value: Any, indent: str) -> str:
    """A key with its value, in lines where it holds lists of mappings, else in one."""
    if isinstance(value, dict) and all(isinstance(of, list) for of in value.values()):
        inner = "\n".join(_block(name, of, f"{indent}  ") for name, of in value.items())
        return f"{indent}{written(key)}:\n{inner}"
    if isinstance(value, list) and any(isinstance(of, dict) for of in value):
        return f"{indent}{written(key)}:\n" + "\n".join(f"{indent}  - {written(of)}" for of in value)
    return f"{indent}{written(key)}: {written(value)}"


def written(value: Any) -> str:
    """A value in YAML, on one line: words without quotes where they need none."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(of)}" for key, of in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_./*][\w ./*-]*", value) and value == value.strip():
        bare = "*" not in value[0] and yaml_values(f"[{value}]", "value") == [value]
        return value if bare else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _nowhere(edit: Edit) -> InputError:
    place = ".".join(map(str, edit.place))
    return InputError(f"The document cannot be changed at `{place}`.", remedy="Change it by hand.")
