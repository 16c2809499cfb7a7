"""Overview's panels of like prompts: what other prompts' outputs serve, and how alike they are."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Query, Row, of_edge, quantiles, rate

_SIMILAR = "a run with reuse.similar"

DONORS = Row(
    "Like prompts",
    (
        Panel(
            title="Served by other prompts' outputs",
            unit="reqps",
            queries=(
                Query(
                    f"sum by (likeness) ({rate(of_edge('donor_similarity_count'))})",
                    "{{likeness}}",
                ),
            ),
            tells=(
                "Requests a second that another prompt's output served, as it was or gone on from, "
                "by what the two prompts have in common."
            ),
            bad=(
                "most of them `unrelated`: what is held is reused without a likeness, which loses "
                "little at early steps alone (docs/reuse.md)."
            ),
            base="blue",
            stacked=True,
            beside=True,
            width=12,
            only=_SIMILAR,
        ),
        Panel(
            title="Similarity of donors",
            unit="none",
            queries=quantiles((0.1, 0.5, 0.9), rate(of_edge("donor_similarity_bucket"))),
            tells=(
                "Quantiles of the cosine of the embeddings of a request's prompt and of the prompt "
                "whose output served it."
            ),
            bad=(
                "a median that falls while the hits stay: the store no longer has what is asked "
                "for, and serves it from what is less and less alike."
            ),
            base="blue",
            most=1,
            width=12,
            only=_SIMILAR,
        ),
    ),
)
