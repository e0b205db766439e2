"use strict";
// The page's own script: it unpacks plotly and the scores, draws, and sorts tables.

const text = (id) => document.getElementById(id).textContent.trim();
const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const run = JSON.parse(text("data-scores"));
const scores = new DataView(bytes(run.scores).buffer);
const sizes = ["rules", "seeds", "passes", "px", "normalisation", "maps", "rois", "conventions"].map(
  (axis) => run[axis].length,
);

function score(...place) {
  const index = place.reduce((sum, i, axis) => sum * sizes[axis] + i, 0);
  const packed = scores.getInt16(2 * index, true);
  return packed === run.missing ? NaN : packed / run.steps;
}
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
function sd(values) {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (values.length - 1));
}
function shown(value, signed = false) {
  if (!Number.isFinite(value)) return "undefined";
  const digits = Math.abs(value).toFixed(3);
  return (value < 0 && Number(digits) ? "\u2212" : signed ? "+" : "") + digits;
}

// ---- what is chosen

const selects = Object.fromEntries(
  ["roi", "map", "px", "normalisation", "convention"].map((n) => [n, document.getElementById(n)]),
);
const spread = document.getElementById("seeds");
const whole = document.getElementById("whole");
const chosen = () => Object.fromEntries(Object.entries(selects).map(([n, s]) => [n, Number(s.value)]));

/** One score a seed of a rule in a pass; seeds without one are left out. */
function perSeed(rule, pass, at, px = at.px) {
  return run.seeds
    .map((_, seed) => score(rule, seed, pass, px, at.normalisation, at.map, at.roi, at.convention))
    .map((value, seed) => [run.seeds[seed], value])
    .filter(([, value]) => Number.isFinite(value));
}
const passOf = (epoch, still) => run.passes.findIndex(([e, s]) => e === epoch && s === still);
const epochs = [...new Set(run.passes.map(([epoch]) => epoch))].sort((a, b) => a - b);
/** The last checkpoint > 0 of a rule at which every seed that is there has a score. */
function lastOf(rule, at) {
  const n = Math.max(...epochs.map((e) => perSeed(rule, passOf(e, false), at).length));
  const full = epochs.filter((e) => e > 0 && perSeed(rule, passOf(e, false), at).length === n);
  return full.length ? full[full.length - 1] : 0;
}
const isStill = (rule, epoch, at) =>
  run.still.includes(`${run.rules[rule]}/${epoch}/${run.maps[at.map][0]}`);
const lastEpoch = epochs[epochs.length - 1];
const FIRST = 0.3;
/** Linear from epoch 0 to 1, logarithmic after: where an epoch stands on the axis. */
function place(epoch) {
  if (lastEpoch <= 1) return epoch;
  return epoch <= 1 ? FIRST * epoch : FIRST + ((1 - FIRST) * Math.log(epoch)) / Math.log(lastEpoch);
}
function cell(values) {
  const all = values.map(([, v]) => v);
  if (!all.length) return "";
  const deviation = all.length > 1 ? `, sd ${shown(sd(all))}` : "";
  const each = values.map(([seed, v]) => `${seed}: ${shown(v)}`).join(", ");
  return `<b>${shown(mean(all))}</b>${deviation}<br>seeds ${each}`;
}

// ---- the figures

const narrow = () => window.innerWidth < 640;
function layout(extra) {
  return {
    font: { family: "system-ui, sans-serif", size: narrow() ? 11 : 13, color: "#222" },
    margin: { l: narrow() ? 46 : 60, r: 8, t: 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "#fff",
    hoverlabel: { align: "left", bgcolor: "#fff" },
    // At the foot of the figure, whatever its height, so that it keeps off the title of the axis.
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, xanchor: "left" },
    ...extra,
  };
}
// Zooming and hiding work by pointer; a toolbar would cover values.
const config = { responsive: true, displayModeBar: false };
/** An axis title that keeps off the labels of the ticks. */
const titled = (words) => ({ title: { text: words, standoff: 8 }, automargin: true });
const axis = { zeroline: true, zerolinecolor: "#bbb", linecolor: "#888", ticks: "outside", gridcolor: "#eee" };

