"""What a point saved and lost, over a stream's counted requests and over the sample of them that
was drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from midstep.diffusion.denoise import Picture
from midstep.reuse.quality import ssim
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.expected import Expectation
from orchestrator.evaluation.reuse_curve.pair_journal import Drawn, Place
from orchestrator.evaluation.reuse_curve.points import Point
from orchestrator.evaluation.reuse_curve.replay import Served
from orchestrator.evaluation.reuse_curve.shelf import Layout
from orchestrator.records.statistics import batch_means

__all__ = ["Replayed", "Score", "place_of", "sample", "score"]

WHITE = 255.0
PAIRS = 300  # of pictures whose likeness is looked at


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A point at a capacity, the steps that were kept, and how the counted requests were served.
    `only`: the places of those that count, where the rule was asked about no others."""

    capacity: int
    point: Point
    layout: Layout
    rows: Sequence[Served]
    only: Sequence[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """A point's figures. `saved`: steps of the edge that a request saves in the mean; `exact`,
    `similar`: shares of requests. Of `pictures` requests that were drawn, as means over *all*
    requests, 0 where nothing was reused: `ssim_loss`, `fidelity_loss` (share of pictures that were
    right without reuse and are not, less those the other way), `mse` (squared grey levels).
    `expected_ssim` and `expected_fidelity`: the losses that the table expects over all requests.
    `below`: share of *reused* pictures below the floor. `alike` and `alike_without`: mean SSIM of
    pictures of different prompts with reuse, and without. Intervals are half-widths of 95 %, by
    batch means; None where there are too few."""

    capacity: int
    point: Point
    layout: str
    saved: float
    saved_ci: float | None
    exact: float
    similar: float
    pictures: int
    expected_ssim: float | None = None
    expected_ssim_ci: float | None = None
    expected_fidelity: float | None = None
    ssim_loss: float | None = None
    ssim_loss_ci: float | None = None
    fidelity_loss: float | None = None
    fidelity_loss_ci: float | None = None
    mse: float | None = None
    below: float | None = None
    reused: int = 0
    alike: float | None = None
    alike_without: float | None = None

    @property
    def psnr_db(self) -> float | None:
        """PSNR of the mean squared error over all requests, dB; inf where nothing was lost."""
        if self.mse is None:
            return None
        return 10 * math.log10(WHITE**2 / self.mse) if self.mse > 0 else math.inf


def sample(count: int, size: int) -> list[int]:
    """`size` of `count` requests, spread evenly in whatever number; a larger sample holds every
    smaller one (van der Corput's sequence)."""
    order: dict[int, None] = {}
    bits = max(1, (count - 1).bit_length())
    for number in range(1 << bits):
        place = int(f"{number:0{bits}b}"[::-1], 2)
        if place < count:
            order[place] = None
    return [*order][:size]


def place_of(served: Served, request: UserRequest) -> Place:
    """The picture that a request gets. A user of a prompt's own output with just that prompt gets
    the picture without reuse."""
    whole = served.donor == request.edge_prompt and request.prompt == request.edge_prompt
    return Place(served.donor, request.prompt, 0 if whole else served.step)


def score(
    replayed: Replayed,
    requests: Sequence[UserRequest],
    drawn: Mapping[Place, Drawn],
    chosen: Sequence[int],
    expectation: Expectation | None = None,
    picture: Callable[[Place], Picture] | None = None,
) -> Score:
    """The figures of a point. `requests` are those that count, `chosen` the places among them of
    which pictures were to be drawn: those that were not yet are left out. `expectation`
    says what the model's table expects, None: nobody knows. `picture` reads a picture; None: how
    alike they are is not looked at."""
    point = replayed.point
    if replayed.only is not None:
        places_of = sorted(replayed.only)
        requests = [requests[n] for n in places_of]
        chosen = range(len(places_of))
        rows = [replayed.rows[n] for n in places_of]
    else:
        rows = [*replayed.rows]
    saved = batch_means([float(row.step) for row in rows])
    own = [row.donor == request.edge_prompt for row, request in zip(rows, requests, strict=True)]
    mean = saved["mean"]
    assert mean is not None  # a stream has requests
    head = {
        "capacity": replayed.capacity,
        "point": point,
        "layout": str(replayed.layout),
        "saved": mean,
        "saved_ci": saved["ci95_batch_means"],
        "exact": float(np.mean([o and row.step > 0 for o, row in zip(own, rows, strict=True)])),
        "similar": float(np.mean([not o for o in own])),
    }
    if expectation is not None:
        head |= _expected(expectation, requests, rows)
    places = {n: place_of(rows[n], requests[n]) for n in sorted(chosen)}
    places = {n: place for n, place in places.items() if place in drawn}
    if not places:
        return Score(pictures=0, **head)  # type: ignore[arg-type]
    values = [_values(drawn, place) for place in places.values()]
    reused = [of for of, place in zip(values, places.values(), strict=True) if place.step]
    loss = batch_means([1 - of["ssim"] for of in values])
    tail: dict[str, object] = {
        "pictures": len(values),
        "ssim_loss": loss["mean"],
        "ssim_loss_ci": loss["ci95_batch_means"],
        "mse": float(np.mean([of["mse"] for of in values])),
        "reused": len(reused),
        "below": _below(point, reused),
    }
    if all("lost" in of for of in values):
        lost = batch_means([of["lost"] for of in values])
        tail |= {
            "fidelity_loss": lost["mean"],
            "fidelity_loss_ci": lost["ci95_batch_means"],
        }
    if picture is not None:
        tail |= _alike(places, requests, drawn, picture)
    return Score(**head, **tail)  # type: ignore[arg-type]


def _expected(
    expectation: Expectation, requests: Sequence[UserRequest], rows: Sequence[Served]
) -> dict[str, object]:
    """The losses that the table expects over all requests."""
    ssim_loss = expectation.loss("ssim", requests, rows)
    fidelity_loss = expectation.loss("fidelity", requests, rows)
    values: dict[str, object] = {}
    if ssim_loss is not None:
        of = batch_means(ssim_loss)
        values |= {"expected_ssim": of["mean"], "expected_ssim_ci": of["ci95_batch_means"]}
    if fidelity_loss is not None:
        values["expected_fidelity"] = float(np.mean(fidelity_loss))
    return values


def _values(drawn: Mapping[Place, Drawn], place: Place) -> dict[str, float]:
    """What one picture lost against the one without reuse."""
    of = drawn[place].values
    without = drawn[place._replace(step=0)].values
    values = {"ssim": 1.0, "mse": 0.0, "psnr": 100.0}
    if place.step:
        values["ssim"] = of["ssim"]
        values["psnr"] = of["psnr"]
        values["mse"] = 0.0 if of["psnr"] >= 100 else WHITE**2 / 10 ** (of["psnr"] / 10)
    if "fidelity" in of and "fidelity" in without:
        values["fidelity"] = of["fidelity"]
        values["lost"] = without["fidelity"] - of["fidelity"]
        values["right"] = without["fidelity"]
    return values


def _below(point: Point, reused: Sequence[Mapping[str, float]]) -> float | None:
    """Share of reused pictures below the floor; by fidelity of those alone that were right without
    reuse."""
    metric = point.quality.metric
    counted = [of for of in reused if metric != "fidelity" or of.get("right")]
    if not counted or any(metric not in of for of in counted):
        return None
    return float(np.mean([of[metric] < point.quality.floor for of in counted]))


def _alike(
    places: Mapping[int, Place],
    requests: Sequence[UserRequest],
    drawn: Mapping[Place, Drawn],
    picture: Callable[[Place], Picture],
) -> dict[str, object]:
    """Mean SSIM of pairs of pictures for different core prompts, with reuse and without: each then
    from its own prompt's noise."""
    numbers = [n for n in places if _alone(requests[n]) in drawn]
    half = len(numbers) // 2
    pairs = [
        (one, other)
        for one, other in zip(numbers, numbers[half:], strict=False)
        if requests[one].edge_prompt != requests[other].edge_prompt
    ][:PAIRS]
    if not pairs:
        return {}
    with_reuse = [ssim(picture(places[a]), picture(places[b])) for a, b in pairs]
    without = [ssim(picture(_alone(requests[a])), picture(_alone(requests[b]))) for a, b in pairs]
    return {"alike": float(np.mean(with_reuse)), "alike_without": float(np.mean(without))}


def _alone(request: UserRequest) -> Place:
    """A request's picture without any reuse, from its own prompt's noise."""
    return Place(request.edge_prompt, request.prompt, 0)
