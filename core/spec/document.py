"""Reading a PipelineSpec from YAML, with errors that name the place and say what is allowed there."""

import difflib
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from core.errors import SpecError
from core.spec.pipeline import PipelineSpec


def load(path: str | Path) -> PipelineSpec:
    """Read and check the document at `path`.

    Raises SpecError with one line for each problem: its place in the document, what is wrong, what is allowed.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [f"cannot be read: {error}"], remedy="Give the path of a YAML file.") from error
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise SpecError(str(path), [f"is not YAML: {_one_line(error)}"]) from error
    return parse(content, document=str(path))


def parse(content: Any, *, document: str = "spec") -> PipelineSpec:
    """Check plain values, as they come from YAML or JSON. Raises SpecError as `load` does."""
    if not isinstance(content, dict):
        raise SpecError(document, ["the document must be a mapping with name, sources and target"])
    try:
        return PipelineSpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(document, [_problem(dict(e)) for e in error.errors()]) from error


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key stands once, and only true and false are truth values: `on`, `yes`, `no` are words."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])


def _problem(error: dict[str, Any]) -> str:
    place = _place(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        allowed = _allowed_keys(error["loc"][:-1])
        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        message = f"unknown key{hint} Allowed: {', '.join(allowed)}" if allowed else "unknown key"
    elif error["type"] == "missing":
        message = "is required"
    elif error["type"] == "union_tag_invalid":
        message = f"'{error['ctx']['tag']}' is not allowed; allowed are {error['ctx']['expected_tags']}"
    elif error["type"] == "union_tag_not_found":
        message = f"the key {error['ctx']['discriminator']} is required"
    elif "input" in error and not isinstance(error["input"], (dict, list)):
        message = f"{message} (got {error['input']!r})"
    return f"{place}: {message}" if place else message


def _place(loc: tuple[Any, ...]) -> str:
    """The path in the document: pydantic adds the tag of a union's member, which stands nowhere in it."""
    parts: list[str] = []
    annotation: Any = PipelineSpec
    for part in loc:
        tags = _tags(annotation)
        if isinstance(part, str) and part in tags:
            annotation = tags[part]
            continue
        parts.append(str(part))
        annotation = _step(annotation, part)
    return ".".join(parts)


def _allowed_keys(loc: tuple[Any, ...]) -> list[str]:
    annotation: Any = PipelineSpec
    for part in loc:
        tags = _tags(annotation)
        annotation = tags[part] if part in tags else _step(annotation, part)
    return list(annotation.model_fields) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _step(annotation: Any, part: Any) -> Any:
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        if field is None:
            return Any
        return Annotated[field.annotation, field] if field.discriminator else field.annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else Any


def _tags(annotation: Any) -> dict[str, Any]:
    members = get_args(_bare(annotation))
    found: dict[str, Any] = {}
    if get_origin(_bare(annotation)) not in (Union, UnionType):
        return found
    for member in members:
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name in ("kind", "check", "rule"):
                field = member.model_fields.get(name)
                if field and get_origin(field.annotation) is Literal:
                    found[get_args(field.annotation)[0]] = member
    return found


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(arguments) == 1:
        return _bare(arguments[0])
    return annotation


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
