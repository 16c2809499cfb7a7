"""Learner: what the policy decides by, how long it takes, and whether it still learns."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    SECONDS,
    Board,
    Panel,
    Query,
    Row,
    of_edge,
    quantiles,
    rate,
    so_far,
)


def _each_edge(name: str) -> tuple[Query, ...]:
    # a gauge is NaN before its first value: without the comparison the line would start at 0
    return (Query(f"max by (edge) ({of_edge(name)} > -Inf)", "{{edge}}"),)


DECIDES = Row(
    "What it decides by",
    (
        Panel(
            title="Drift plus penalty",
            unit="none",
            queries=_each_edge("drift_plus_penalty"),
            tells=(
                "The objective (33) of the last slot, in seconds squared: Q (L_avg - Lbar) + V L / "
                "|A|. Lower is better; below 0 the queue drains."
            ),
            bad="it rises with Q: see Backlog. A jump in one slot is one slow miss.",
            least=None,
            base="blue",
        ),
        Panel(
            title="Backlog Q",
            unit=SECONDS,
            queries=_each_edge("backlog_seconds"),
            tells="The queue of (23), the price that a miss has in (33).",
            bad=(
                "a Q that only grows makes the policy look at latency alone: the target is out of "
                "reach with this load."
            ),
        ),
        Panel(
            title="Latency of misses",
            unit="s",
            queries=_each_edge("slot_latency_seconds"),
            tells="L_avg of the last slot, (16): mean over its misses; 0 in a slot without any.",
            bad="it is what Q is fed with: see the stages in Overview.",
            steps=((10, "yellow"), (30, "red")),
        ),
        Panel(
            title="Regret of the slot",
            unit="percentunit",
            queries=_each_edge("optimality_gap_ratio"),
            tells=(
                "`gap_to_exact` of the last slot: how far the content was from the best one for "
                "the requests that then came, out of everything that was ever asked for before: 0 "
                "the best, 1 no better than an empty store, above 1 worse than that. A slot where "
                "nothing could have been gained leaves it as it was."
            ),
            bad=(
                "near 1 for minutes: the policy keeps what nobody asks for. It is noisy in slots "
                "of few requests: judge by its mean in the report."
            ),
            steps=((0.5, "yellow"), (0.9, "red")),
            reach=1,
            width=12,
        ),
        Panel(
            title="Decision time",
            unit="s",
            queries=quantiles((0.5, 0.99), so_far(of_edge("decision_seconds_bucket")), "edge"),
            tells=(
                "Time the policy takes to decide, once asked; over the range shown. Training is "
                "not in it."
            ),
            bad=(
                "near the slot's length it holds the slots up: make slots longer, the catalogue "
                "smaller, or take a rule."
            ),
            steps=((0.1, "yellow"), (1, "red")),
            width=12,
        ),
        Panel(
            title="Wait for the slot's plan",
            unit="s",
            queries=quantiles((0.5, 0.99), rate(of_edge("plan_wait_seconds_bucket")), "edge"),
            tells=(
                "Time that requests wait at the edge for the plan of their slot (modes.edge: "
                "coupled): for the slot's other requests, and for the policy."
            ),
            bad=(
                "half a slot: no plan comes, and devices draw every picture alone. A twentieth of "
                "a slot: some user never reports."
            ),
            base="blue",
            width=12,
            only="a policy that plans slots",
        ),
        Panel(
            title="Requests without a plan",
            unit="reqps",
            queries=(Query(f"sum by (edge) ({rate(of_edge('plans_missed_total'))})", "{{edge}}"),),
            tells="Requests a second whose slot's plan did not come in time (modes.edge: coupled).",
            bad="any: the learner has died, or takes longer than half a slot.",
            steps=((0.01, "yellow"), (1, "red")),
            reach=1,
            width=12,
            only="a policy that plans slots",
        ),
    ),
)

STEPS = Row(
    "Which steps it wants",
    (
        Panel(
            title="Price of edge time",
            unit="s",
            queries=_each_edge("edge_step_price_seconds"),
            tells=(
                "Lambda of the last plan, seconds a step: the delay that a step computed at the "
                "edge causes to everybody else. It rises while the edge is used above 0.9."
            ),
            bad=(
                "it goes up and down from slot to slot, and with it the mean cut in Overview: the "
                "load is at the edge's limit, or slots are too short to measure it."
            ),
            base="blue",
            width=12,
            only="a policy that plans steps",
        ),
        Panel(
            title="Targets",
            unit=COUNT,
            queries=_each_edge("plan_targets"),
            tells="Outputs that the last plan wants, held or not: one step each of a prompt.",
            bad=(
                "far more than the outputs held in Overview: nobody asks for them, or they are "
                "refused for want of room."
            ),
            base="blue",
            width=12,
            only="a policy that plans steps",
        ),
    ),
)

LEARNS = Row(
    "Whether it learns",
    (
        Panel(
            title="Loss",
            unit="none",
            queries=_each_edge("learner_loss"),
            tells="Mean loss of the last training.",
            bad=(
                "it should fall in the first minutes and stay low; a rise says that what is "
                "popular has changed."
            ),
            base="blue",
            only="a policy that trains",
        ),
        Panel(
            title="Candidates K",
            unit="short",
            queries=_each_edge("learner_candidates"),
            tells="How many candidates the learner weighs against each other before it decides.",
            bad=(
                "it adapts: a K that stays at its most says that the network's first guess is "
                "seldom the best, so it has not learnt yet."
            ),
            base="blue",
            only="a policy that trains",
        ),
        Panel(
            title="Training updates",
            unit="ops",
            queries=(
                Query(f"sum by (edge) ({rate(of_edge('learner_updates_total'))})", "{{edge}}"),
            ),
            tells="Updates of the network in a second.",
            bad="0 under a policy that trains: the learner is gone, or has too few samples yet.",
            base="blue",
        ),
    ),
)

BOARD = Board(
    "learner",
    "midstep: Learner",
    "What does the policy decide by, how long does it take, and does it learn?",
    (DECIDES, STEPS, LEARNS),
)
