"""The page of groups: what a person looks at to give each a name."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from edge.teach.groups.grouping import LOOSE, PASSED, Group, Grouping
from edge.teach.report.gallery import url
from edge.teach.report.markup import Markup, bold, code, element, fill, join
from edge.teach.report.page import Section, page
from edge.teach.report.wording import count, several


def groups_html(grouping: Grouping, folder: Path, sheets: Mapping[str, bytes]) -> str:
    """A self-contained page; `sheets` are the groups' contact sheets as JPEGs, by name."""
    sections = [_section(group, folder, sheets[group.name]) for group in grouping.groups]
    return page(
        "Failed parts by looks",
        _headline(grouping),
        [_how(grouping, folder), *sections, *_skipped(grouping)],
        note=f"edge-inspect, evidence of {grouping.evidence}",
    )


def naming(folder: Path, group: str, label: str) -> str:
    """The command that makes a group a class."""
    return f"edge cluster --out {quote(str(folder.resolve()))} --name {group}={label}"


def _headline(grouping: Grouping) -> Markup:
    numbered = [group for group in grouping.groups if group.name != LOOSE]
    loose = sum(len(group.suspects) for group in grouping.groups if group.name == LOOSE)
    told = fill(
        "{} in {} of parts that look alike.",
        bold(several(grouping.parts, "failed part", "failed parts")),
        bold(several(len(numbered), "group", "groups")),
    )
    return join([told, fill(" {} fit nowhere.", count(loose))]) if loose else told


def _how(grouping: Grouping, folder: Path) -> Section:
    steps = [
        fill(
            "Look at each group, and give it a name: its pictures go into a folder of that name below {}."
            " Groups that show one kind of defect take one name.",
            code("classes"),
        ),
        fill(
            "Good parts are a class, too: {}.",
            code(naming(folder, PASSED, "good"))
            if grouping.passed
            else "put pictures of some into classes/good; this evidence has none",
        ),
        fill("Then teach: {}.", code("edge teach NAME --classes classes")),
    ]
    return Section("How groups become classes", element("ol", *(element("li", step) for step in steps)))


def _section(group: Group, folder: Path, sheet: bytes) -> Section:
    title = "Fit nowhere" if group.name == LOOSE else f"Group {group.name}"
    known = ", ".join(f"{number} {kind}" for kind, number in group.known().most_common())
    lead = join([several(len(group.suspects), "part", "parts"), f"; known to be: {known}" if known else ""])
    picture = element(
        "img", src=url(sheet), alt=f"contact sheet of {title.lower()}", style="width:100%;border-radius:4px"
    )
    command = element("p", code(naming(folder, group.name, "NAME")))
    return Section(title, join([command, element("figure", picture)]), lead)


def _skipped(grouping: Grouping) -> list[Section]:
    if not grouping.skipped:
        return []
    lines = element("ul", *(element("li", line) for line in grouping.skipped), class_="names")
    return [Section("Not looked at", lines)]
