"""The two files that the firmware of a Raspberry Pi reads: config.txt, with our block in it, and cmdline.txt.

Texts are edited as they are: other lines, line ends, and bytes that are no UTF-8 stay.
"""

from collections.abc import Collection, Sequence

from board_refusal import Refusal

BEGIN = "# --- edge-inspect: begin. Written by configure-board; changes in here are lost."
END = "# --- edge-inspect: end."
_BEGINS, _ENDS = "# --- edge-inspect: begin", "# --- edge-inspect: end"


def block(fragments: Sequence[str]) -> str:
    """Return the block of these fragments.

    [all] before, because the file may end in a section of its own; and after each, because a fragment may.
    """
    sections = (f"{fragment.strip()}\n[all]\n" for fragment in fragments)
    return f"{BEGIN}\n[all]\n{''.join(sections)}{END}\n"


def with_block(text: bytes, wanted: str) -> bytes:
    """Return config.txt with that block at its end, where it has the last word; empty takes it out."""
    end = _line_end(text)
    lines, _ = _split(_decode(text))
    if not wanted:
        kept = end.join(lines)
        return _encode(kept.rstrip("\r\n") + end if kept.strip() else "")
    while lines and not lines[-1].strip():
        lines.pop()
    head = "".join(f"{line}{end}" for line in lines)
    return _encode(f"{head}{end if head else ''}{wanted.replace(chr(10), end)}")


def without_block(text: bytes) -> bytes:
    """Return config.txt as it is for those who do not know us."""
    return with_block(text, "")


def found_block(text: bytes) -> str:
    """Return what stands in config.txt as our block, with plain line ends; empty where there is none."""
    _, blocks = _split(_decode(text))
    return "".join(blocks)


def _split(text: str) -> tuple[list[str], list[str]]:
    """The lines outside of our blocks, and the blocks. More than one block is nothing that we write."""
    outside: list[str] = []
    blocks: list[str] = []
    began = 0
    for number, line in enumerate(text.splitlines(), start=1):
        mark = line.strip()
        if mark.startswith(_BEGINS):
            if began:
                raise Refusal(_broken(began, "begins the block of edge-inspect, which does not end"))
            began, inside = number, [line]
        elif mark.startswith(_ENDS):
            if not began:
                raise Refusal(_broken(number, "ends the block of edge-inspect, which does not begin"))
            blocks.append("".join(f"{each}\n" for each in (*inside, line)))
            began = 0
        else:
            (inside if began else outside).append(line)
    if began:
        raise Refusal(_broken(began, "begins the block of edge-inspect, which does not end"))
    return outside, blocks


def _broken(number: int, what: str) -> str:
    return (
        f"config.txt: line {number} {what}, so which lines are yours is not known. Take out the lines of the "
        "block and its marks by hand, then try again"
    )


def with_words(text: bytes, wanted: Sequence[str], obsolete: Collection[str]) -> bytes:
    """Return cmdline.txt, which is one line, with these words added and those taken out.

    A word of the same name with another value (`overlayroot=…`) makes way.
    """
    end = _line_end(text)
    line, mark, rest = _decode(text).partition(end)
    names = {word.partition("=")[0] for word in wanted}
    words = [
        word
        for word in line.split(" ")
        if word in wanted or (word not in obsolete and word.partition("=")[0] not in names)
    ]
    missing = [word for word in wanted if word not in words]
    if words == line.split(" ") and not missing:
        return text
    return _encode(" ".join([word for word in words if word] + missing) + mark + rest)


def words_of(text: bytes) -> tuple[str, ...]:
    """Return the words of cmdline.txt."""
    return tuple(_decode(text).partition("\n")[0].split())


def words_in(fragment: str) -> tuple[str, ...]:
    """Return the words that a fragment of cmdline.txt asks for, one a line."""
    return tuple(line.strip() for line in fragment.splitlines() if line.strip() and not line.startswith("#"))


def _line_end(text: bytes) -> str:
    return "\r\n" if b"\r\n" in text else "\n"


def _decode(text: bytes) -> str:
    return text.decode("utf-8", errors="surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")
