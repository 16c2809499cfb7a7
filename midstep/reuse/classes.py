"""Classes of reuse: what a checked picture is evidence of, and at which step."""

from __future__ import annotations

from midstep.reuse.likeness import LIKENESS
from midstep.reuse.limits import CORE, KINDS

__all__ = ["CLASSES", "joined", "own_part", "reuse_place"]


def joined(likeness: str, kind: str) -> str:
    """Class of what the edge went on from a donor of that likeness, for a user whose own prompt is
    of the class `kind`: `unrelated, then size`."""
    return f"{likeness}, then {kind}"


_OWN = {joined(likeness, kind): kind for likeness in LIKENESS for kind in KINDS}
CLASSES = frozenset((*KINDS, *LIKENESS, *_OWN))


def own_part(kind: str) -> str:
    """What the user's own prompt adds in a joined class; of another class the class itself."""
    return _OWN.get(kind, kind)


def reuse_place(likeness: str, donor_step: int, kind: str, cut: int) -> tuple[str, int] | None:
    """Class and step of a picture that was handed over at `cut`, for a user of the class `kind`;
    None where it is the very picture without reuse.

    `likeness` is that to the donor at whose `donor_step` it began, empty where the prompt's own
    output served. Handed over just there it is of the likeness alone. So is one that went on, where
    the user adds nothing: the device goes on as the edge did, and the cut changes no picture.
    """
    adds = kind not in ("", CORE)
    if not likeness:
        return (kind, cut) if adds else None
    if adds and cut > donor_step:
        return joined(likeness, kind), cut
    return likeness, donor_step
