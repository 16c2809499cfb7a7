"""Overview's panels of the guarantee: checked pictures, and what they have changed."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Query, Row, of_edge, quantiles, rate

_CHECKED = "a run of real pictures with reuse.check_share above 0"

GUARANTEE = Row(
    "Quality of reuse",
    (
        Panel(
            title="Checked pictures",
            unit="ops",
            queries=(
                Query(
                    f"sum by (kind, verdict) ({rate(of_edge('reuse_checks_total'))})",
                    "{{kind}} {{verdict}}",
                ),
            ),
            tells=(
                "Reused pictures a second that devices made again without reuse in idle time, by "
                "the class of reuse, and by whether they have the quality asked for."
            ),
            bad=(
                "more bad ones than 1 - reuse.share: the table of limits is not this model's; the "
                "limits are being lowered. None at all: the hosts are never idle."
            ),
            base="blue",
            stacked=True,
            only=_CHECKED,
        ),
        Panel(
            title="SSIM against no reuse",
            unit="none",
            queries=quantiles((0.01, 0.05, 0.5), rate(of_edge("reuse_ssim_bucket"))),
            tells="Quantiles of the SSIM of checked pictures against the same without reuse.",
            bad=(
                "a low tail that falls: outputs are reused later, or from prompts that are less "
                "alike; ask for more (reuse.floor, reuse.share)."
            ),
            base="blue",
            most=1,
            only=_CHECKED,
        ),
        Panel(
            title="PSNR against no reuse",
            unit="dB",
            queries=quantiles((0.01, 0.05, 0.5), rate(of_edge("reuse_psnr_db_bucket"))),
            tells="Quantiles of the PSNR of checked pictures against the same without reuse.",
            bad="as for SSIM: below 20 dB it is another picture.",
            base="blue",
            only=_CHECKED,
        ),
        Panel(
            title="Limits that were lowered",
            unit="none",
            queries=(
                Query(
                    f"min by (kind, metric) ({of_edge('reuse_ceiling_step')})",
                    "{{kind}} by {{metric}}",
                ),
            ),
            tells=(
                "Step at which a class of reuse ends, where checked pictures have lowered it, 0: "
                "it is refused. It rises by a step after many good ones: of its own below that "
                "step, or of the other classes where it has none."
            ),
            bad="many classes at once: the table was measured on another model; measure it again.",
            base="blue",
            width=12,
            only="a run whose limits were lowered",
        ),
        Panel(
            title="Times that limits were lowered",
            unit="none",
            queries=(
                Query(
                    f"sum by (edge) (increase({of_edge('reuse_limits_lowered_total')}[$__range]))",
                    "{{edge}}",
                ),
            ),
            tells="How often checked pictures have lowered limits, in the range shown.",
            bad="one that goes on: a class is bad from its first step on; leave it out.",
            base="blue",
            reach=1,
            width=12,
            only=_CHECKED,
        ),
    ),
)
