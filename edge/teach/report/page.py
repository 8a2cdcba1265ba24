"""A page of sections in one file: no script, nothing loaded from elsewhere, light and dark, for paper too."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from edge.teach.report.markup import Markup, element, join

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing else is loaded or run by a browser, whatever stands in the page."""


@dataclass(frozen=True)
class Section:
    """A part of the page; `body` is markup, and `lead` one sentence on how to read it."""

    title: str
    body: Markup
    lead: str = ""


def page(title: str, headline: str, sections: Sequence[Section], *, note: str = "") -> str:
    """The page as HTML. `headline` says in one sentence what came of it; `note` stands at the end."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", title),
        element("style", _style()),
    )
    body = element(
        "body",
        element("header", element("h1", title), element("p", headline, class_="headline")),
        element("main", *(_section(section) for section in sections)),
        element("footer", element("p", note)) if note else "",
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _section(section: Section) -> Markup:
    lead = element("p", section.lead, class_="lead") if section.lead else ""
    title = element("h2", section.title) if section.title else ""
    return element("section", join([title, lead]), section.body)


@cache
def _style() -> Markup:
    return Markup((files("edge.teach.report") / "style.css").read_text("utf-8"))
