/* Charts: lines by uPlot, bars as SVG. Each has axes with units, a legend that does not rest on colour alone, and a
   table of its numbers beneath. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3], [12, 4], [3, 6], [1, 2]];
  const chart = (otoscope.chart = { colours: [1, 2, 3, 4, 5, 6, 7].map((n) => `--c${n}`) });

  // The colour of a series by its place.
  const colour = (place) => otoscope.css(chart.colours[place % chart.colours.length]);

  // A sample of a line, for a legend.
  function sample(place, dash) {
    return svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" },
      svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, style: { stroke: `var(${chart.colours[place % 7]})`, "stroke-width": "2.5", "stroke-dasharray": dash.join(" ") } }));
  }

  // The numbers of a chart as a table that opens.
  function numbers(title, head, rows) {
    const columns = head.map((label, place) => ({ label, numeric: place > 0 }));
    const shown = rows.map((row) => row.map((one) => (typeof one === "number" ? otoscope.number(one, 4) : one ?? "–")));
    const details = el("details", {}, el("summary", {}, "The numbers"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(otoscope.table({ caption: title, columns, rows: shown }));
    });
    return details;
  }

  // Options of uPlot for a width and the theme of the moment.
  function options({ x_label, y_label, series, height = 260, y_range, x_values }, width) {
    const ink = otoscope.css("--quiet"), line = otoscope.css("--line");
    const axis = (label, size) => ({ label, labelSize: 22, size, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "12px system-ui", labelFont: "12px system-ui" });
    return {
      width, height,
      scales: { x: { time: false }, y: y_range ? { range: y_range } : {} },
      axes: [{ ...axis(x_label, 34), ...(x_values ? { values: x_values } : {}) }, axis(y_label, 52)],
      series: [{ label: x_label }, ...series.map((one, place) => ({ label: one.label, stroke: colour(one.colour ?? place), width: 2, dash: one.dash || DASHES[(one.colour ?? place) % 7], points: { show: one.points ?? false }, spanGaps: true }))],
      legend: { show: false },
      cursor: { points: { size: 7 } },
    };
  }

  // Lines over one axis; what the pointer is at is told beneath.
  chart.lines = (wish) => {
    const { title, x, x_label, y_label, series } = wish;
    const plot = el("div", { class: "plot", role: "img", "aria-label": `${title}. ${y_label} against ${x_label}. The numbers are in the table beneath.` });
    const told = el("p", { class: "hint", "aria-hidden": "true" }, "\u00a0");
    let drawn = null;
    const draw = () => {
      const width = Math.floor(plot.getBoundingClientRect().width);
      if (width < 50) return;
      if (drawn) drawn.destroy();
      const setting = options(wish, width);
      setting.hooks = { setCursor: [(one) => {
        const at = one.cursor.idx;
        told.textContent = at === null || at === undefined ? "\u00a0" : `${x_label} ${otoscope.number(x[at], 4)}: ${series.map((line) => `${line.label} ${otoscope.number(line.values[at])}`).join(", ")}`;
      }] };
      drawn = new uPlot(setting, [x, ...series.map((one) => one.values)], plot);
    };
    let width = 0;
    new ResizeObserver(() => {
      const now = Math.floor(plot.getBoundingClientRect().width);
      if (now !== width) { width = now; requestAnimationFrame(draw); }
    }).observe(plot);
    otoscope.on_theme(draw);
    const legend = el("div", { class: "legend" }, series.map((one, place) => el("span", {}, sample(one.colour ?? place, one.dash || DASHES[(one.colour ?? place) % 7]), otoscope.data_text(one.label))));
    return el("figure", { class: "chart" }, el("figcaption", {}, title), plot, told, legend,
      numbers(title, [x_label, ...series.map((one) => one.label)], x.map((at, place) => [at, ...series.map((one) => one.values[place])])));
  };

  // Patterns that tell stacked bars apart without colour.
  function patterns(id, n) {
    return svg("defs", {}, Array.from({ length: n }, (_, place) => svg("pattern", { id: `${id}-${place}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${[0, 45, 90, 135, 20, 70, 110][place % 7]})` },
      svg("rect", { width: 6, height: 6, style: { fill: `var(${chart.colours[place % 7]})` } }),
      place === 0 ? null : svg("line", { x1: 0, y1: 0, x2: 0, y2: 6, style: { stroke: "var(--card)", "stroke-width": "1.5", opacity: "0.55" } }))));
  }

  let made = 0;

  // Horizontal bars, one row a label; series beside one another or stacked.
  chart.bars = ({ title, labels, x_label, y_label, series, stacked = false, height, format = (x) => otoscope.number(x) }) => {
    const id = `bars-${(made += 1)}`, left = 130, width = 640, right = 56, gap = 6;
    const lanes = stacked ? 1 : series.length, lane = stacked ? 18 : Math.max(10, 16 - 2 * lanes);
    const rowHeight = lanes * lane + gap, tall = height || labels.length * rowHeight + 34;
    const total = (at) => series.reduce((sum, one) => sum + Math.max(0, one.values[at] ?? 0), 0);
    const most = Math.max(1e-12, ...labels.map((_, at) => (stacked ? total(at) : Math.max(...series.map((one) => one.values[at] ?? 0)))));
    const scale = (value) => Math.max(0, value ?? 0) / most * (width - left - right);
    const picture = svg("svg", { class: "bars", viewBox: `0 0 ${width} ${tall}`, role: "img", "aria-label": `${title}. ${x_label}. The numbers are in the table beneath.` }, patterns(id, series.length));
    labels.forEach((label, at) => {
      const top = at * rowHeight;
      picture.append(svg("text", { x: left - 8, y: top + (lanes * lane) / 2 + 4, "text-anchor": "end", style: { fill: "var(--ink)", "font-size": "12px" } }, String(label).length > 18 ? `${String(label).slice(0, 17)}…` : String(label)));
      let from = left;
      series.forEach((one, place) => {
        const y = stacked ? top : top + place * lane, long = scale(one.values[at]);
        picture.append(svg("rect", { x: from, y, width: Math.max(0, long), height: lane - 1, fill: `url(#${id}-${place})` }, svg("title", {}, `${label}, ${one.label}: ${format(one.values[at])}`)));
        if (!stacked && one.values[at] !== null && one.values[at] !== undefined) picture.append(svg("text", { x: left + long + 4, y: y + lane - 3, style: { fill: "var(--quiet)", "font-size": "11px" } }, format(one.values[at])));
        if (stacked) from += long;
      });
    });
    picture.append(svg("text", { x: left, y: tall - 6, style: { fill: "var(--quiet)", "font-size": "12px" } }, x_label));
    const legend = series.length < 2 ? null : el("div", { class: "legend" }, series.map((one, place) => el("span", {}, svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("rect", { width: 28, height: 10, fill: `url(#${id}-${place})` })), otoscope.data_text(one.label))));
    return el("figure", { class: "chart" }, el("figcaption", {}, title), picture, legend,
      numbers(title, [y_label || "", ...series.map((one) => one.label)], labels.map((label, at) => [label, ...series.map((one) => one.values[at] ?? null)])));
  };
})();
