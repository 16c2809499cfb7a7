// What a machine can see of a page of panels: what is empty, cut off, hidden or too small to read.
const LEAST_PLOT_PX = 90;
const LEAST_TEXT_PX = 11.5; // what Grafana itself sets small
const SLACK_PX = 1;

const shows = (element) => element.childElementCount === 0 && element.textContent.trim() !== "";

/** Texts that are wider than what holds them: an element of their own, or one that cuts off. */
function cutOff(panel) {
  const lines = [];
  for (const text of [...panel.querySelectorAll("*")].filter(shows)) {
    if (text.closest("svg, canvas, style, table")) {
      continue;
    }
    if (text.clientWidth > 0 && text.scrollWidth > text.clientWidth + SLACK_PX) {
      lines.push(`"${text.textContent}" is cut off: ${text.scrollWidth} of ${text.clientWidth} px`);
    } else if (text.clientWidth > 0 && beyond(text, panel)) {
      lines.push(`"${text.textContent}" reaches beyond its place`);
    }
  }
  return lines;
}

/** Whether one of the elements around a text, up to its panel, hides an end of it. */
function beyond(text, panel) {
  const inner = text.getBoundingClientRect();
  for (let holder = text.parentElement; ; holder = holder.parentElement) {
    const outer = holder.getBoundingClientRect();
    const hides = holder === panel || getComputedStyle(holder).overflowX !== "visible";
    if (hides && (inner.left < outer.left - SLACK_PX || inner.right > outer.right + SLACK_PX)) {
      return true;
    }
    if (holder === panel) {
      return false;
    }
  }
}

/** Lines of one name cannot be told apart. */
function sameNames(panel) {
  const names = [...panel.querySelectorAll("table tbody tr button")].map((one) => one.textContent);
  const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  return [...twice].map((name) => `several lines are named "${name}"`);
}

/** A legend that one has to scroll hides lines. */
function hiddenLegend(panel) {
  const table = panel.querySelector("table");
  if (!table) {
    return [];
  }
  let holder = table.parentElement;
  while (holder !== panel && holder.clientHeight >= holder.scrollHeight - SLACK_PX) {
    holder = holder.parentElement;
  }
  const rows = [...table.querySelectorAll("tbody tr")];
  const bottom = holder.getBoundingClientRect().bottom + SLACK_PX;
  const seen = rows.filter((row) => row.getBoundingClientRect().bottom <= bottom).length;
  const right = holder.getBoundingClientRect().right + SLACK_PX;
  const wide = table.getBoundingClientRect().right > right;
  return [
    ...(seen < rows.length ? [`the legend shows ${seen} of ${rows.length} lines`] : []),
    ...(wide ? ["the legend is wider than the panel"] : []),
  ];
}

function smallPlot(panel) {
  const plot = panel.querySelector(".u-over");
  const height = plot?.clientHeight ?? LEAST_PLOT_PX;
  return height < LEAST_PLOT_PX ? [`the plot is ${height} px high`] : [];
}

/** Figures of a stat panel are scaled until they fit. */
function smallText(panel) {
  if (panel.querySelector(".u-over, [role=table]")) {
    return [];
  }
  const texts = [...panel.querySelectorAll("[data-testid='data-testid panel content'] *")];
  return texts
    .filter(shows)
    .filter((text) => parseFloat(getComputedStyle(text).fontSize) < LEAST_TEXT_PX)
    .map((text) => `"${text.textContent}" is ${getComputedStyle(text).fontSize} high`);
}

/** A table shows as many rows as are in its panel, and hides the rest. */
function hiddenRows(panel) {
  const table = panel.querySelector("[role=table]");
  if (!table) {
    return [];
  }
  const list = [...table.querySelectorAll("*")].find(
    (element) => element.scrollHeight > element.clientHeight + SLACK_PX && element.clientHeight > 0,
  );
  return list ? [`the table is ${list.scrollHeight} px high, its panel ${list.clientHeight}`] : [];
}

const empty = (panel) => (panel.querySelector(".no-data") ? ["no data"] : []);

/** List findings, [panel, finding] each. */
export function findings() {
  const checks = [empty, cutOff, hiddenLegend, sameNames, smallPlot, smallText, hiddenRows];
  return [...document.querySelectorAll("[data-panel]")].flatMap((panel) =>
    checks.flatMap((check) => check(panel).map((line) => [panel.dataset.panel, line])),
  );
}