function boundsOf(at) {
  return run.bounds.find(
    (b) => b.roi === run.rois[at.roi] && b.convention === run.conventions[at.convention],
  );
}
function referencesOf(at, px) {
  return run.references.filter(
    (r) =>
      r.roi === run.rois[at.roi] &&
      r.convention === run.conventions[at.convention] &&
      r.px === run.px[px],
  );
}
/** Limits that hold the data, and what of bounds and references lies near (or all of it). */
function limits(values, at, references) {
  const finite = values.filter(Number.isFinite);
  let low = Math.min(...finite);
  let high = Math.max(...finite);
  const span = Math.max(high - low, 0.02);
  const bounds = boundsOf(at);
  for (const value of references) {
    if (whole.checked || (value > low - 0.45 * span && value < high + 0.45 * span)) {
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  if (bounds && whole.checked) high = Math.max(high, bounds.upper);
  else if (bounds && bounds.lower < high + 0.45 * span) high = Math.max(high, bounds.lower + 0.15 * span);
  const margin = 0.06 * Math.max(high - low, 0.02);
  return [low - margin, high + margin];
}
function backdrop(at, range) {
  const bounds = boundsOf(at);
  if (!bounds || bounds.lower > range[1]) return { shapes: [], annotations: [] };
  const top = Math.min(bounds.upper, range[1]);
  return {
    shapes: [{ type: "rect", xref: "paper", x0: 0, x1: 1, y0: bounds.lower, y1: bounds.upper,
      fillcolor: "#e9e4d8", line: { width: 0 }, layer: "below" }],
    annotations: [{ xref: "paper", x: 0.99, y: top, xanchor: "right", yanchor: "top", showarrow: false,
      text: `noise bounds ${shown(bounds.lower)} to ${shown(bounds.upper)}`,
      font: { size: 11, color: "#6b6250" } }],
  };
}

/** A rule's entry in a legend, with its full mark: a legend else shows the first mark of a line. */
const entry = (style) => ({
  x: [null], y: [null], mode: "lines+markers", name: style.label, legendgroup: style.label,
  line: { color: style.colour, width: 2.2 }, marker: { size: 9, color: style.colour, symbol: style.symbol },
});

function drawTrajectory(at) {
  const traces = [];
  const values = [];
  run.styles.forEach((style, rule) => {
    const points = epochs
      .map((epoch) => [epoch, perSeed(rule, passOf(epoch, false), at)])
      .filter(([, seeds]) => seeds.length);
    if (!points.length) return;
    points.forEach(([, seeds]) => values.push(...seeds.map(([, v]) => v)));
    if (spread.checked && run.seeds.length > 1) {
      run.seeds.forEach((seed) => {
        const of = points.map(([e, seeds]) => [e, seeds.find(([s]) => s === seed)]).filter(([, v]) => v);
        traces.push({ x: of.map(([e]) => place(e)), y: of.map(([, v]) => v[1]), mode: "lines",
          line: { color: style.colour, width: 1 }, opacity: 0.35, hoverinfo: "skip",
          legendgroup: style.label, showlegend: false });
      });
    }
    traces.push(entry(style), {
      x: points.map(([e]) => place(e)),
      y: points.map(([, seeds]) => mean(seeds.map(([, v]) => v))),
      mode: "lines+markers", name: style.label, legendgroup: style.label, showlegend: false,
      line: { color: style.colour, width: 2.2 },
      marker: { size: 9, color: style.colour, line: { width: 1.5, color: style.colour },
        symbol: points.map(([e]) => style.symbol + (isStill(rule, e, at) ? "-open" : "")) },
      text: points.map(([e, seeds]) => `${style.label}, epoch ${e}: ${cell(seeds)}` +
        (isStill(rule, e, at) && e > 0 ? "<br>weights not moved" : "")),
      hovertemplate: "%{text}<extra></extra>",
    });
    const still = epochs.filter((e) => e > 0)
      .map((epoch) => [epoch, passOf(epoch, true)]).filter(([, pass]) => pass >= 0)
      .map(([epoch, pass]) => [epoch, perSeed(rule, pass, at)]).filter(([, seeds]) => seeds.length);
    still.forEach(([, seeds]) => values.push(...seeds.map(([, v]) => v)));
    traces.push({
      x: still.map(([e]) => place(e)), y: still.map(([, seeds]) => mean(seeds.map(([, v]) => v))),
      mode: "lines+markers", name: `${style.label}, statistics only`, legendgroup: style.label,
      showlegend: false, line: { color: style.colour, width: 1.2, dash: "dot" },
      marker: { size: 7, symbol: "x", color: style.colour },
      text: still.map(([e, seeds]) => `${style.label}, statistics only, epoch ${e}: ${cell(seeds)}`),
      hovertemplate: "%{text}<extra></extra>",
    });
  });
  const references = referencesOf(at, at.px);
  const range = limits(values, at, references.map((r) => r.rho));
  const { shapes, annotations } = backdrop(at, range);
  let above = -Infinity;
  [...references].sort((a, b) => a.rho - b.rho).forEach((r) => {
    if (r.rho < range[0] || r.rho > range[1]) return;
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: r.rho, y1: r.rho,
      line: { color: "#777", width: 1, dash: "dash" }, layer: "below" });
    // Where there is no room beside the lines, they are named below the figure.
    if (narrow()) return;
    above = Math.max(r.rho, above + 0.045 * (range[1] - range[0]));
    annotations.push({ xref: "paper", x: 1.01, y: above, xanchor: "left", yanchor: "middle",
      showarrow: false, text: `${r.name} ${shown(r.rho)}`, font: { size: 11, color: "#555" } });
  });
  Plotly.react("trajectory", traces, layout({
    shapes, annotations, height: narrow() ? 420 : 460,
    margin: { l: narrow() ? 46 : 60, r: narrow() ? 8 : 170, t: 8, b: 44 },
    xaxis: { ...axis, ...titled(lastEpoch > 1 ? "epoch (log scale from 1)" : "epoch"), zeroline: false,
      tickvals: epochs.map(place), ticktext: epochs.map(String) },
    yaxis: { ...axis, ...titled(run.score), range },
  }), config);
  const lines = references.filter((r) => r.rho >= range[0] && r.rho <= range[1])
    .sort((a, b) => b.rho - a.rho).map((r) => `${r.name} ${shown(r.rho)}`);
  document.getElementById("dashed").textContent = lines.length
    ? `Dashed: low-level reference models${narrow() ? `, from above: ${lines.join(", ")}` : ""}.` : "";
  const off = references.filter((r) => r.rho < range[0] || r.rho > range[1])
    .map((r) => `${r.name} ${shown(r.rho)}`);
  const bounds = boundsOf(at);
  if (bounds && bounds.lower > range[1]) off.push(`noise bounds ${shown(bounds.lower)} to ${shown(bounds.upper)}`);
  document.getElementById("off-axis").textContent = off.length ? `Off the axis: ${off.join(", ")}.` : "";
}

