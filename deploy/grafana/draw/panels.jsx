// The three kinds of panel that the dashboards have, by Grafana's components.
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

const KINDS = { timeseries: Lines, stat: Figures, table: Rows };

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
