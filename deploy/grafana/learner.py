"""Learner: what the policy decides by, how long it takes, and whether it still learns."""

from __future__ import annotations

from deploy.grafana.panels import Board, Panel, Query, Row, of_edge, quantiles, rate, so_far


def _each_edge(name: str) -> tuple[Query, ...]:
    return (Query(f"max by (edge) ({of_edge(name)})", "{{edge}}"),)


DECIDES = Row(
    "What it decides by",
    (
        Panel(
            "Drift plus penalty",
            "none",
            _each_edge("drift_plus_penalty"),
            "The objective (33) of the last slot, in seconds squared: Q (L_avg - Lbar) + V L / "
            "|A|. Lower is better; "
            "below 0 the queue drains.",
            "it rises with Q: see Backlog. A jump in one slot is one slow miss.",
            least=None,
            base="blue",
        ),
        Panel(
            "Backlog Q",
            "s",
            _each_edge("backlog_seconds"),
            "The queue of (23), the price that a miss has in (33).",
            "a Q that only grows makes the policy look at latency alone: the target is out of "
            "reach with this load.",
        ),
        Panel(
            "Latency of misses",
            "s",
            _each_edge("slot_latency_seconds"),
            "L_avg of the last slot, (16): mean over its misses; 0 in a slot without any.",
            "it is what Q is fed with: see the stages in Overview.",
            steps=((10, "yellow"), (30, "red")),
        ),
        Panel(
            "Gap to the best in hindsight",
            "percentunit",
            _each_edge("optimality_gap_ratio"),
            "How far the last slot's content was from the best choice among everything that was "
            "ever asked for before it: 0 the best, 1 no better than nothing. A slot where nothing "
            "could have been gained leaves it as it was.",
            "near 1 for minutes: the policy keeps what nobody asks for. It is noisy in slots of "
            "few requests: judge by "
            "its mean in the report.",
            steps=((0.5, "yellow"), (0.9, "red")),
            width=12,
        ),
        Panel(
            "Decision time",
            "s",
            quantiles((0.5, 0.99), so_far(of_edge("decision_seconds_bucket")), "edge"),
            "Time the policy takes to decide, once asked; over the range shown. Training is not in "
            "it.",
            "near the slot's length it holds the slots up: make slots longer, the catalogue "
            "smaller, or take a rule.",
            steps=((0.1, "yellow"), (1, "red")),
            width=12,
        ),
    ),
)

LEARNS = Row(
    "Whether it learns",
    (
        Panel(
            "Loss",
            "none",
            _each_edge("learner_loss"),
            "Mean loss of the last training.",
            "it should fall in the first minutes and stay low; a rise says that what is popular "
            "has changed.",
            base="blue",
            learning=True,
        ),
        Panel(
            "Candidates K",
            "short",
            _each_edge("learner_candidates"),
            "How many candidates the learner weighs against each other before it decides.",
            "it adapts: a K that stays at its most says that the network's first guess is seldom "
            "the best, so it has not "
            "learnt yet.",
            base="blue",
            learning=True,
        ),
        Panel(
            "Training updates",
            "ops",
            (Query(f"sum by (edge) ({rate(of_edge('learner_updates_total'))})", "{{edge}}"),),
            "Updates of the network in a second.",
            "0 under a policy that trains: the learner is gone, or has too few samples yet.",
            base="blue",
        ),
    ),
)

BOARD = Board(
    "learner",
    "midstep: Learner",
    "What does the policy decide by, how long does it take, and does it learn?",
    (DECIDES, LEARNS),
)
