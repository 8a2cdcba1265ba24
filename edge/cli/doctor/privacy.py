"""What may leave the plant in a report: choices and numbers of the settings, and texts without names of theirs."""

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from edge.config import Config, MqttSink
from edge.errors import ConfigError
from edge.table import Table

LEFT_OUT = "(left out)"
SHORTEST = 3
"""Texts under so many letters are too common to be looked for."""
_DEVICE = re.compile(r"/dev/[A-Za-z]+/?[A-Za-z0-9]*")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(?![\w:])"
)
_MAC = re.compile(r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?![\w:])")
_LOGIN = re.compile(r"://[^/\s@]+@")


def public_settings(table: Table) -> dict[str, Any]:
    """The settings without free text: numbers, switches, words that the program itself knows, and /dev/ names."""
    return {name: _public(value, _choices(type(table), name)) for name, value in table}


def private_words(config: Config, path: Path) -> dict[str, str]:
    """Each free text of the settings, and what stands for it: the key. Secrets, where they can be read, too."""
    words = {
        socket.gethostname(): "(this machine)",
        str(path.resolve()): "(settings)",
        str(path): "(settings)",
    }
    words |= {path.stem: "(station)"} if len(path.stem) >= SHORTEST else {}
    words |= {text: f"({key})" for key, text in _texts(config, "")}
    for sink in config.sinks:
        if isinstance(sink, MqttSink) and sink.password_file is not None:
            words |= dict.fromkeys(_secret(sink.password_file), "(secret)")
    return {word: name for word, name in words.items() if len(word) >= SHORTEST}


def cleaned(text: str, words: Mapping[str, str]) -> str:
    """A text without these words, without addresses on a network, and without logins in addresses."""
    text = _MAC.sub("(address)", _LOGIN.sub("://", text))
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", words[word], text)
    return _ADDRESS.sub(_without_address, text)


def _without_address(found: re.Match[str]) -> str:
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return found[0]  # a time of day, say
    return found[0] if address.is_loopback or address.is_unspecified else "(address)"


def _choices(kind: type[Table], name: str) -> Sequence[object]:
    annotation = kind.model_fields[name].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _public(value: object, choices: Sequence[object]) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case Table():
            return public_settings(value)
        case list() | tuple():
            return [_public(each, choices) for each in value]
        case str() | Path() if value in choices or _DEVICE.fullmatch(str(value)):
            return str(value)
        case dict():
            return {LEFT_OUT: len(value)} if value else {}
        case _:
            return LEFT_OUT


def _texts(table: Table, key: str) -> Iterator[tuple[str, str]]:
    """Key and value of every free text that is not at its default."""
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if value != field.get_default(call_default_factory=True) and not _choices(type(table), name):
            yield from _texts_of(value, f"{key}.{name}".lstrip("."))


def _texts_of(value: object, key: str) -> Iterator[tuple[str, str]]:
    match value:
        case Table():
            yield from _texts(value, key)
        case list() | tuple():
            for each in value:
                yield from _texts_of(each, key)
        case dict():
            for each in value.values():
                yield from _texts_of(each, key)
        case str() | Path() if not _DEVICE.fullmatch(str(value)):
            yield key, str(value)
            # In complaints a camera's address stands without its login, and a file often by its name alone.
            yield key, _LOGIN.sub("://", str(value))
            if isinstance(value, Path):
                yield key, value.name
            elif "://" in value:
                yield key, re.sub(r"^\w+://(?:[^/@]*@)?", "", value).split("/")[0].split(":")[0]


def _secret(path: Path) -> Iterator[str]:
    from edge.secret import read_secret

    try:
        yield read_secret(path)
    except ConfigError:
        return
