"""Explanation of what is left between a prediction and its measurement, in sentences."""

from __future__ import annotations

from orchestrator.evaluation.validation.agreement import Agreement, StageError

__all__ = ["explain"]

REASONS = {
    "uplink": "the way of start pictures to the edge",
    "queue": "the wait for the edge's engine, which follows from when requests meet there",
    "edge": "steps at the edge: other batches, or other hits",
    "transfer": "the link, with the wait behind a device's earlier frames",
    "device": "the device, with the wait behind its earlier pictures",
    "overhead": "gRPC, scheduling and the learner, which take no time in the prediction",
}
SMALL = 0.005  # of the total: not worth a sentence
PARTS = ("uplink", "queue", "edge", "transfer", "device", "overhead")  # which add up to the total


def explain(agreement: Agreement) -> list[str]:
    """Sentences on where the difference in the mean total lies, largest part first, and on what
    limits the comparison."""
    means = {error.stage: error for error in agreement.stages if error.quantity == "mean"}
    lines = _parts(means) if "total" in means else []
    if agreement.hit_bias or agreement.partial_bias:
        lines.append(_hits(agreement))
    if agreement.cut_bias:
        lines.append(_cuts(agreement))
    if not agreement.is_open:
        lines.append(
            "arrivals are closed: a user asks again when its picture is there, so that requests "
            "drift apart; they are compared as distributions only"
        )
    elif agreement.pairing.matched < agreement.pairing.requests:
        missing = agreement.pairing.requests - agreement.pairing.matched
        lines.append(f"{missing} measured requests have no partner in the prediction")
    return lines


def _parts(means: dict[str, StageError]) -> list[str]:
    total = means["total"]
    spread = total.spread
    lines = []
    if spread is not None and abs(total.bias) <= spread:
        lines.append(
            f"the mean total differs by {1e3 * total.bias:+.1f} ms, less than the repetitions do "
            f"among themselves (+- {1e3 * spread:.1f})"
        )
    else:
        lines.append(
            f"the mean total differs by {1e3 * total.bias:+.1f} ms "
            f"({total.bias / total.measured:+.2%})"
        )
    parts = [means[name] for name in PARTS if name in means]
    large = [part for part in parts if abs(part.bias) > SMALL * total.measured]
    for part in sorted(large, key=lambda part: -abs(part.bias)):
        lines.append(f"{1e3 * part.bias:+.1f} ms of it are {REASONS[part.stage]}")
    return lines


def _hits(agreement: Agreement) -> str:
    ours = agreement.predicted_figures
    theirs = agreement.measured_figures
    spread = agreement.hit_spread
    beside = "" if spread is None else f"; the repetitions differ by +- {100 * spread:.1f}"
    return (
        f"hit ratio {ours.hit_ratio:.1%} against {theirs.hit_ratio:.1%}, resumed "
        f"{ours.partial_ratio:.1%} against {theirs.partial_ratio:.1%}, saved steps a request "
        f"{ours.saved_steps:.2f} against {theirs.saved_steps:.2f}{beside}"
    )


def _cuts(agreement: Agreement) -> str:
    ours = agreement.predicted_figures
    theirs = agreement.measured_figures
    pairs = agreement.pairing
    same = f"; {pairs.same_cut} of {pairs.matched} the same" if agreement.is_open else ""
    return f"cut at step {ours.cut_step:.2f} in the mean against {theirs.cut_step:.2f}{same}"
