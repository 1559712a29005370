/* Two pictures of a feature: how often each strength occurs, and which phones each range of strength holds. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const charts = (otoscope.feature_charts = {});
  const KINDS = [
    { key: "speech", label: "speech", dash: "", colour: "--c1" },
    { key: "silence", label: "silence", dash: "7 4", colour: "--c2" },
    { key: "padding", label: "padding", dash: "2 3", colour: "--c3" },
  ];
  const MOST_BINS = 60, LEAST = 0.5; // frames: below one frame, on an axis of powers of ten

  // ---- histogram -----------------------------------------------------------------------------------------------

  // Bins of equal width from bins that grow away from zero: none is narrower than the widest of those.
  function even_bins({ edges, ...counts }) {
    const first = edges[0], last = edges[edges.length - 1];
    const widest = Math.max(...edges.slice(1).map((edge, at) => edge - edges[at]));
    const n = Math.max(1, Math.min(MOST_BINS, Math.floor((last - first) / widest))), width = (last - first) / n;
    const found = { first, width, n };
    for (const { key } of KINDS) found[key] = spread(counts[key] || [], edges, first, width, n);
    return found;
  }

  // Share the frames of each bin out over the even bins that it lies in.
  function spread(counts, edges, first, width, n) {
    const found = new Float64Array(n);
    counts.forEach((count, at) => {
      if (!count) return;
      const low = edges[at], high = edges[at + 1];
      for (let bin = Math.max(0, Math.floor((low - first) / width)); bin < n && first + bin * width < high; bin += 1) {
        const share = (Math.min(high, first + (bin + 1) * width) - Math.max(low, first + bin * width)) / (high - low);
        if (share > 0) found[bin] += count * share;
      }
    });
    return found;
  }

  // Draw the histogram at the width that it has.
  function draw(bins, width) {
    const tall = 250, left = 58, right = 12, top = 10, bottom = 44, stop = bins.first + bins.n * bins.width;
    const most = Math.max(1, ...KINDS.map(({ key }) => Math.max(...bins[key]))), decades = Math.ceil(Math.log10(most * 1.05));
    const x = (strength) => left + (width - left - right) * (strength - bins.first) / (stop - bins.first);
    const y = (count) => tall - bottom - (tall - top - bottom) * Math.log10(Math.max(count, LEAST) / LEAST) / (decades - Math.log10(LEAST));
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${tall}`, width, height: tall, "aria-hidden": "true" });
    for (let power = 0; power <= decades; power += 1) {
      drawing.append(svg("line", { class: "rule", x1: left, x2: width - right, y1: y(10 ** power), y2: y(10 ** power) }),
        svg("text", { class: "tick", x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, (10 ** power).toLocaleString("en")));
    }
    for (const at of otoscope.ticks(bins.first, stop, width > 500 ? 8 : 4)) {
      drawing.append(svg("line", { class: at === 0 ? "rule zero" : "rule", x1: x(at), x2: x(at), y1: top, y2: tall - bottom }),
        svg("text", { class: "tick", x: x(at), y: tall - bottom + 16, "text-anchor": "middle" }, otoscope.number(at)));
    }
    drawing.append(svg("text", { class: "tick", x: (left + width - right) / 2, y: tall - 8, "text-anchor": "middle" }, "strength"),
      svg("text", { class: "tick", transform: `translate(13 ${(top + tall - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, "frames of 20 ms"));
    for (const { key, dash, colour } of [...KINDS].reverse()) drawing.append(steps(bins, key, x, y, dash, colour));
    return drawing;
  }

  // A line of steps; where there are no frames it lies on the floor.
  function steps(bins, key, x, y, dash, colour) {
    const parts = Array.from(bins[key], (count, bin) => {
      const from = x(bins.first + bin * bins.width).toFixed(1), to = x(bins.first + (bin + 1) * bins.width).toFixed(1), at = y(count).toFixed(1);
      return `${bin ? "L" : "M"}${from} ${at}L${to} ${at}`;
    });
    return svg("path", { class: "line", d: parts.join(""), "stroke-dasharray": dash || null, style: { stroke: `var(${colour})` } });
  }

  // How often each strength occurs in speech, silence and padding.
  charts.histogram = (histogram) => {
    if (!histogram || histogram.edges.length < 2) return el("p", { class: "none" }, "No frame was counted for this feature.");
    const bins = even_bins(histogram), there = KINDS.filter(({ key }) => bins[key].some((count) => count > 0));
    const kinds = there.map((one) => one.label).join(", ");
    const plot = el("div", { class: "plot", role: "img",
      "aria-label": `Frames of ${kinds} by strength, counts on an axis of powers of ten. The numbers are in the table below.` });
    const legend = el("div", { class: "legend" }, KINDS.map((one) =>
      el("span", {}, otoscope.line_sample(one.colour, one.dash), there.includes(one) ? one.label : `${one.label} (no frames)`)));
    return el("figure", { class: "chart histogram" }, otoscope.draw_at_width(plot, (width) => draw(bins, width)), legend, numbers(bins));
  };

  // The numbers of the histogram, made when they are asked for.
  function numbers(bins) {
    const details = el("details", {}, el("summary", {}, "The numbers"));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const rows = Array.from({ length: bins.n }, (_, bin) => [
        `${otoscope.number(bins.first + bin * bins.width)} to ${otoscope.number(bins.first + (bin + 1) * bins.width)}`,
        ...KINDS.map(({ key }) => otoscope.number(Math.round(bins[key][bin])))]);
      const columns = ["Strength", ...KINDS.map((one) => one.label)].map((label, at) => ({ label, numeric: at > 0 }));
      details.append(otoscope.table({ caption: "Frames by strength, in bins of equal width", columns, rows }));
    });
    return details;
  }

  // ---- phones by range of strength -----------------------------------------------------------------------------

  // The phones of all ranges, those of the strongest ranges first; null is where no phone is.
  function phones_of(ranges) {
    const counts = new Map();
    ranges.forEach((one, at) => one.phones.forEach(([phone, n]) => counts.set(phone, (counts.get(phone) || 0) + n / (1 + at))));
    return [...counts].sort((a, b) => (a[0] === null) - (b[0] === null) || b[1] - a[1]).map(([phone]) => phone);
  }

  const phone_name = (phone) => (phone === null ? "no phone" : otoscope.phone_label(phone));
  const look = (phone, place) => (phone === null || place > 5 ? "plain" : `c${place + 1}`);

  // One range as a bar: a part for each phone, with its name in it.
  function bar(one, phones, most) {
    const held = new Map(one.phones.map(([phone, n]) => [phone, n]));
    const told = one.phones.map(([phone, n]) => `${phone_name(phone)} ${n}`).join(", ") || "none";
    const n = one.phones.reduce((sum, [, count]) => sum + count, 0);
    const found = el("div", { class: "range-bar", role: "img", "aria-label": told, style: { width: `${100 * n / most}%` } });
    phones.forEach((phone, place) => {
      const count = held.get(phone);
      if (!count) return;
      found.append(el("span", { class: `part ${look(phone, place)}`, title: `${phone_name(phone)}: ${count} of ${n}`, style: { "flex-grow": String(count) } },
        phone === null ? "–" : otoscope.data_text(phone)));
    });
    return found;
  }

  // From where to where a range goes; ranges of negative strengths are told by size.
  charts.range_text = (range, sign) => {
    if (!range || range.low === null) return null;
    const write = (x) => `${sign < 0 && x > 0 ? "−" : ""}${otoscope.number(x, 2)}`;
    return `${write(range.low)} to ${write(range.high)}`;
  };

  // The phones at peaks drawn from each range of strength, from the strongest range down.
  charts.ranges = (ranges, sign) => {
    const phones = phones_of(ranges), n_of = (one) => one.phones.reduce((sum, [, n]) => sum + n, 0);
    const most = Math.max(1, ...ranges.map(n_of));
    if (!phones.length) return el("p", { class: "none" }, `No peak of ${sign < 0 ? "negative" : "positive"} strength.`);
    const rows = ranges.map((one) => el("tr", {},
      el("th", { scope: "row", class: "numeric" }, charts.range_text(one, sign) || "–"),
      el("td", { class: "bar-cell" }, n_of(one) ? bar(one, phones, most) : el("span", { class: "quiet-text" }, "no peak")),
      el("td", { class: "numeric", title: `${n_of(one)} examples of ${one.n_peaks} peaks` }, `${n_of(one)} of ${Number(one.n_peaks).toLocaleString("en")}`),
      el("td", { class: "numeric" }, otoscope.number(one.effective_phones, 2))));
    const head = el("tr", {}, el("th", { scope: "col", class: "numeric" }, "Strength"), el("th", { scope: "col" }, "Phones of the examples"),
      el("th", { scope: "col", class: "numeric", title: "Examples drawn, of all peaks in the range" }, "n"),
      el("th", { scope: "col", class: "numeric", title: "Effective number of phones: 1 when all examples are of one phone" }, "Effective"));
    const swatch = (phone, place) => el("span", {}, el("i", { class: `swatch ${look(phone, place)}` }), phone === null ? "no phone" : otoscope.phone_text(phone));
    const legend = el("div", { class: "legend" }, phones.slice(0, 7).map(swatch),
      phones.length > 7 ? el("span", {}, `and ${phones.length - 7} more, grey`) : null);
    return el("figure", { class: "ranges", dataset: { sign } },
      otoscope.scrolls(el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `Phones by range of ${sign < 0 ? "negative" : "positive"} strength` },
        el("table", {}, el("caption", {}, el("span", { class: "caption" }, sign < 0 ? "Negative strengths" : "Positive strengths", ", the strongest at the top")),
          el("thead", {}, head), el("tbody", {}, rows)))), legend);
  };
})();
