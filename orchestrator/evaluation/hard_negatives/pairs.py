"""Hard negatives: pairs of prompts that differ in one attribute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from midstep.draws import HARD_PAIR, integer, uniform
from midstep.reuse.render import Spec
from midstep.workload.catalogue import UNSAID, Catalogue, Edge, Ending

__all__ = ["HardPair", "HardPairs"]

OBJECT = "object"
COLOUR = "colour"
SCENE = "scene"
POSITION = "position"
SIZE = "size"

EVALUATED = 200  # core prompts, from the first, that scenarios ask for and no calibration draws

# places of midstep.draws.HARD_PAIR
EDGE = 0
PLAIN = 1
ENDING = 2
OWN = 3
OTHER = 4


@dataclass(frozen=True, kw_only=True)
class HardPair:
    """A user's prompt and the one whose output serves it, in words and as what they ask to see."""

    attribute: str
    number: int
    prompt: str
    donor: str
    own: Spec
    other: Spec


class HardPairs:
    """Pairs of a catalogue, by attribute and number, without end: the same for everybody. The
    users' core prompts are those that scenarios ask for; what is said beside them, the same in both
    prompts, is drawn as a workload draws it (`plain_share`: nothing). Sizes and positions may be
    the unsaid ones. `attributes`: those of which the catalogue has two."""

    def __init__(self, catalogue: Catalogue, plain_share: float, seed: int) -> None:
        self._catalogue = catalogue
        self._plain_share = plain_share
        self._seed = seed
        edges = catalogue.edges[:EVALUATED]
        plain = {n for n, one in enumerate(catalogue.backgrounds) if one.rgb is not None}
        scenes = {*range(len(catalogue.backgrounds))} - plain
        self._backgrounds = {COLOUR: sorted(plain), SCENE: sorted(scenes)}
        self._edges = {
            COLOUR: [edge for edge in edges if edge.background in plain],
            SCENE: [edge for edge in edges if edge.background in scenes],
        }
        self._all_edges = edges
        counts = {
            OBJECT: len(catalogue.things),
            COLOUR: len(plain) if self._edges[COLOUR] else 0,
            SCENE: len(scenes) if self._edges[SCENE] else 0,
            POSITION: len(catalogue.positions),
            SIZE: len(catalogue.sizes),
        }
        self.attributes = tuple(name for name, count in counts.items() if count > 1)

    def pair(self, attribute: str, number: int) -> HardPair:
        """Pair `number`, from 0, that differs in this attribute alone."""
        own, other = self._specs(attribute, number)
        return HardPair(
            attribute=attribute,
            number=number,
            prompt=self._catalogue.prompt(own.edge, own.ending),
            donor=self._catalogue.prompt(other.edge, other.ending),
            own=own,
            other=other,
        )

    def _specs(self, attribute: str, number: int) -> tuple[Spec, Spec]:
        def drawn(below: int, place: int) -> int:
            return integer(below, self._seed, HARD_PAIR, number, place)

        edges = self._edges.get(attribute, self._all_edges)
        edge = edges[drawn(len(edges), EDGE)]
        if attribute in (SIZE, POSITION):
            return self._endings(attribute, edge, drawn)
        own = Spec(edge, self._ending(number))
        if attribute == OBJECT:
            thing = _another(edge.thing, len(self._catalogue.things), drawn(2**32, OTHER))
            return own, replace(own, edge=replace(edge, thing=thing))
        of = self._backgrounds[attribute]
        place = _another(of.index(edge.background), len(of), drawn(2**32, OTHER))
        return own, replace(own, edge=replace(edge, background=of[place]))

    def _endings(
        self, attribute: str, edge: Edge, drawn: Callable[[int, int], int]
    ) -> tuple[Spec, Spec]:
        ending = Ending(
            drawn(len(self._catalogue.sizes), OWN), drawn(len(self._catalogue.positions), ENDING)
        )
        if attribute == SIZE:
            size = _another(ending.size, len(self._catalogue.sizes), drawn(2**32, OTHER))
            other = replace(ending, size=size)
        else:
            count = len(self._catalogue.positions)
            position = _another(ending.position, count, drawn(2**32, OTHER))
            other = replace(ending, position=position)
        return Spec(edge, ending), Spec(edge, other)

    def _ending(self, number: int) -> Ending:
        """What both prompts say beside the core prompt."""
        endings = self._catalogue.endings
        if len(endings) == 1 or uniform(self._seed, HARD_PAIR, number, PLAIN) < self._plain_share:
            return UNSAID
        return endings[1 + integer(len(endings) - 1, self._seed, HARD_PAIR, number, ENDING)]


def _another(index: int, count: int, draw: int) -> int:
    """Another index below `count`, all alike."""
    return (index + 1 + draw % (count - 1)) % count