function drawParts(at) {
  const rows = run.styles.map((style, rule) => {
    const last = lastOf(rule, at);
    const [start, still, end] = [passOf(0, false), passOf(last, true), passOf(last, false)]
      .map((pass) => (pass < 0 ? new Map() : new Map(perSeed(rule, pass, at))));
    const seeds = last ? [...end.keys()].filter((seed) => start.has(seed) && still.has(seed)) : [];
    return { style, last, seeds,
      normalisation: seeds.map((s) => still.get(s) - start.get(s)),
      learning: seeds.map((s) => end.get(s) - still.get(s)) };
  }).filter((row) => row.seeds.length);
  const label = rows.map((row) => row.style.label);
  const told = (row, part) => row.seeds.map((s, i) => [s, row[part][i]]);
  const traces = [
    { type: "bar", orientation: "h", y: label, x: rows.map((r) => mean(r.normalisation)), offsetgroup: "n",
      name: "normalisation part", marker: { color: "#d8d2c4", line: { color: "#857d6c", width: 1 },
        pattern: { shape: "/", fgcolor: "#857d6c", size: 6, solidity: 0.15 } },
      text: rows.map((r) => `${r.style.label}, normalisation part by epoch ${r.last}: ${cell(told(r, "normalisation"))}`) },
    { type: "bar", orientation: "h", y: label, x: rows.map((r) => mean(r.learning)), offsetgroup: "l",
      base: rows.map((r) => mean(r.normalisation)), name: "learning part (colour of the rule)",
      marker: { color: rows.map((r) => r.style.colour) },
      text: rows.map((r) => `${r.style.label}, learning part by epoch ${r.last}: ${cell(told(r, "learning"))}` +
        `<br>whole change ${shown(mean(r.normalisation) + mean(r.learning), true)}`) },
  ].map((t) => ({ ...t, textposition: "none", hovertemplate: "%{text}<extra></extra>" }));
  Plotly.react("parts", traces, layout({
    height: 120 + 46 * rows.length, barmode: "group", bargap: 0.25,
    xaxis: { ...axis, ...titled(`\u0394${run.symbol} from epoch 0`), zerolinecolor: "#222" },
    yaxis: { autorange: "reversed", automargin: true },
  }), config);
}

