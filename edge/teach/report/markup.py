"""HTML that cannot be broken by what stands in it: every text is escaped unless it is markup itself."""

import re
from collections.abc import Iterable
from html import escape

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What HTML forbids: control characters, and halves of characters that stand for undecodable file names."""
VOID = frozenset({"br", "img", "meta"})


class Markup(str):
    """HTML as it is. Any other text becomes markup through `text`."""

    __slots__ = ()


def text(content: str) -> Markup:
    """The content as it reads, escaped for elements and for attributes in quotes."""
    return (
        content
        if isinstance(content, Markup)
        else Markup(escape(CONTROL.sub("\N{REPLACEMENT CHARACTER}", content)))
    )


def join(parts: Iterable[str], between: str = "") -> Markup:
    """The parts one after the other."""
    return Markup(text(between).join(text(part) for part in parts))


def fill(sentence: str, *parts: str) -> Markup:
    """The sentence with a part, text or markup, for each `{}`. What is not known when writing is a part."""
    return Markup(text(sentence).format(*map(text, parts)))


def code(words: str) -> Markup:
    """What is to be typed."""
    return element("code", words)


def bold(*words: str) -> Markup:
    """What matters most of a sentence."""
    return element("strong", *words)


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element. `_` in a name stands for `-`, one at its end for nothing; None leaves the attribute out."""
    opened = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(_number(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{opened}>")
    return Markup(f"<{tag}{opened}>{join(children)}</{tag}>")


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
