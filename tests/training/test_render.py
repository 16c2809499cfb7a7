"""Pictures of the recipe: the same for the same seed, and as the prompt says."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.reuse.render import Spec, place, render
from midstep.workload.catalogue import Catalogue, Edge, Ending
from training.data import held_out_specs, pictures, sample_specs, to_pictures, to_tensor
from training.paths import GLYPHS, SIZE, catalogue


@pytest.fixture(scope="module")
def words() -> Catalogue:
    return catalogue()


def test_every_object_has_its_glyph(words: Catalogue) -> None:
    codes = {thing.glyph for thing in words.things}
    assert {path.stem for path in GLYPHS.glob("*.webp")} == codes
    assert sum(path.stat().st_size for path in GLYPHS.iterdir()) <= 300_000


def test_same_seed_same_picture(words: Catalogue) -> None:
    for background in range(len(words.backgrounds)):
        spec = Spec(Edge(3, background), Ending(1, 2))
        first = render(words, spec, 5)
        again = render(words, spec, 5)
        assert first.shape == (SIZE, SIZE, 3)
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)


def test_another_seed_moves_the_scene(words: Catalogue) -> None:
    for background in range(len(words.backgrounds)):
        if words.backgrounds[background].rgb is None:
            spec = Spec(Edge(0, background))
            assert not np.array_equal(render(words, spec, 1), render(words, spec, 2))


def test_object_is_where_the_words_say(words: Catalogue) -> None:
    for ending in words.endings:
        alpha = np.asarray(place(words, Spec(Edge(0, 0), ending)))[..., 3]
        rows, columns = np.nonzero(alpha > 128)
        position = words.positions[ending.position]
        size = words.sizes[ending.size]
        centre = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
        lean = np.sign(np.round((centre - SIZE / 2) / 4))
        assert tuple(lean) == (np.sign(position.x - 0.5), np.sign(position.y - 0.5))
        longest = max(np.ptp(rows), np.ptp(columns)) + 1
        assert abs(longest - size.pixels) <= 2


def test_training_never_sees_a_held_out_pair(words: Catalogue) -> None:
    sampled = {spec.edge for spec in sample_specs(words, 20_000, np.random.default_rng(0))}
    assert not sampled & words.held_out
    assert len(sampled) == len(words.edges) - len(words.held_out)
    assert {spec.edge for spec in held_out_specs(words)} == words.held_out


def test_a_fifth_of_training_is_core_prompts(words: Catalogue) -> None:
    specs = sample_specs(words, 20_000, np.random.default_rng(0))
    bare = sum(spec.ending == Ending(0, 0) for spec in specs) / len(specs)
    assert bare == pytest.approx(0.2 + 0.8 / 15, abs=0.02)


def test_tensors_round_trip(words: Catalogue) -> None:
    images = pictures(words, held_out_specs(words)[:3], 0)
    assert np.array_equal(to_pictures(to_tensor(images)), images)