function drawSweep(at) {
  const box = document.getElementById("sweep-box");
  box.hidden = run.px.length < 2;
  if (box.hidden) return;
  const states = [["as initialised", "dot"], ["statistics only", "dash"], ["trained", "solid"]];
  const traces = [];
  const values = [];
  run.styles.forEach((style, rule) => {
    const last = lastOf(rule, at);
    const passes = [passOf(0, false), passOf(last, true), last ? passOf(last, false) : -1];
    traces.push(entry(style));
    states.forEach(([state, dash], i) => {
      if (passes[i] < 0) return;
      const points = run.px.map((size, px) => [size, perSeed(rule, passes[i], at, px)])
        .filter(([, seeds]) => seeds.length);
      points.forEach(([, seeds]) => values.push(mean(seeds.map(([, v]) => v))));
      traces.push({ x: points.map(([size]) => size), y: points.map(([, s]) => mean(s.map(([, v]) => v))),
        mode: "lines+markers", name: style.label, legendgroup: style.label, showlegend: false,
        line: { color: style.colour, dash, width: state === "trained" ? 2.2 : 1.3 },
        marker: { size: 8, color: style.colour, symbol: style.symbol + (state === "trained" ? "" : "-open") },
        text: points.map(([size, s]) => `${style.label}, ${state}, ${size} px: ${cell(s)}`),
        hovertemplate: "%{text}<extra></extra>" });
    });
  });
  const range = limits(values, at, []);
  const { shapes, annotations } = backdrop(at, range);
  Plotly.react("sweep", traces, layout({
    shapes, annotations, height: narrow() ? 360 : 380,
    xaxis: { ...axis, ...titled("stimulus size (px, log scale)"), zeroline: false, type: "log",
      tickvals: run.px, ticktext: run.px.map(String) },
    yaxis: { ...axis, ...titled(run.score), range },
  }), config);
}

function draw() {
  const at = chosen();
  drawTrajectory(at);
  drawParts(at);
  drawSweep(at);
}

async function unpackPlotly() {
  const packed = new Blob([bytes(text("data-plotly"))]).stream();
  const source = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
  const script = document.createElement("script");
  script.textContent = source;
  document.head.append(script);
}

function fill(select, names, start) {
  names.forEach((name, i) => select.add(new Option(name, i, i === start, i === start)));
  select.addEventListener("change", draw);
}
fill(selects.roi, run.rois, 0);
fill(selects.map, run.maps.map(([layer, readout]) => `${layer} (${readout})`), run.start.map);
fill(selects.px, run.px.map((px) => `${px} px`), run.start.px);
fill(selects.normalisation, run.normalisation, run.start.normalisation);
fill(selects.convention, run.conventions, run.start.convention);
spread.addEventListener("change", draw);
whole.addEventListener("change", draw);

// ---- tables that sort

document.querySelectorAll("table.sorts th").forEach((head) => {
  const button = document.createElement("button");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    const body = head.closest("table").tBodies[0];
    const key = (row) => {
      const field = row.cells[head.cellIndex];
      const number = field.dataset.value === undefined ? NaN : Number(field.dataset.value);
      return field.dataset.value === undefined ? field.textContent : number;
    };
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (typeof x === "string") return x.localeCompare(y);
      // What is not there stands last, whichever way one sorts.
      if (Number.isNaN(x) || Number.isNaN(y)) return (Number.isNaN(x) - Number.isNaN(y)) * (rising ? 1 : -1);
      return x - y;
    };
    const rows = [...body.rows].sort(order);
    body.append(...(rising ? rows : rows.reverse()));
    head.closest("tr").querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  });
});

// ---- what is wider than the screen says so

document.querySelectorAll(".scroll").forEach((box) => {
  const mark = () =>
    box.classList.toggle("goes-on", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
  mark();
});

// ---- dissimilarity matrices, read off under the pointer

const geometry = JSON.parse(text("data-geometry"));
if (geometry) {
  const matrices = geometry.matrices.map(bytes);
  const figures = document.querySelectorAll("figure.rdm");
  const told = document.getElementById("pair");
  figures.forEach((figure) => {
    const image = figure.querySelector("img");
    image.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const n = geometry.stimuli.length;
      const column = Math.min(n - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * n)));
      const row = Math.min(n - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * n)));
      told.textContent = `${geometry.stimuli[row]} against ${geometry.stimuli[column]}`;
      figures.forEach((other, i) => {
        const value = matrices[i][row * n + column];
        other.querySelector("output").textContent = row === column ? "same" : value > 100 ? "undefined" : `${value} %`;
      });
    });
  });
}

unpackPlotly().then(() => {
  draw();
  let wide = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== wide) { wide = window.innerWidth; draw(); }
  });
  document.documentElement.dataset.drawn = "yes";
});
