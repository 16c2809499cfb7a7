// A dashboard as a page: window.draw(board) draws it, window.findings() lists what does not fit.
import { ThemeContext } from "@grafana/data";
import { GlobalStyles } from "@grafana/ui";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import "uplot/dist/uPlot.min.css";

import { findings } from "./findings.js";
import { framesOf, theme } from "./frames.js";
import { Panel } from "./panels.jsx";

const styles = createRoot(document.getElementById("styles"));
const root = createRoot(document.getElementById("root"));

function Heading({ board }) {
  return (
    <header>
      <h1>{board.title}</h1>
      {board.variables.map(([label, value]) => (
        <span key={label}>
          {label} <b>{value}</b>
        </span>
      ))}
    </header>
  );
}

function Board({ board, frames }) {
  return (
    <ThemeContext.Provider value={theme}>
      <Heading board={board} />
      <main style={{ height: board.height_px }}>
        {board.panels.map((panel) =>
          panel.type === "row" ? (
            <h2 key={panel.id} style={{ position: "absolute", ...panel.box }}>
              {panel.title}
            </h2>
          ) : (
            <Panel key={panel.id} panel={panel} frames={frames.get(panel.id)} board={board} />
          ),
        )}
      </main>
    </ThemeContext.Provider>
  );
}

const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));

window.draw = async (board) => {
  const data = board.panels.filter((panel) => panel.type !== "row");
  const frames = new Map();
  for (const panel of data) {
    frames.set(panel.id, await framesOf(panel));
  }
  // plots write on a canvas, which does not wait for fonts
  flushSync(() => styles.render(<GlobalStyles />));
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 12px Inter`)));
  flushSync(() => root.render(<Board board={board} frames={frames} />));
  // a plot is drawn when its legend's height is known, and again when that changes
  for (let frames = 0; frames < 30; frames++) {
    await frame();
  }
};
window.findings = findings;
