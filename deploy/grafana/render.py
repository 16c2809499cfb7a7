"""Render boards as Grafana's dashboard JSON, by Grafana's own SDK."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as dash
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as models

from deploy.grafana.panels import EVENTS, MOMENT, Board, Panel, Query

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
WINDOWS = ("15s", "30s", "1m", "5m", "15m")
HEIGHT = {"stat": 4, "table": 7, "timeseries": 8, "heatmap": 8}
_FORMATS = {"table": "table", "heatmap": "heatmap"}
_LEGEND = ("mean", "lastNotNull")
_NARROW = 8  # columns; a legend beside a plot of no more has room for one figure


def render(board: Board) -> str:
    """Render the JSON of one dashboard, the same for the same board."""
    built = (
        dash.Dashboard(board.title)
        .uid(f"midstep-{board.name}")
        .description(board.about)
        .tags(["midstep"])
        .editable()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-15m", "now")
        .refresh("5s")
        .timezone("browser")
        .link(
            dash.DashboardLink("midstep")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["midstep"])
            .include_vars(True)
            .keep_time(True)
        )
        .annotation(
            dash.AnnotationQuery()
            .name("Events of the run")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("purple")
            .expr(EVENTS.expr)
        )
    )
    for variable in _variables():
        built.with_variable(variable)
    number = 0
    for row in board.rows:
        number += 1
        built.with_row(dash.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built.with_panel(_panel(panel).id(number))
    tree = _without_nulls(json.loads(json.dumps(built.build(), cls=JSONEncoder)))
    # The SDK gives every kind of variable the keys of an interval.
    for variable in tree["templating"]["list"]:
        for key in ("auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    # The SDK does not know these keys; without a step Grafana asks for events once a minute.
    tree["annotations"]["list"][0] |= {"step": MOMENT, "titleFormat": EVENTS.legend}
    return json.dumps(tree, indent=2, sort_keys=True) + "\n"


def _variables() -> list[Any]:
    return [
        dash.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("run", "label_values(midstep_build_info, run)")
        .label("Run")
        .sort(dashboard.VariableSort.ALPHABETICAL_DESC),
        _labels("edge", 'label_values(midstep_store_entries{run="$run"}, edge)')
        .label("Edge")
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(True, "All", "$__all")),
        dash.CustomVariable("window")
        .label("Rates over")
        .values(",".join(WINDOWS))
        .current(dashboard.VariableOption(True, "30s", "30s"))
        .options([dashboard.VariableOption(w == "30s", w, w) for w in WINDOWS]),
    ]


def _labels(name: str, query: str) -> dash.QueryVariable:
    return (
        dash.QueryVariable(name)
        .datasource(SOURCE)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .query(
            {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
        )
    )


def _panel(panel: Panel) -> Any:
    kinds = {"timeseries": _lines, "stat": _figures, "table": _rows, "heatmap": _cells}
    built: Any = kinds[panel.kind](panel)
    built.title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit)
    built.span(panel.width).height(HEIGHT[panel.kind])
    steps = [dashboard.Threshold(None, panel.base)] + [
        dashboard.Threshold(*step) for step in panel.steps
    ]
    built.thresholds(dash.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.least is not None:
        built.min(panel.least)
    if panel.most is not None:
        built.max(panel.most)
    if panel.words:
        words = {
            str(v): dashboard.ValueMappingResult(text=text, color=hue)
            for v, (text, hue) in panel.words.items()
        }
        built.mappings([dashboard.ValueMap(options=words)])
    for number, query in enumerate(panel.queries):
        built.with_target(_target(query, chr(ord("A") + number), panel.kind))
    return built


def _target(query: Query, ref_id: str, kind: str) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(ref_id)
        .datasource(SOURCE)
    )
    if kind == "timeseries":
        return target.range()
    form: Any = _FORMATS.get(kind, "time_series")
    return (target.range() if kind == "heatmap" else target.instant()).format(form)


def _lines(panel: Panel) -> timeseries.Panel:
    legend = (
        options.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.RIGHT if panel.beside else common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(list(_LEGEND[-1:] if panel.beside and panel.width <= _NARROW else _LEGEND))
    )
    tooltip = (
        options.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    lines = (
        timeseries.Panel()
        .line_width(2)
        .fill_opacity(25 if panel.stacked else 5)
        .show_points(common.VisibilityMode.NEVER)
        .legend(legend)
        .tooltip(tooltip)
    )
    if panel.reach is not None:
        lines.axis_soft_max(panel.reach)
    if panel.stacked:
        lines.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.steps:
        dashed = options.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        lines.thresholds_style(dashed)
    return lines


def _figures(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .wide_layout(False)  # else a name stands before its figure and after its neighbour's
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(
            common.BigValueTextMode.VALUE_AND_NAME
            if len(panel.queries) > 1 or "{{" in panel.queries[0].legend
            else common.BigValueTextMode.VALUE
        )
    )


def _cells(panel: Panel) -> heatmap.Panel:
    """A column a time, a row a bucket, from a histogram's cumulative buckets."""
    colour = (
        heatmap.HeatmapColorOptions()
        .mode(models.HeatmapColorMode.OPACITY)
        .fill(panel.base)
        .scale(models.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)  # a few requests are seen beside many
        .steps(64)
    )
    return (
        heatmap.Panel()
        .calculate(False)
        .cell_gap(0)
        .color(colour)
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common.HeatmapCellLayout.LE))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .hide_legend()
    )


def _rows(panel: Panel) -> table.Panel:
    hidden = dashboard.DataTransformerConfig(
        id_val="organize",
        options={"excludeByName": {"Time": True}, "renameByName": {"Value": "processes"}},
    )
    return table.Panel().with_transformation(hidden)


def _without_nulls(tree: Any) -> Any:
    """Remove the nulls that the SDK writes for unset options; a threshold's null has a meaning."""
    if isinstance(tree, list):
        return [_without_nulls(value) for value in tree]
    if isinstance(tree, dict):
        return {k: _without_nulls(v) for k, v in tree.items() if v is not None or "color" in tree}
    return tree
