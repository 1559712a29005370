/* Overview: what was studied, whether the three claims hold, and how to make it again. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg, is_number } = otoscope;
  const UNTESTED = ["○", "none"];
  const SIGNS = new Map([["holds", ["✓", "good"]], ["holds in part", ["◐", "warn"]], ["does not hold", ["✗", "bad"]], ["undecided", ["?", "warn"]], ["not tested", UNTESTED]]);
  const MOST_PICTURES = 6, MOST_PROBLEMS = 20;
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

  // The verdict of a claim, with how many of its findings it rests on; older studies do not tell that.
  const judged = (found) => el("span", { class: "judged" }, verdict(found.verdict, true),
    is_number(found.n_tested) && is_number(found.n_findings)
      ? el("span", { class: "hint" }, `${found.n_tested} of ${otoscope.count(found.n_findings, "finding")} tested`) : null);

  // What came out of a finding; older studies tell whether it holds, and know nothing undecided.
  const outcome = ({ outcome: told, holds }) => told ?? (holds === true ? "holds" : holds === false ? "does not hold" : "not tested");

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

  // The pictures of a claim: one of each finding first, each with the way to its page.
  function pictures(findings) {
    const seen = new Set();
    const found = findings.flatMap((finding) => (finding.pictures || []).map((picture) => ({ ...picture, page: finding.page })))
      .filter((picture) => !seen.has(picture.file) && seen.add(picture.file)).slice(0, MOST_PICTURES);
    if (!found.length) return null;
    return el("div", { class: "grid pictures" }, found.map((picture) => {
      const figure = otoscope.picture(picture.file, picture.alt);
      if (picture.page) figure.querySelector("figcaption").append(" ", el("a", { href: picture.page, "aria-label": `More on: ${picture.alt}` }, "More"));
      return figure;
    }));
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
      judged(found), el("p", {}, otoscope.data_text(found.sentence)),
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
          el("span", {}, el("span", { class: "visually-hidden" }, `${outcome(finding)}: `), otoscope.data_text(finding.short || finding.question)));
      })))));

  const legend = () => el("p", { class: "hint legend" }, el("span", { class: "is-found" }, "●"), " the finding, ",
    el("span", { class: "is-base" }, "◇"), " the baseline that it is compared with; bars are 95% intervals.");

  // What it is of, as a list of facts.
  function facts({ study, wer }) {
    const model = study.model || {}, corpus = study.corpus || {};
    const groups = (corpus.groups || []).map((group) => [el("br"), otoscope.data_text(group.name), `: ${interval(group.wer, "rate")}, ${otoscope.count(group.n_clips, "clip")}`]);
    const shape = `${model.n_encoder_blocks} encoder and ${model.n_decoder_blocks} decoder blocks, width ${model.d_model}, window ${otoscope.number(model.window_s)} s`;
    const size = [otoscope.count(corpus.n_clips ?? 0, "clip"), `${otoscope.number((corpus.hours ?? 0) * 60)} minutes`, otoscope.count(corpus.n_speakers ?? 0, "known speaker")];
    const rows = [
      ["Model", [otoscope.data_text(model.id), ` (${shape})`]],
      ["Weights", el("code", {}, otoscope.data_text(model.weights_hash))],
      ["Corpus", [otoscope.data_text(corpus.name), `: ${size.join(", ")}`]],
      ["Languages", otoscope.data_text((corpus.languages || []).join(", ") || "not known")],
      ["Labels", ["transcripts", "words", "phones"].filter((kind) => corpus[`has_${kind}`]).join(", ") || "none"],
      wer ? ["Word error rate", [interval(wer, "rate"), wer.n ? `, ${otoscope.count(wer.n, "clip")}` : null, groups]] : null,
      ["Made", [`by otoscope ${study.otoscope} on ${String(study.created || "").slice(0, 10)}, in ${otoscope.number(study.minutes, 2)} minutes`]],
    ];
    return el("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
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

  // Text to take along: a button copies it where the browser lets it, and marks it where not.
  function copyable(text, name) {
    const box = el("pre", { tabindex: "0", "aria-label": name }, otoscope.data_text(text));
    const said = el("span", { class: "hint", role: "status" });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(box);
        said.textContent = "Selected: copy it with the keyboard.";
      }
    };
    return el("div", { class: "copyable" }, box, el("div", { class: "row" }, el("button", { type: "button", on: { click: copy }, "aria-label": `Copy: ${name}` }, "Copy"), said));
  }

  // How to reproduce this study.
  const again = (record) => otoscope.section("again", "How to reproduce this study",
    copyable(String(record.command ?? ""), "the command"),
    record.settings ? [
      el("p", {}, "With every setting unchanged: save ", el("a", { href: otoscope.file("study.toml"), download: "study.toml" }, "study.toml"),
        " and run ", el("code", {}, "otoscope study CORPUS --settings study.toml --out DIR"), "."),
      el("details", {}, el("summary", {}, "Every setting (study.toml)"), copyable(record.settings, "study.toml")),
    ] : null,
    el("p", {}, el("a", { href: "methods.html" }, "All settings, seeds, versions and tables"), "."));

  otoscope.page({
    name: "index",
    title: "Inside a Whisper",
    render: async (main) => {
      const record = await otoscope.data("overview");
      main.querySelector("h1").replaceChildren("Inside ", otoscope.data_text((record.study.model || {}).id), " on ", otoscope.data_text((record.study.corpus || {}).name));
      const parts = [
        el("p", { class: "lead" }, "Which sound each part of this Whisper hears, how far each part listens, and what the decoder says without speech: three claims, measured."),
        record.claims.length ? glance(record.claims) : el("p", { class: "none" }, "This study holds no verdicts."),
        facts(record), further(record.pages), record.claims.length ? legend() : null, ...record.claims.map(claim), missing(record),
        again(record), otoscope.section("cite", "How to cite", copyable(record.cite, "the citation")),
      ];
      main.append(...parts.filter(Boolean));
    },
  });
})();
