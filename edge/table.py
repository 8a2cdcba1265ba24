"""Tables of a TOML file: frozen models, and complaints that start with the file and the key's path."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from edge.errors import ConfigError


class Table(BaseModel):
    """A table of a file. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


Kind = TypeVar("Kind", bound=Table)
Segment = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
"""A name that can stand in a topic and in a file name."""
Fraction = Annotated[float, Field(ge=0, le=1)]


def _from_the_files_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


FilePath = Annotated[Path, AfterValidator(_from_the_files_folder)]
"""A relative path starts at the folder of the file that it stands in."""


def read_text(path: Path, error: type[ConfigError] = ConfigError) -> str:
    """A file as text. Raises `error`."""
    try:
        return path.read_bytes().decode()
    except OSError as err:
        raise error(f"{path}: cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise error(f"{path}: is not UTF-8 text (byte {err.start})") from err


def read_table(kind: type[Kind], text: str, path: Path, error: type[ConfigError] = ConfigError) -> Kind:
    """Check a TOML text against a table. Raises `error`, each line of which names `path` and the key."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise error(f"{path}: is not TOML: {err}") from err
    return validate(kind, tables, path, error)


def validate(
    kind: type[Kind], tables: dict[str, Any], path: Path, error: type[ConfigError] = ConfigError
) -> Kind:
    """Check what a file at `path` holds, or would hold, against a table. Raises `error`."""
    try:
        return kind.model_validate(tables, context={"folder": path.parent})
    except ValidationError as err:
        complaints = [_complaint(kind, complaint) for complaint in err.errors(include_url=False)]
        raise error("\n".join(f"{path}: {complaint}" for complaint in complaints)) from err


def write_table(table: Table) -> str:
    """A table as TOML, which reads back as the same table."""
    return "\n".join(_lines(table.model_dump(by_alias=True, exclude_none=True))).lstrip("\n") + "\n"


def tables_in(annotation: object) -> Iterator[type[Table]]:
    """The tables that a field of this type holds: itself, in a list, or one of several kinds."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from tables_in(inner)


def _complaint(root: type[Table], error: ErrorDetails) -> str:
    where, known = _place(root, error["loc"])
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(where[-1]), known, n=1)
            return f"{key}: unknown key" + (f"; did you mean '{near[0]}'?" if near else "; remove it")
        case "missing":
            return f"{key}: is missing; add it"
        case "union_tag_not_found":
            return f"{key}.type: is missing; add it"
        case "union_tag_invalid":
            wanted, tag = error["ctx"]["expected_tags"], error["ctx"]["tag"]
            near = difflib.get_close_matches(tag, re.findall("'([^']+)'", wanted), n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            return f"{key}.type: '{tag}' is unknown; use one of {wanted}{meant}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]} (got {error['input']!r:.80})".lstrip(": ")


def _place(root: type[Table], loc: tuple[int | str, ...]) -> tuple[list[int | str], list[str]]:
    """The key's path as it stands in the file, and the keys that the table which it stands in has.

    In `loc`, the kind of a table of several kinds has a place of its own; in the file it has none.
    """
    where: list[int | str] = []
    tables: list[type[Table]] = [root]
    for part in loc:
        named = [table for table in tables if len(tables) > 1 and _kind(table) == part]
        if named:
            tables = named
            continue
        where.append(part)
        if isinstance(part, str) and len(where) < len(loc):
            fields = [table.model_fields[part] for table in tables if part in table.model_fields]
            inner = [found for info in fields for found in tables_in(info.annotation)]
            tables = inner or tables
    return where, [name for table in tables for name in table.model_fields]


def _kind(table: type[Table]) -> str | None:
    info = table.model_fields.get("type")
    kinds = getattr(info.annotation, "__args__", ()) if info is not None else ()
    return kinds[0] if kinds else None


def _lines(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    lists = {key: value for key, value in table.items() if _is_tables(value)}
    for key, value in table.items():
        if key not in inner and key not in lists:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        yield f"\n[{path}{_key(key)}]"
        yield from _lines(value, f"{path}{_key(key)}.")
    for key, value in lists.items():
        for row in value:
            yield f"\n[[{path}{_key(key)}]]"
            yield from _lines(row, f"{path}{_key(key)}.")


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], Mapping)


def _key(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    match value:
        case Enum():
            return _value(value.value)
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON's strings, numbers and booleans are TOML's as well, once DEL is escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
