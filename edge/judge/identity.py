"""Which part it is, where that is read from the part itself."""

from collections.abc import Sequence

from edge.types import Decision, Verdict


def identify(decisions: Sequence[Decision], known: str | None) -> tuple[str | None, tuple[Decision, ...]]:
    """The part's id: what its checks have read, or else what the source knew; and the doubt, where they differ.

    What is read wins over the source: a trigger counts, and a code names.
    """
    read = sorted({decision.part_id for decision in decisions if decision.part_id is not None})
    if not read:
        return known, ()
    if len(read) == 1:
        return read[0], ()
    return known, (
        Decision(Verdict.INCONCLUSIVE, (f"the checks read different part ids: {', '.join(read)}",)),
    )
