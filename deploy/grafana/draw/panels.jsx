// The four kinds of panel that the dashboards have, by Grafana's components; cells, of which it exports
// none, by our own.
import {
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  VizOrientation,
} from "@grafana/data";
import { BigValue, PanelChrome, Table, TimeSeries, VizRepeater } from "@grafana/ui";

import { fieldConfig, theme, unchanged } from "./frames.js";

const EVENT = "#b877d9"; // Grafana's purple

/** Lines over time, with the run's events as dashed marks behind them. */
function Lines({ panel, frames, board, width, height }) {
  const from = dateTime(board.from_s * 1000);
  const to = dateTime(board.to_s * 1000);
  const marks = (config) => {
    config.addHook("drawClear", (plot) => drawEvents(plot, board.events));
    return null;
  };
  return (
    <TimeSeries
      frames={frames}
      timeRange={{ from, to, raw: { from, to } }}
      timeZone="browser"
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
    >
      {marks}
    </TimeSeries>
  );
}

function drawEvents(plot, events) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = EVENT;
  ctx.setLineDash([4, 4]);
  for (const event of events) {
    const x = Math.round(plot.valToPos(event.time_s * 1000, "x", true)) + 0.5;
    if (x >= bbox.left && x <= bbox.left + bbox.width) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** Large figures, as many as the panel's queries have series. */
function Figures({ panel, frames, width, height }) {
  const options = panel.options;
  const values = () =>
    getFieldDisplayValues({
      fieldConfig: fieldConfig(panel),
      reduceOptions: options.reduceOptions,
      replaceVariables: unchanged,
      data: frames,
      theme,
      timeZone: "browser",
    });
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, width: wide, height: high, count }) => (
        <BigValue
          value={value.display}
          count={count}
          alignmentFactors={alignmentFactors}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          disableWideLayout={!options.wideLayout}
          width={wide}
          height={high}
          theme={theme}
        />
      )}
      source={frames}
      renderCounter={0}
      width={width}
      height={height}
      itemSpacing={3}
      autoGrid
      orientation={options.orientation ?? VizOrientation.Auto}
    />
  );
}

const Rows = ({ frames, width, height }) => (
  <Table data={frames[0]} width={width} height={height} timeRange={undefined} />
);

const AXIS_PX = { left: 40, bottom: 20, top: 6, text: 12 };

/** The buckets of a histogram over time: a row each, the more the brighter. */
function Cells({ panel, frames, board, width, height }) {
  const rows = bucketsOf(frames);
  const high = (height - AXIS_PX.bottom - AXIS_PX.top) / rows.length;
  const wide = (width - AXIS_PX.left) / (board.to_s - board.from_s);
  const most = Math.max(...rows.flatMap((row) => row.cells.map(([, value]) => value)));
  const every = Math.ceil(AXIS_PX.text / high);
  const x = (time_s) => AXIS_PX.left + (time_s - board.from_s) * wide;
  const y = (index) => height - AXIS_PX.bottom - (index + 1) * high;
  const { exponent, fill } = panel.options.color;
  const colour = theme.visualization.getColorByName(fill);
  const text = { fill: theme.colors.text.primary, fontSize: AXIS_PX.text };
  const clock = (time_s) => new Date(time_s * 1000).toLocaleTimeString("en-GB");
  return (
    <svg width={width} height={height}>
      {rows.map((row, index) => (
        <g key={row.name}>
          {row.cells.map(([time_s, value]) => (
            <rect
              key={time_s}
              x={Math.max(AXIS_PX.left, x(time_s - row.step_s))}
              y={y(index)}
              width={row.step_s * wide}
              height={high}
              fill={colour}
              opacity={(value / most) ** exponent}
            />
          ))}
          {index % every === 0 && (
            <text {...text} x={AXIS_PX.left - 6} y={y(index) + high / 2 + 4} textAnchor="end">
              {row.name}
            </text>
          )}
        </g>
      ))}
      {[0.25, 0.5, 0.75].map((share) => {
        const time_s = board.from_s + share * (board.to_s - board.from_s);
        return (
          <text key={share} {...text} x={x(time_s)} y={height - 5} textAnchor="middle">
            {clock(time_s)}
          </text>
        );
      })}
    </svg>
  );
}

/** Counts of single buckets, those of Prometheus have everything below in them as well. */
function bucketsOf(frames) {
  const end = (frame) => Number(frame.fields[1].labels.le.replace("Inf", "Infinity"));
  const sorted = [...frames].sort((a, b) => end(a) - end(b));
  return sorted.map((frame, index) => {
    const [times, values] = frame.fields.map((field) => field.values);
    const before = index ? sorted[index - 1].fields : null;
    const below = new Map(before?.[0].values.map((time, at) => [time, before[1].values[at]]));
    const cells = times.map((time, at) => [time / 1000, values[at] - (below.get(time) ?? 0)]);
    return {
      name: Number.isFinite(end(frame)) ? String(end(frame)) : "more",
      step_s: frame.fields[0].config.interval / 1000,
      cells: cells.filter(([, value]) => value > 0),
    };
  });
}

const KINDS = { timeseries: Lines, stat: Figures, table: Rows, heatmap: Cells };

/** A panel in its frame: title, description, and the answers or "No data". */
export function Panel({ panel, frames, board }) {
  const { left, top, width, height } = panel.box;
  const Kind = KINDS[panel.type];
  return (
    <div style={{ position: "absolute", left, top, width, height }} data-panel={panel.title}>
      <PanelChrome
        title={panel.title}
        description={panel.description}
        width={width}
        height={height}
        padding={panel.type === "table" ? "none" : "md"}
      >
        {(innerWidth, innerHeight) =>
          frames.some((frame) => frame.length) ? (
            <Kind {...{ panel, frames, board }} width={innerWidth} height={innerHeight} />
          ) : (
            <div className="no-data">No data</div>
          )
        }
      </PanelChrome>
    </div>
  );
}
