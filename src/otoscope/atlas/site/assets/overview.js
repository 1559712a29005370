/* Overview: what was studied, whether the three claims hold, and how to make it again. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const SIGNS = { "holds": ["✓", "good"], "holds in part": ["◐", "warn"], "does not hold": ["✗", "bad"], "not tested": ["○", "none"] };
  const MOST_PICTURES = 3;
  const isShare = (unit) => unit === "share" || unit === "rate";

  // One number in the unit of its finding.
  const written = (x, unit) => (isShare(unit) ? otoscope.percent(x, 1) : otoscope.number(x));

  // What holds, in a word and a sign.
  function verdict(word, large) {
    const [sign, kind] = SIGNS[word] || SIGNS["not tested"];
    return el("span", { class: `verdict ${kind}${large ? " large" : ""}` }, el("span", { "aria-hidden": "true" }, sign), ` ${word}`);
  }

  const outcome = (holds) => (holds === true ? "holds" : holds === false ? "does not hold" : "not tested");

  // A finding as a dot with its interval, its baseline as an open diamond, on a scale of its own.
  function dots(finding) {
    const base = finding.baseline || {};
    const numbers = [finding.value, finding.low, finding.high, base.value, base.low, base.high].filter((x) => typeof x === "number");
    if (!numbers.length) return null;
    const low = Math.min(0, ...numbers), high = isShare(finding.unit) && Math.max(...numbers) <= 1 ? 1 : Math.max(...numbers, low + 1e-9) * 1.05;
    const at = (x) => 8 + 284 * (x - low) / (high - low);
    const bar = (a, b, y, style) => (typeof a === "number" && typeof b === "number" ? svg("line", { x1: at(a), x2: at(b), y1: y, y2: y, style }) : null);
    const label = `${written(finding.value, finding.unit)}${base.name ? `; ${base.name} ${written(base.value, finding.unit)}` : ""}`;
    return svg("svg", { class: "dots", viewBox: "0 0 300 44", role: "img", "aria-label": label },
      svg("line", { x1: 8, x2: 292, y1: 30, y2: 30, style: { stroke: "var(--line)" } }),
      [low, (low + high) / 2, high].map((x) => svg("text", { x: at(x), y: 42, "text-anchor": x === low ? "start" : x === high ? "end" : "middle", class: "tick" }, written(x, finding.unit))),
      bar(base.low, base.high, 22, { stroke: "var(--c2)", "stroke-width": "2", "stroke-dasharray": "3 2" }),
      typeof base.value === "number" ? svg("path", { d: `M${at(base.value)} 16l6 6l-6 6l-6 -6z`, style: { fill: "var(--card)", stroke: "var(--c2)", "stroke-width": "2" } }) : null,
      bar(finding.low, finding.high, 12, { stroke: "var(--c1)", "stroke-width": "3" }),
      typeof finding.value === "number" ? svg("circle", { cx: at(finding.value), cy: 12, r: 5, style: { fill: "var(--c1)" } }) : null);
  }

  // One finding of a claim.
  function one(finding) {
    const base = finding.baseline || {};
    return el("li", { class: "finding" },
      el("div", { class: "words" }, el("h3", {}, otoscope.data_text(finding.question)), verdict(outcome(finding.holds)), el("p", {}, otoscope.data_text(finding.words)), el("p", { class: "hint" }, otoscope.data_text(finding.rule))),
      el("div", { class: "figure" }, dots(finding),
        el("p", { class: "hint" }, `● ${otoscope.interval(finding, finding.unit)}`, finding.n ? `, of ${Number(finding.n).toLocaleString("en")} ${finding.n_of || ""}` : "", base.name ? el("br") : null, base.name ? [`◇ `, otoscope.data_text(base.name), `: ${otoscope.interval(base, finding.unit)}`] : null),
        finding.page ? el("a", { href: finding.page }, "Look closer") : null));
  }

  // A claim: its verdict, findings and pictures.
  function claim(found) {
    const seen = new Set();
    const pictures = found.findings.flatMap((finding) => finding.pictures || []).filter((picture) => !seen.has(picture.file) && seen.add(picture.file)).slice(0, MOST_PICTURES);
    const columns = [
      { label: "Finding", render: (row) => otoscope.data_text(row.question) },
      { label: "Value (95% interval)", numeric: true, render: (row) => otoscope.interval(row, row.unit) },
      { label: "Baseline", render: (row) => (row.baseline && row.baseline.name ? el("span", {}, otoscope.data_text(row.baseline.name), ` ${otoscope.interval(row.baseline, row.unit)}`) : "–") },
      { label: "n", numeric: true, render: (row) => (row.n ? `${Number(row.n).toLocaleString("en")} ${row.n_of || ""}` : "–") },
      { label: "Holds", render: (row) => outcome(row.holds) },
    ];
    return otoscope.section(found.id, found.title,
      el("p", { class: "judged" }, verdict(found.verdict, true), " ", otoscope.data_text(found.sentence)),
      el("ul", { class: "findings" }, found.findings.map(one)),
      el("details", {}, el("summary", {}, "All figures as a table"), otoscope.table({ caption: found.title, columns, rows: found.findings })),
      pictures.length ? el("div", { class: "grid pictures" }, pictures.map((picture) => otoscope.picture(picture.file, picture.alt))) : null);
  }

  // The three verdicts at a glance.
  const glance = (claims) => el("div", { class: "grid glance" }, claims.map((found) =>
    el("a", { class: "card", href: `#${found.id}` }, verdict(found.verdict, true), el("strong", {}, otoscope.data_text(found.title)), el("span", { class: "hint" }, otoscope.data_text(found.sentence)))));

  // What it is of, as a list of facts.
  function facts({ study }) {
    const model = study.model || {}, corpus = study.corpus || {};
    const rows = [
      ["Model", [otoscope.data_text(model.id), ` (${model.n_encoder_blocks} encoder and ${model.n_decoder_blocks} decoder blocks, width ${model.d_model}, window ${otoscope.number(model.window_s)} s)`]],
      ["Weights", el("code", {}, otoscope.data_text(model.weights_hash))],
      ["Corpus", [otoscope.data_text(corpus.name), `: ${otoscope.count(corpus.n_clips ?? 0, "clip")}, ${otoscope.number((corpus.hours ?? 0) * 60)} minutes, ${otoscope.count(corpus.n_speakers ?? 0, "known speaker")}`]],
      ["Languages", otoscope.data_text((corpus.languages || []).join(", ") || "not told")],
      ["Labels", ["transcripts", "words", "phones"].filter((kind) => corpus[`has_${kind}`]).join(", ") || "none"],
      ["Made", [`by otoscope ${study.otoscope} on ${String(study.created || "").slice(0, 10)}, in ${otoscope.number(study.minutes)} minutes`]],
    ];
    return el("dl", { class: "facts" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  }

  // What is not here, and why.
  function missing(record) {
    const out = record.parts.filter((part) => part.state !== "done");
    if (!out.length && !record.problems.length) return null;
    return otoscope.section("missing", "What is not here",
      el("ul", {}, out.map((part) => el("li", {}, el("strong", {}, otoscope.data_text(part.name)), ` (${part.state}): `, otoscope.data_text(part.why))),
        record.problems.slice(0, 20).map((problem) => el("li", {}, otoscope.data_text(problem.clip), ": ", otoscope.data_text(problem.message)))));
  }

  otoscope.page({
    name: "index",
    title: "Inside a Whisper",
    render: async (main) => {
      const record = await otoscope.data("overview");
      main.querySelector("h1").replaceChildren("Inside ", otoscope.data_text((record.study.model || {}).id), " on ", otoscope.data_text((record.study.corpus || {}).name));
      main.append(
        el("p", { class: "lead" }, "Which sound each part of this Whisper hears, how far each part listens, and what the decoder would say with no sound at all: three claims, measured."),
        record.claims.length ? glance(record.claims) : el("p", { class: "none" }, "This study holds no verdicts."), facts(record), ...record.claims.map(claim),
        otoscope.section("again", "How it was made, and how to make it again", el("pre", { tabindex: "0" }, otoscope.data_text(record.command)),
          record.settings ? el("details", {}, el("summary", {}, "Every setting (study.toml)"), el("pre", { tabindex: "0" }, otoscope.data_text(record.settings))) : null,
          el("p", {}, "Save the settings as study.toml and run ", el("code", {}, "otoscope study CORPUS --settings study.toml --out DIR"), ". ", el("a", { href: "methods.html" }, "All settings, versions and tables"), ".")),
        otoscope.section("cite", "How to cite", el("pre", { tabindex: "0" }, otoscope.data_text(record.cite))),
        missing(record) || "");
    },
  });
})();
