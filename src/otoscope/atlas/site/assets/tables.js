/* What the pages of tables share: why a part is missing, choosers, long tables, and charts of values with their
   intervals. Charts are drawn at the width that they have, so that their letters stay readable on a phone. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg, is_number } = otoscope;
  const tables = (otoscope.tables = {});

  // ---- parts ---------------------------------------------------------------------------------------------------

  // Say why there is nothing; null where the part was done.
  tables.why_not = (part, what) => {
    if (part && part.state === "done") return el("p", { class: "none" }, `This study holds no ${what}.`);
    return el("p", { class: "none" }, `No ${what} here: `, otoscope.data_text((part && part.why) || "this part of the study was left out"), ".");
  };

  // The pictures of a section, folded away: the charts above say the same.
  tables.pictures = (found) => {
    if (!found || !found.length) return null;
    return el("details", {}, el("summary", {}, found.length === 1 ? "As a picture to download" : "As pictures to download"),
      found.map((one) => otoscope.picture(one.file, one.alt)));
  };

  // A list that is to be chosen from; `act` gets the value, and `show` of what comes back sets it without acting.
  tables.chooser = (label, options, value, act) => {
    const select = el("select", { "aria-label": label, on: { change: () => act(select.value) } },
      options.map((one) => el("option", { value: String(one.value), selected: String(one.value) === String(value) }, one.text)));
    const chooser = el("label", { class: "chooser" }, el("span", {}, label), select);
    chooser.show = (now) => { select.value = String(now); };
    return chooser;
  };

  // Short facts side by side: [term, text] each; a text is data or a node.
  tables.facts = (facts) =>
    el("dl", { class: "facts" }, facts.filter(Boolean).map(([term, text]) =>
      el("div", {}, el("dt", {}, term), el("dd", {}, text instanceof Node ? text : otoscope.data_text(text)))));

  // Sentences that stand together.
  tables.notes = (summary, sentences) =>
    sentences && sentences.length
      ? el("details", {}, el("summary", {}, summary), el("ul", {}, sentences.map((one) => el("li", {}, otoscope.data_text(one)))))
      : null;

  // A table with its caption in sight while it is scrolled sideways; the caption may hold nodes.
  tables.table = ({ caption, ...rest }) => {
    const told = el("span", { class: "caption" }, typeof caption === "string" ? otoscope.data_text(caption) : caption);
    const made = otoscope.table({ caption: told.textContent, ...rest });
    made.querySelector("caption").replaceChildren(told);
    return made;
  };

  // A table whose rows beyond the first few come when they are asked for.
  tables.long_table = ({ rows, shown = 15, ...rest }) => {
    const box = el("div", {}, tables.table({ ...rest, rows: rows.slice(0, shown) }));
    if (rows.length > shown) {
      const button = el("button", { type: "button", on: { click: () => box.replaceChildren(tables.table({ ...rest, rows })) } }, `Show all ${rows.length}`);
      box.append(el("p", {}, button));
    }
    return box;
  };

  // A feature by its name, with a link to its page.
  tables.feature_link = (one, text) =>
    el("a", { href: otoscope.feature_href(one.site, one.basis, one.feature) },
      otoscope.data_text(text ?? otoscope.feature_name(one.site, one.basis, one.feature)));

  // A token as it is, its space made visible.
  tables.token = (text) => String(text ?? "").replace(/^ +/, (spaces) => "␣".repeat(spaces.length)).replace(/\n/g, "⏎") || "(empty)";

  // Whether an interval of a difference lies on one side of zero.
  tables.beats = (difference, less_is_better = false) => {
    if (!difference || typeof difference.low !== "number" || typeof difference.high !== "number") return "not judged";
    const sign = less_is_better ? -1 : 1;
    if (sign * difference.low > 0 && sign * difference.high > 0) return "better";
    return sign * difference.low < 0 && sign * difference.high < 0 ? "worse" : "not distinguishable";
  };

  // ---- charts --------------------------------------------------------------------------------------------------

  const write = (unit) => (x) => (unit === "share" ? otoscope.percent(x, x !== 0 && Math.abs(x) < 0.1 ? 1 : 0) : otoscope.number(x));
  tables.write = write;

  // A mark of a series: told apart by shape and colour.
  function mark(place, x, y, title) {
    const style = { fill: `var(${otoscope.colour(place)})` };
    const r = 4.5, shapes = [
      () => svg("circle", { cx: x, cy: y, r, style }),
      () => svg("rect", { x: x - r + 0.5, y: y - r + 0.5, width: 2 * r - 1, height: 2 * r - 1, style }),
      () => svg("path", { d: `M${x} ${y - r - 1}L${x + r + 1} ${y + r - 0.5}L${x - r - 1} ${y + r - 0.5}Z`, style }),
      () => svg("path", { d: `M${x} ${y - r - 1.5}L${x + r + 1.5} ${y}L${x} ${y + r + 1.5}L${x - r - 1.5} ${y}Z`, style }),
      () => svg("path", { d: `M${x} ${y + r + 1}L${x + r + 1} ${y - r + 0.5}L${x - r - 1} ${y - r + 0.5}Z`, style }),
      () => svg("rect", { x: x - 1.6, y: y - r - 1, width: 3.2, height: 2 * r + 2, style }),
      () => svg("rect", { x: x - r - 1, y: y - 1.6, width: 2 * r + 2, height: 3.2, style }),
    ];
    const made = shapes[place % shapes.length]();
    if (title) made.append(title);
    return made;
  }

  // What the marks stand for.
  function legend(series, reference) {
    if (series.length < 2 && !reference) return null;
    const sample = (drawn) => svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" }, drawn);
    return el("div", { class: "legend" },
      series.map((one, place) => el("span", {}, sample(mark(place, 14, 5)), otoscope.data_text(one.label))),
      reference ? el("span", {}, sample(svg("line", { class: "reference", x1: 0, x2: 28, y1: 5, y2: 5 })), reference.label) : null);
  }

  // A figure that is drawn anew when its width changes.
  const figure = (title, draw, below) =>
    el("figure", { class: "chart values" }, el("figcaption", {}, otoscope.data_text(title)), otoscope.draw_at_width(el("div", { class: "plot" }), draw), below);

  // The numbers of a chart, as a table that opens.
  function numbers(table) {
    const details = el("details", {}, el("summary", {}, "The numbers"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(tables.table(table()));
    });
    return details;
  }

  // A text of so many letters at most; what is left out is in its middle, since names differ at their ends.
  function short(text, letters) {
    const all = Array.from(String(text)), kept = Math.max(2, letters - 1);
    return all.length <= letters ? all.join("") : `${all.slice(0, Math.ceil(kept / 2)).join("")}…${all.slice(-Math.floor(kept / 2)).join("")}`;
  }

  // The name of an axis beneath it, inside the picture however long it is.
  function axis_name(text, left, right, width, y) {
    const shown = short(text, Math.floor(width / 6.3)), is_wide = shown.length * 6.3 > right - left;
    return svg("text", { class: "tick", x: is_wide ? width - 2 : (left + right) / 2, y, "text-anchor": is_wide ? "end" : "middle" }, shown);
  }

  const ends = (one) => (one && is_number(one.value) ? [one.value, is_number(one.low) ? one.low : one.value, is_number(one.high) ? one.high : one.value] : []);

  // An empty picture that tells what it is of.
  const picture_of = (width, height, told) =>
    svg("svg", { width, height, role: "img", "aria-label": `${told} The numbers are in the table below.` });

  // Lines at round numbers, each with its number: upright and numbered beneath, level and numbered at the left.
  const rules_down = (ticks, x, top, bottom, text) => ticks.flatMap((at) => [
    svg("line", { class: "rule", x1: x(at), x2: x(at), y1: top, y2: bottom }),
    svg("text", { class: "tick", x: x(at), y: bottom + 14, "text-anchor": "middle" }, text(at))]);
  const rules_across = (ticks, y, left, right, text) => ticks.flatMap((at) => [
    svg("line", { class: "rule", x1: left, x2: right, y1: y(at), y2: y(at) }),
    svg("text", { class: "tick", x: left - 6, y: y(at) + 4, "text-anchor": "end" }, text(at))]);

  // From where to where an axis goes, with some room at both ends.
  function room_around(values, share) {
    const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * share;
    return [low - room, high + room];
  }

  // Values with whiskers (or bars from zero), one row a label, several series beside one another.
  tables.values = (wish) => {
    const { title, labels, x_label, y_label = "", series, reference = null, unit = "share", range = null, bars = false } = wish;
    const has_reference = reference && is_number(reference.value);
    const all = [...series.flatMap((one) => one.values.flatMap(ends)), ...(has_reference ? [reference.value] : []), ...(bars ? [0] : [])];
    if (!all.length) return el("p", { class: "none" }, `${title}: there are no numbers.`);
    let [low, high] = range || room_around(all, 0.06);
    if (!range && bars && Math.min(...all) >= 0) low = 0;
    const told = (at, one) => svg("title", {}, `${labels[at]}, ${one.label}: ${otoscope.interval(one.values[at], unit)}`);
    const draw = (width) => {
      const longest = Math.max(...labels.map((label) => Array.from(String(label)).length));
      const left = Math.floor(Math.min(width * 0.42, 340, Math.max(40, longest * 6.9 + 14))), right = 14, lane = bars ? 16 : 15, gap = 9;
      const tall = series.length * lane + gap, bottom = labels.length * tall + 4, letters = Math.floor((left - 8) / 6.8);
      const x = (value) => left + (Math.min(high, Math.max(low, value)) - low) / (high - low) * (width - left - right);
      const picture = picture_of(width, bottom + 40, `${title}. ${x_label}, for each of ${labels.length} rows.`);
      const ticks = otoscope.ticks(low, high, Math.max(3, Math.floor((width - left) / 80)));
      picture.append(...rules_down(ticks, x, 0, bottom, write(unit)), axis_name(x_label, left, width - right, width, bottom + 33));
      if (has_reference) {
        const at = x(reference.value), name = `${reference.label}: ${write(unit)(reference.value)}`;
        picture.append(svg("line", { class: "reference", x1: at, x2: at, y1: 0, y2: bottom }, svg("title", {}, name)));
      }
      labels.forEach((label, at) => {
        const top = at * tall + gap / 2, middle = top + series.length * lane / 2 + 4;
        picture.append(svg("text", { class: "label", x: left - 8, y: middle, "text-anchor": "end" }, short(label, letters), svg("title", {}, String(label))));
        series.forEach((one, place) => {
          const found = one.values[at], y = top + (place + 0.5) * lane;
          if (!found || !is_number(found.value)) return;
          const colour = `var(${otoscope.colour(place)})`;
          if (bars) {
            const from = Math.min(x(0), x(found.value)), long = Math.abs(x(found.value) - x(0));
            picture.append(svg("rect", { x: from, y: y - lane / 2 + 2, width: long, height: lane - 4, style: { fill: colour } }, told(at, one)));
          }
          if (is_number(found.low) && is_number(found.high)) {
            const style = { stroke: bars ? "var(--ink)" : colour, "stroke-width": "2.5" };
            picture.append(svg("line", { x1: x(found.low), x2: x(found.high), y1: y, y2: y, style }, told(at, one)));
          }
          if (!bars) picture.append(mark(place, x(found.value), y, told(at, one)));
        });
      });
      return picture;
    };
    const columns = [{ label: y_label, render: (row) => otoscope.data_text(row.label) },
      ...series.map((one) => ({ label: one.label, numeric: true, render: (row) => otoscope.interval(one.values[row.at], unit) }))];
    const table = () => ({ caption: title, columns, rows: labels.map((label, at) => ({ label, at })) });
    return figure(title, draw, [legend(series, reference), numbers(table)]);
  };

  // Points in a plane, with whiskers upwards where there are intervals; `is_line` joins them from left to right, `x_ticks`
  // are on a scale of logarithms, and `reference` is a value of x with its label.
  tables.points = ({ title, x_label, y_label, series, y_unit = "share", is_line = false, x_ticks = null, reference = null }) => {
    const is_there = (one) => is_number(one.x) && is_number(one.y.value);
    const points = series.flatMap((one) => one.points).filter(is_there);
    if (!points.length) return el("p", { class: "none" }, `${title}: there are no numbers.`);
    const scaled = x_ticks ? Math.log : (value) => value;
    const [x0, x1] = room_around(points.map((one) => scaled(one.x)), 0.08), [y0, y1] = room_around(points.flatMap((one) => ends(one.y)), 0.08);
    const draw = (width) => {
      const left = 52, right = 12, bottom = 250, top = 8;
      const x = (value) => left + (scaled(value) - x0) / (x1 - x0) * (width - left - right), y = (value) => bottom - (value - y0) / (y1 - y0) * (bottom - top);
      const picture = picture_of(width, bottom + 40, `${title}. ${y_label} against ${x_label}.`);
      picture.append(...rules_down(x_ticks || otoscope.ticks(x0, x1, Math.floor(width / 90)), x, top, bottom, (at) => otoscope.number(at)),
        ...rules_across(otoscope.ticks(y0, y1, 5), y, left, width - right, write(y_unit)), axis_name(x_label, left, width - right, width, bottom + 33));
      if (reference) picture.append(svg("line", { class: "reference", x1: x(reference.value), x2: x(reference.value), y1: top, y2: bottom }, svg("title", {}, reference.label)));
      series.forEach((one, place) => {
        const own = one.points.filter(is_there).sort((a, b) => a.x - b.x), stroke = `var(${otoscope.colour(place)})`;
        const style = { fill: "none", stroke, "stroke-width": "1.5" };
        if (is_line && own.length > 1) picture.append(svg("path", { d: own.map((point, at) => `${at ? "L" : "M"}${x(point.x)} ${y(point.y.value)}`).join(""), style }));
        for (const point of own) {
          if (is_number(point.y.low) && is_number(point.y.high)) {
            picture.append(svg("line", { x1: x(point.x), x2: x(point.x), y1: y(point.y.low), y2: y(point.y.high), style }));
          }
          const name = `${one.label}, ${point.name}: ${x_label} ${otoscope.number(point.x)}, ${y_label} ${otoscope.interval(point.y, y_unit)}`;
          picture.append(mark(place, x(point.x), y(point.y.value), svg("title", {}, name)));
        }
      });
      return picture;
    };
    const columns = [
      { label: "Series", render: (row) => otoscope.data_text(row.label) }, { label: "Point", render: (row) => otoscope.data_text(row.name) },
      { label: x_label, numeric: true, render: (row) => otoscope.number(row.x) },
      { label: y_label, numeric: true, render: (row) => otoscope.interval(row.y, y_unit) }];
    const table = () => ({ caption: title, columns, rows: series.flatMap((one) => one.points.map((point) => ({ label: one.label, ...point }))) });
    return figure(title, draw, [el("p", { class: "hint" }, `Upwards: ${y_label}.`), legend(series, reference), numbers(table)]);
  };
})();
