/* Charts of lines by uPlot: with axes with units, a legend that does not rest on colour alone, and a table of their
   numbers beneath. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3], [12, 4], [3, 6], [1, 2]];
  const chart = (otoscope.chart = {});
  const WHOLE = Array.from({ length: 24 }, (_, at) => [1, 2, 5][at % 3] * 10 ** Math.floor(at / 3)); // steps of an axis of counts
  const dash_of = (place) => DASHES[place % DASHES.length];

  // How each plot is drawn anew: the colours of uPlot are those of the theme at the time.
  const drawings = new WeakMap();
  otoscope.on_theme(() => document.querySelectorAll(".plot").forEach((plot) => drawings.get(plot)?.()));

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
  function options({ x_label, y_label, series, y_range, is_whole }, width) {
    const ink = otoscope.css("--quiet"), line = otoscope.css("--line");
    const axis = (label, size) => ({
      label, labelSize: 22, size, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line },
      font: "12px system-ui", labelFont: "12px system-ui", ...(is_whole ? { incrs: WHOLE } : {}),
    });
    return {
      width, height: 260,
      scales: { x: { time: false }, y: y_range ? { range: y_range } : {} },
      axes: [axis(x_label, 34), axis(y_label, 52)],
      series: [{ label: x_label }, ...series.map((one, place) => ({
        label: one.label, stroke: otoscope.css(otoscope.colour(place)), width: 2, dash: dash_of(place), points: { show: one.points ?? false }, spanGaps: true,
      }))],
      legend: { show: false },
      cursor: { points: { size: 7 } },
    };
  }

  // Lines over one axis, of whole numbers on both axes where `is_whole`; what the pointer is at is told beneath.
  chart.lines = (wish) => {
    const { title, x, x_label, y_label, series } = wish;
    const plot = el("div", { class: "plot", role: "img", "aria-label": `${title}. ${y_label} against ${x_label}. The numbers are in the table below.` });
    const told = el("p", { class: "hint", "aria-hidden": "true" }, "\u00a0");
    const tell = (at) => {
      const values = series.map((line) => `${line.label} ${otoscope.number(line.values[at])}`).join(", ");
      told.textContent = at === null || at === undefined ? "\u00a0" : `${x_label} ${otoscope.number(x[at], 4)}: ${values}`;
    };
    let drawn = null, width = 0;
    const draw = () => {
      if (drawn) drawn.destroy(); // also where the plot has left the page, which has no width
      drawn = null;
      if (width < 50) return;
      const hooks = { setCursor: [(one) => tell(one.cursor.idx)] };
      drawn = new uPlot({ ...options(wish, width), hooks }, [x, ...series.map((one) => one.values)], plot);
    };
    drawings.set(plot, draw);
    new ResizeObserver(() => {
      const now = Math.floor(plot.getBoundingClientRect().width);
      if (now !== width) { width = now; requestAnimationFrame(draw); }
    }).observe(plot);
    const legend = el("div", { class: "legend" }, series.map((one, place) =>
      el("span", {}, otoscope.line_sample(otoscope.colour(place), dash_of(place).join(" ")), otoscope.data_text(one.label))));
    return el("figure", { class: "chart" }, el("figcaption", {}, title), plot, told, legend,
      numbers(title, [x_label, ...series.map((one) => one.label)], x.map((at, place) => [at, ...series.map((one) => one.values[place])])));
  };
})();
