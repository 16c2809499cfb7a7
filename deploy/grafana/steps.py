"""Overview's panels of the step: where pictures are cut, and the steps that reuse saves."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Query, Row, mean, of_edge, rate

STEPS = Row(
    "Steps",
    (
        Panel(
            title="Where pictures are cut",
            unit="reqps",
            queries=(Query(f"sum by (le) ({rate(of_edge('cut_step_bucket'))})", "{{le}}"),),
            tells=(
                "Requests a second by the step at which the edge hands them over: steps up to 20 "
                "one by one, then the upper end of each range. 0 is a picture that its device "
                "draws alone."
            ),
            bad=(
                "all at 1: no limit is known, or the edge is full; all at the limit while the "
                "edge's queue grows: the cut rule does not see the load (cut.rule)."
            ),
            kind="heatmap",
            base="blue",
        ),
        Panel(
            title="Cut and limit",
            unit="none",
            queries=(
                Query(mean("cut_step"), "{{edge}} cut"),
                Query(mean("reuse_limit"), "{{edge}} limit"),
            ),
            tells=(
                "Mean step at which requests are handed over, and mean reuse limit: the last step "
                "from which their own pictures still come out."
            ),
            bad=(
                "a cut that swings while users stay the same: see lambda in Learner. A limit near "
                "1: the quality that is asked for (reuse.floor, reuse.share) is not reached."
            ),
            base="blue",
        ),
        Panel(
            title="Steps saved and computed",
            unit="ops",
            queries=(
                Query(f"sum({rate(of_edge('edge_steps_total'))})", "computed"),
                Query(f"sum({rate(of_edge('saved_steps_total'))})", "saved"),
            ),
            tells=(
                "Steps a second that the edge computed, and those that it handed over without "
                "computing them for the request. Saved steps are a cache's figure of merit."
            ),
            bad=(
                "none saved while the store is full: what is held is at steps above the limits of "
                "who asks, or nobody asks for it again."
            ),
            base="blue",
            stacked=True,
        ),
    ),
)
