"""Reading a PipelineSpec or a Checklist from YAML, with errors that name the place and say what is allowed there."""

import difflib
import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from core.errors import SpecError
from core.spec.checklist import Checklist
from core.spec.fault import faults
from core.spec.pipeline import Misfits, PipelineSpec

Document = TypeVar("Document", bound=BaseModel)


def load(path: str | Path) -> PipelineSpec:
    """Read and check the document at `path`.

    Raises SpecError with one line for each problem: its place in the document, what is wrong, what is allowed.
    """
    return loads(_read(path), document=str(path))


def loads(text: str, *, document: str = "spec") -> PipelineSpec:
    """Read and check a document that is at hand as text. Raises SpecError as `load` does."""
    return parse(yaml_values(text, document), document=document)


def parse(content: Any, *, document: str = "spec") -> PipelineSpec:
    """Check plain values, as they come from YAML or JSON. Raises SpecError as `load` does."""
    if not isinstance(content, dict):
        raise SpecError(document, ["the document must be a mapping with name, sources and target"])
    return _checked(content, PipelineSpec, document)


def load_checklist(path: str | Path) -> Checklist:
    """Read and check the checks at `path`: a mapping, or a list of checks alone. Raises SpecError as `load` does."""
    content = yaml_values(_read(path), str(path))
    if isinstance(content, list):
        content = {"checks": content}
    if not isinstance(content, dict):
        raise SpecError(str(path), ["the document must be a list of checks, or a mapping with checks"])
    checklist = _checked(content, Checklist, str(path))
    folder = Path(path).parent
    there = {name: other if "://" in other else str(folder / other) for name, other in checklist.references.items()}
    return checklist.model_copy(update={"references": there})


def load_document(path: str | Path, root: type[Document]) -> Document:
    """Read and check a document of another kind, which `root` describes. Raises SpecError as `load` does."""
    content = yaml_values(_read(path), str(path))
    if not isinstance(content, dict):
        raise SpecError(str(path), [f"the document must be a mapping with {' and '.join(root.model_fields)}"])
    return _checked(content, root, str(path))


def load_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML document, unchecked. Raises SpecError if there is none."""
    content = yaml_values(_read(path), str(path))
    if not isinstance(content, dict):
        raise SpecError(str(path), ["the document must be a mapping"])
    return content


def yaml_values(text: str, document: str) -> Any:
    """The values of a text in YAML, where all words stay words. Raises SpecError if it is none."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise SpecError(document, [f"is not YAML: {_one_line(error)}"]) from error
    except RecursionError as error:
        raise SpecError(document, ["is nested too deeply"]) from error


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(str(path), [f"cannot be read: {error}"], remedy="Give the path of a YAML file.") from error


def _checked(content: dict[str, Any], root: type[Document], document: str) -> Document:
    try:
        return root.model_validate(content)
    except ValidationError as error:
        raise SpecError(document, _problems(faults(error), root)) from error


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key stands once; besides null, true and false, and decimal numbers, everything is a word.

    YAML 1.1 takes `on`, `yes`, `no` for truth values, `2025-01-31` for a date, `12:30` for 750, and `010` for 8.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("null", "merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def _problems(errors: list[dict[str, Any]], root: type[BaseModel]) -> list[str]:
    """One line for each place. Where several types are allowed, pydantic tells of each that it refused the value."""
    at: dict[str, list[str]] = {}
    for error in errors:
        misfits = error.get("ctx", {}).get("error")
        if isinstance(misfits, Misfits):
            return misfits.problems
        at.setdefault(_place(error["loc"], root), []).append(_problem(error, root))
    return [f"{place}: {' or '.join(told)}" if place else " or ".join(told) for place, told in at.items()]


def _problem(error: dict[str, Any], root: type[BaseModel]) -> str:
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        allowed = _allowed_keys(error["loc"][:-1], root)
        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        message = f"unknown key{hint} Allowed: {', '.join(allowed)}" if allowed else "unknown key"
    elif error["type"] == "missing":
        message = "is required"
    elif error["type"] == "union_tag_invalid":
        message = f"'{error['ctx']['tag']}' is not allowed; allowed are {error['ctx']['expected_tags']}"
    elif error["type"] in ("list_type", "tuple_type"):
        message = f"must be a list (got {error['input']!r})"
    elif error["type"] in ("dict_type", "model_type", "model_attributes_type"):
        message = f"must be a mapping (got {error['input']!r})"
    elif error["type"] == "union_tag_not_found":
        message = f"the key {error['ctx']['discriminator']} is required"
    elif "input" in error and not isinstance(error["input"], (dict, list)):
        message = f"{message} (got {error['input']!r})"
    return message


def _place(loc: tuple[Any, ...], root: type[BaseModel]) -> str:
    """The path in the document: pydantic adds which member of a union it tried, which stands nowhere in it."""
    parts: list[str] = []
    annotation: Any = root
    for part in loc:
        tags = _tags(annotation)
        if isinstance(part, str) and part in tags:
            annotation = tags[part]
            continue
        if part == "[key]" or (not tags and _is_union(annotation)):
            break
        parts.append(str(part))
        annotation = _step(annotation, part)
    return ".".join(parts)


def _allowed_keys(loc: tuple[Any, ...], root: type[BaseModel]) -> list[str]:
    annotation: Any = root
    for part in loc:
        tags = _tags(annotation)
        annotation = tags[part] if part in tags else _step(annotation, part)
    annotation = _bare(annotation)
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
    if not _is_union(annotation):
        return found
    for member in members:
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name in ("kind", "check", "rule"):
                field = member.model_fields.get(name)
                if field and get_origin(field.annotation) is Literal:
                    found[get_args(field.annotation)[0]] = member
    return found


def _is_union(annotation: Any) -> bool:
    return get_origin(_bare(annotation)) in (Union, UnionType)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if get_origin(annotation) in (Union, UnionType) and len(arguments) == 1:
        return _bare(arguments[0])
    return annotation


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
