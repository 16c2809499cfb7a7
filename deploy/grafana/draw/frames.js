// A panel's answers as Grafana's data frames, with the panel's field options applied by Grafana.
import {
  applyFieldOverrides,
  createTheme,
  FieldColorModeId,
  FieldConfigOptionsRegistry,
  FieldType,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from "@grafana/data";
import { lastValueFrom } from "rxjs";

export const theme = createTheme({ colors: { mode: "dark" } });
export const unchanged = (text) => text;

const OPTIONS = ["unit", "min", "max", "decimals", "thresholds", "mappings", "color", "noValue"];
// What the time series panel takes where a dashboard says nothing.
const LINES = {
  drawStyle: "line",
  lineInterpolation: "linear",
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: "none",
  showPoints: "auto",
  pointSize: 5,
  spanNulls: false,
  axisPlacement: "auto",
  axisLabel: "",
  axisColorMode: "text",
  axisBorderShow: false,
  scaleDistribution: { type: "linear" },
  hideFrom: { legend: false, tooltip: false, viz: false },
  stacking: { mode: "none", group: "A" },
  thresholdsStyle: { mode: "off" },
};

const { organizeFieldsTransformer: organize } = standardTransformers; // the one in use
standardTransformersRegistry.setInit(() => [
  { id: organize.id, name: organize.name, transformation: organize },
]);

/** Name a series by the target's legend, `{{label}}` filled in, as the Prometheus source does. */
function legendOf(template, labels) {
  if (!template) {
    return Object.values(labels).join(" ") || "Value";
  }
  return template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
}

function seriesFrame(answer, series, index) {
  const name = legendOf(answer.legend, series.labels);
  const times = series.points.map(([time]) => Math.round(time * 1000));
  const values = series.points.map(([, value]) => Number(value.replace("Inf", "Infinity")));
  return {
    refId: answer.refId,
    name,
    length: times.length,
    fields: [
      {
        name: "Time",
        type: FieldType.time,
        // a longer gap than the step is a gap in the line
        config: { interval: answer.step_s * 1000 },
        values: times,
      },
      {
        name: "Value",
        type: FieldType.number,
        config: { displayNameFromDS: name },
        labels: series.labels,
        values,
        state: { seriesIndex: index },
      },
    ],
  };
}

function tableFrame(answer) {
  const names = [...new Set(answer.series.flatMap((series) => Object.keys(series.labels)))].sort();
  const points = answer.series.map((series) => series.points.at(-1));
  const column = (name, type, values) => ({ name, type, config: {}, values });
  return {
    refId: answer.refId,
    length: points.length,
    fields: [
      column("Time", FieldType.time, points.map(([time]) => time * 1000)),
      ...names.map((name) =>
        column(name, FieldType.string, answer.series.map((series) => series.labels[name] ?? "")),
      ),
      column("Value", FieldType.number, points.map(([, value]) => Number(value))),
    ],
  };
}

/** The panel's field options with its plugin's defaults; JSON has no -Infinity. */
export function fieldConfig(panel) {
  const { defaults, overrides } = panel.fieldConfig;
  const steps = defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  const lines = panel.type === "timeseries";
  const mode = lines ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
  return {
    defaults: {
      color: { mode },
      ...defaults,
      thresholds: { ...defaults.thresholds, steps },
      custom: lines ? { ...LINES, ...defaults.custom } : defaults.custom,
    },
    overrides,
  };
}

function registry(config) {
  const item = (id, isCustom) => ({
    id: isCustom ? `custom.${id}` : id,
    path: id,
    name: id,
    isCustom,
    process: identityOverrideProcessor,
    shouldApply: () => true,
  });
  const custom = Object.keys(config.defaults.custom ?? {});
  return new FieldConfigOptionsRegistry(() => [
    ...OPTIONS.map((id) => item(id, false)),
    ...custom.map((id) => item(id, true)),
  ]);
}

/** The frames of a panel, transformed and with units, thresholds and colours. */
export async function framesOf(panel) {
  const config = fieldConfig(panel);
  let frames =
    panel.type === "table"
      ? panel.answers.map(tableFrame)
      : panel.answers.flatMap((answer) =>
          answer.series.map((series, index) => seriesFrame(answer, series, index)),
        );
  if (panel.transformations) {
    const context = { interpolate: unchanged };
    frames = await lastValueFrom(transformDataFrame(panel.transformations, frames, context));
  }
  return applyFieldOverrides({
    data: frames,
    fieldConfig: config,
    fieldConfigRegistry: registry(config),
    replaceVariables: unchanged,
    theme,
    timeZone: "browser",
  });
}
