/* Overview: one sentence, a relevance map and features to play; then every finding of the three claims, with its number. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg, is_number } = otoscope;
  const UNTESTED = ["○", "none"];
  const SIGNS = new Map([["holds", ["✓", "good"]], ["holds in part", ["◐", "warn"]], ["does not hold", ["✗", "bad"]], ["undecided", ["?", "warn"]], ["not tested", UNTESTED]]);
  const MOST_PROBLEMS = 20;
  const SUFFIXES = new Map([["bits", " bits"], ["frames", " frames"]]);
  const AXES = new Map([["share", "share"], ["rate", "word error rate"], ["bits", "bits"], ["distance", "distance, 0 the same"],
    ["frames", "frames"], ["count", "count"], ["difference", "difference"]]);
  const PAGES = [
    ["listening", "Listening", "recording", "hear where each word came from, limit the attention, remove words"],
    ["features", "Features", "feature", "search them, and hear what activates each of them"],
    ["phones", "Phones", "site", "where each phone can be read, and what detects it"],
    ["dictionaries", "Dictionaries", "dictionary", "their training, and their scores beside baselines"],
    ["decoder", "Decoder", "experiment", "what it says without speech"],
  ];
  const isShare = (unit) => unit === "share" || unit === "rate";

  // One number, and a value with its interval, in the unit of their finding.
  function written(x, unit) {
    if (!isShare(unit)) return `${otoscope.number(x)}${is_number(x) ? SUFFIXES.get(unit) ?? "" : ""}`;
    return is_number(x) && x > 0 && x < 0.0005 ? `${otoscope.number(100 * x, 1)}%` : otoscope.percent(x, 1);
  }
  function interval(found, unit) {
    if (!found || !is_number(found.value)) return "–";
    if (!is_number(found.low) || !is_number(found.high)) return written(found.value, unit);
    const bound = (x) => (isShare(unit) ? written(x, unit) : otoscope.number(x));
    return `${written(found.value, unit)} (${bound(found.low)} to ${bound(found.high)})`;
  }

  // What holds, in a word and a sign.
  function verdict(word, large) {
    const [sign, kind] = SIGNS.get(word) ?? UNTESTED;
    return el("span", { class: `verdict ${kind}${large ? " large" : ""}` }, el("span", { "aria-hidden": "true" }, sign), ` ${word}`);
  }

  // What came out of a finding; older studies tell whether it holds, and know nothing undecided.
  const outcome = ({ outcome: told, holds }) => told ?? (holds === true ? "holds" : holds === false ? "does not hold" : "not tested");

  // How many findings of a claim hold, and how many were left open.
  function counted(findings) {
    const n = (word) => findings.filter((one) => outcome(one) === word).length, open = n("undecided"), untested = n("not tested");
    const all = findings.length, held = n("holds");
    return [`${held} of ${otoscope.count(all, "finding")} ${held === 1 || all === 1 ? "holds" : "hold"}`,
      open ? `${open} undecided` : null, untested ? `${untested} not tested` : null].filter(Boolean).join(", ");
  }

  // The verdict of a claim, with the findings that it rests on.
  const judged = (found) => el("span", { class: "judged" }, verdict(found.verdict, true), el("span", { class: "hint" }, counted(found.findings || [])));

  // The end of an axis: the next round number, all of it for shares above a half.
  function end(most, unit) {
    if (isShare(unit) && most > 0.5 && most <= 1) return 1;
    const power = 10 ** Math.floor(Math.log10(Math.max(most, 1e-9)));
    return [1, 2, 5, 10].map((step) => step * power).find((one) => one >= most * 1.0001);
  }

  // A finding as a dot with its interval, its baseline as an open diamond, from 0 on.
  function dots(finding) {
    const base = finding.baseline || {}, unit = finding.unit;
    const numbers = [finding.value, finding.low, finding.high, base.value, base.low, base.high].filter(is_number);
    const low = Math.min(0, ...numbers), high = end(Math.max(...numbers, 1e-6), unit), ticks = [low, (low + high) / 2, high];
    const label = `${interval(finding, unit)}${base.name ? `; ${base.name}: ${interval(base, unit)}` : ""}`;
    const text = (x) => (isShare(unit) ? `${otoscope.number(100 * x)}%` : otoscope.number(x));
    const draw = (width) => {
      const at = (x) => 8 + (width - 16) * (x - low) / (high - low);
      const bar = (from, to, y, look) => (is_number(from) && is_number(to)
        ? svg("path", { d: `M${at(from)} ${y}H${at(to)}M${at(from)} ${y - 4}v8M${at(to)} ${y - 4}v8`, class: look }) : null);
      return svg("svg", { class: "dots", width, height: 72, role: "img", "aria-label": label },
        ticks.map((x) => svg("path", { d: `M${at(x)} 2V38`, class: "guide" })), svg("path", { d: `M8 38H${width - 8}`, class: "axis" }),
        bar(base.low, base.high, 27, "base"),
        is_number(base.value) ? svg("path", { d: `M${at(base.value)} 21l6 6l-6 6l-6 -6z`, class: "base mark" }) : null,
        bar(finding.low, finding.high, 11, "found"),
        svg("circle", { cx: at(finding.value), cy: 11, r: 5, class: "found mark" }),
        ticks.map((x, place) => svg("text", { x: at(x), y: 52, "text-anchor": ["start", "middle", "end"][place], class: "tick" }, text(x))),
        svg("text", { x: width / 2, y: 67, "text-anchor": "middle", class: "tick" }, AXES.get(unit) ?? ""));
    };
    return otoscope.draw_at_width(el("div", { class: "drawing" }), draw);
  }

  // The figures of a finding in words, beside its drawing.
  function figures(finding) {
    const base = finding.baseline || {};
    const mark = (sign, look) => el("span", { class: look, "aria-hidden": "true" }, `${sign} `);
    return el("p", { class: "hint" }, mark("●", "is-found"), interval(finding, finding.unit),
      finding.n ? [", of ", otoscope.number(finding.n, 9), " ", otoscope.data_text(finding.n_of || "")] : null,
      base.name ? [el("br"), mark("◇", "is-base"), otoscope.data_text(base.name), `: ${interval(base, finding.unit)}`] : null);
  }

  // One finding of a claim.
  function one(finding) {
    return el("li", { class: "finding" },
      el("div", { class: "words" }, el("p", { class: "outcome" }, verdict(outcome(finding))),
        el("h3", {}, otoscope.data_text(finding.question)), el("p", {}, otoscope.data_text(finding.words)),
        finding.needs ? el("p", { class: "needs" }, "To decide this, the study needs ", otoscope.data_text(finding.needs), ".") : null,
        finding.rule ? el("p", { class: "hint" }, otoscope.data_text(`It ${finding.rule}.`)) : null),
      is_number(finding.value) ? el("div", { class: "figure" }, dots(finding), figures(finding),
        finding.page ? el("a", { href: finding.page, "aria-label": `Look closer: ${finding.question}` }, "Look closer") : null) : null);
  }

  // The pictures of a claim, to download: the page draws their numbers itself.
  function pictures(findings) {
    const found = new Map(findings.flatMap((finding) => (finding.pictures || []).map((picture) => [picture.file, picture.alt])));
    if (!found.size) return null;
    return el("p", { class: "hint" }, "Pictures to download: ", [...found].map(([file, alt], place) =>
      [place ? "; " : "", el("a", { href: otoscope.file(file), target: "_blank", rel: "noopener" }, otoscope.data_text(alt))]), ".");
  }

  // A claim: its verdict, findings and pictures.
  function claim(found) {
    const findings = found.findings || [];
    const columns = [
      { label: "Finding", render: (row) => otoscope.data_text(row.question) },
      { label: "Value (95% interval)", numeric: true, render: (row) => interval(row, row.unit) },
      { label: "Baseline (95% interval)",
        render: (row) => (row.baseline && row.baseline.name ? [otoscope.data_text(row.baseline.name), ` ${interval(row.baseline, row.unit)}`] : "–") },
      { label: "Unit", render: (row) => (is_number(row.value) ? AXES.get(row.unit) ?? "–" : "–") },
      { label: "n", numeric: true, render: (row) => (row.n ? [otoscope.number(row.n, 9), " ", otoscope.data_text(row.n_of || "")] : "–") },
      { label: "Outcome", render: (row) => verdict(outcome(row)) },
      { label: "What would decide it", render: (row) => (row.needs ? otoscope.data_text(row.needs) : "–") },
    ];
    return otoscope.section(found.id, found.title,
      judged(found),
      el("ul", { class: "findings" }, findings.map(one)),
      el("details", {}, el("summary", {}, "All figures as a table"), otoscope.table({ caption: found.title, columns, rows: findings })),
      pictures(findings));
  }

  // The three verdicts at a glance, each with what was found and what was not.
  const glance = (claims) => el("div", { class: "grid glance" }, claims.map((found) =>
    el("a", { class: "card", href: `#${found.id}` }, judged(found), el("strong", {}, otoscope.data_text(found.title)),
      el("span", { class: "marks" }, (found.findings || []).map((finding) => {
        const [sign, kind] = SIGNS.get(outcome(finding)) ?? UNTESTED;
        return el("span", { class: "mark-row" }, el("span", { class: `verdict ${kind}`, "aria-hidden": "true" }, sign),
          el("span", {}, el("span", { class: "visually-hidden" }, `${outcome(finding)}: `), otoscope.data_text(finding.short || finding.question)),
          is_number(finding.value) ? el("span", { class: "pair" }, written(finding.value, finding.unit),
            is_number(finding.baseline?.value) ? el("span", { class: "is-base" }, ` ◇ ${written(finding.baseline.value, finding.unit)}`) : null) : null);
      })))));

  const legend = () => el("p", { class: "hint legend" }, el("span", { class: "is-found" }, "●"), " what was found, ",
    el("span", { class: "is-base" }, "◇"), " the baseline that it is compared with; bars are 95% intervals.");

  // What was studied, in a line.
  function studied({ study, corpus: name, wer }) {
    const corpus = study.corpus || {};
    const groups = (corpus.groups || []).map((group) => ["; ", otoscope.data_text(group.name), ` ${interval(group.wer, "rate")}`]);
    return el("p", { class: "hint studied" }, "Measured on ", otoscope.data_text(name), `: ${otoscope.count(corpus.n_clips ?? 0, "clip")}, ${otoscope.number((corpus.hours ?? 0) * 60)} minutes, `,
      otoscope.count(corpus.n_speakers ?? 0, "known speaker"), wer ? [`. Word error rate: ${interval(wer, "rate")}`, groups] : null,
      study.preset === "quick" ? ". Made with --quick: small samples, wide intervals" : null,
      ". ", el("a", { href: "methods.html" }, "Model, settings, weights and how to reproduce it"), ".");
  }

  // ---- the first screen ----------------------------------------------------------------------------------------

  // How far the interval of a finding lies from that of its baseline.
  function gap({ value, low, high, baseline }) {
    const from = [baseline.low ?? baseline.value, baseline.high ?? baseline.value];
    return value > baseline.value ? low - from[1] : from[0] - high;
  }

  // What was found most clearly: of the core findings that hold, an estimate of a share, the farthest from its baseline.
  function clearest(claims) {
    const held = claims.flatMap((found) => found.findings || []).filter((one) => outcome(one) === "holds" && one.is_core !== false
      && one.unit === "share" && [one.value, one.low, one.high, one.baseline?.value].every(is_number));
    return held.sort((a, b) => gap(b) - gap(a))[0] ?? null;
  }

  // One sentence of what was found in this model, with its number.
  function sentence({ claims, model }) {
    const found = clearest(claims), all = claims.flatMap((one) => one.findings || []);
    if (!all.length) return el("p", { class: "none" }, "This study holds no verdicts.");
    if (!found) return el("p", { class: "sentence" }, "In ", otoscope.data_text(model), `, ${counted(all)}.`);
    return el("p", { class: "sentence" }, "In ", otoscope.data_text(model), ", ", otoscope.data_text(found.short || found.question), ": ",
      el("strong", {}, written(found.value, found.unit)), found.n ? [` of ${otoscope.number(found.n, 9)} `, otoscope.data_text(found.n_of || "")] : null,
      ` (95% interval ${written(found.low, found.unit)} to ${written(found.high, found.unit)}), against `, el("strong", {}, written(found.baseline.value, found.unit)), " for ", otoscope.data_text(found.baseline.name), ".");
  }

  // The cells of the map in the colours of the theme.
  function painted(canvas, map) {
    const values = otoscope.decode(map.values), context = canvas.getContext("2d"), image = context.createImageData(map.n, map.n);
    const channels = (name) => { context.fillStyle = otoscope.css(name); context.fillRect(0, 0, 1, 1); return context.getImageData(0, 0, 1, 1).data; };
    const paper = [...channels("--card")], ink = [...channels("--c1")];
    values.forEach((value, at) => {
      for (let part = 0; part < 3; part += 1) image.data[4 * at + part] = paper[part] + (ink[part] - paper[part]) * value / 255;
      image.data[4 * at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  // The relevance map: what each frame listens to, its axes in seconds.
  function relevance(map, pages) {
    if (!map) return null;
    const told = `Relevance map of ${map.clip}: a row for each frame that listens, a column for each frame it listens to, 0 to ${otoscope.seconds(map.seconds)}.`;
    const canvas = el("canvas", { width: map.n, height: map.n, role: "img", "aria-label": told });
    painted(canvas, map);
    otoscope.on_theme(() => painted(canvas, map));
    const at = (time) => `${(100 * time / map.seconds).toFixed(2)}%`;
    const ticks = otoscope.ticks(0, map.seconds * 0.94, 5), edge = (side) => el("div", { class: side, "aria-hidden": "true" },
      ticks.map((time) => el("span", { style: { [side === "across" ? "left" : "top"]: at(time) } }, `${otoscope.number(time)} s`)));
    const ends = is_number(map.speech_end_s) && map.speech_end_s < map.seconds
      ? ["left", "top"].map((side) => el("span", { class: `end from-${side}`, style: { [side]: at(map.speech_end_s) } })) : null;
    return el("section", { class: "heard-map", "aria-labelledby": "map-title" }, el("h2", { id: "map-title" }, "Which frames each frame listens to"),
      el("div", { class: "map" }, edge("across"), edge("down"), el("div", { class: "cells" }, canvas, ends)),
      el("p", { class: "hint" }, "Down: the frame that listens. Across: the frame it listens to; the stronger the blue, the more. ",
        is_number(map.near) && is_number(map.even) ? `In this clip ${otoscope.percent(map.near)} comes from within 0.5 s; spread evenly it would be ${otoscope.percent(map.even)}. ` : null,
        ends ? "Dotted: speech ends. " : null, pages.listening ? el("a", { href: "listening.html" }, "Listen to recordings") : null));
  }

  // Features to hear, each with its strongest examples.
  function play({ features, n_named: n_named, n }) {
    if (!features.length) return null;
    const row = (one) => el("li", { class: "to-play" },
      el("div", {}, el("span", { class: "tag phone" }, otoscope.data_text(one.name)), " ",
        el("a", { href: otoscope.feature_href(one.site, one.basis, one.feature) }, otoscope.data_text(otoscope.feature_name(one.site, one.basis, one.feature))),
        el("span", { class: "hint" }, ` AUROC ${otoscope.number(one.auroc, 2)}${one.is_named ? ", detects it" : ""}`)),
      el("div", { class: "row" }, one.examples.map((example) => otoscope.player.button({
        label: example.word === null ? "a moment" : otoscope.data_text(example.word), title: `Play ${otoscope.number(example.stop_s - example.start_s, 2)} s of ${example.clip}`,
        file: `sounds/${example.piece}.ogg`, start_s: example.start_s, stop_s: example.stop_s,
      }))));
    return el("section", { class: "play-list", "aria-labelledby": "play-title" }, el("h2", { id: "play-title" }, otoscope.count(features.length, "feature"), " to hear"),
      el("ul", {}, features.map(row)),
      el("p", { class: "hint" }, `The phone that each responds to best, and its strongest moments. Chosen as the best of ${otoscope.count(n, "feature")}; AUROC on held-out clips, 0.5 is chance. `,
        `${otoscope.count(n_named, "feature")} ${n_named === 1 ? "detects" : "detect"} one sound by the study's rule. `, el("a", { href: "features.html" }, "All features"), "."));
  }

  // The way to the other pages that have something to show.
  function further(pages) {
    const there = PAGES.filter(([name]) => pages && pages[name]);
    if (!there.length) return null;
    return otoscope.section("pages", "Look and listen", el("ul", { class: "grid further" }, there.map(([name, title, noun, what]) =>
      el("li", {}, el("a", { href: `${name}.html` }, title), ` (${otoscope.count(pages[name], noun)}): ${what}.`))));
  }

  // What is missing, and why.
  function missing(record) {
    const out = record.parts.filter((part) => part.state !== "done"), more = record.problems.length - MOST_PROBLEMS;
    if (!out.length && !record.problems.length) return null;
    return otoscope.section("missing", "What is missing",
      el("ul", {}, out.map((part) => el("li", {}, el("strong", {}, otoscope.data_text(part.name)), ` (${part.state}): `, otoscope.data_text(part.why))),
        record.problems.slice(0, MOST_PROBLEMS).map((problem) => el("li", {}, otoscope.data_text(problem.clip), ": ", otoscope.data_text(problem.message))),
        more > 0 ? el("li", {}, `and ${otoscope.count(more, "more problem")}: `, el("a", { href: "methods.html#problems" }, "all of them")) : null));
  }

  otoscope.page({
    name: "index",
    title: "Inside a Whisper",
    render: async (main) => {
      const record = await otoscope.data("overview"), { claims } = record;
      main.querySelector("h1").replaceChildren("Inside ", otoscope.data_text(record.model));
      const first = [relevance(record.map, record.pages), play(record.play)].filter(Boolean);
      main.append(...[
        sentence(record), first.length ? el("div", { class: "first" }, first) : null, claims.length ? el("h2", {}, "Three claims, tested") : null,
        claims.length ? glance(claims) : null, studied(record), claims.length ? legend() : null, ...claims.map(claim), further(record.pages), missing(record),
      ].filter(Boolean));
    },
  });
})();
