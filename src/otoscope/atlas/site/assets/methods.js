/* Methods: every setting, seed, version and hash; every table to download; the words that the pages use. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const WORDS = [
    ["site", "a named tensor inside the model, in OpenAI's module names: encoder.blocks.3.mlp.1 is the output of the neurons of the fourth encoder block"],
    ["basis", "the directions in which a site is read: neuron (its own axes), random (random directions), untrained (a model with random weights), sae (a trained dictionary)"],
    ["feature", "one direction of a basis at a site"],
    ["strength", "a feature's activation at a frame"],
    ["frame", "20 ms, one position of the encoder"],
    ["phone", "a speech sound, such as SH or AA; the labels of the corpus give the times of each"],
    ["block", "one layer of the encoder or decoder, counted from 0"],
    ["window", "the stretch of sound that the model takes at once; the attention window k is the number of frames on either side that a frame may attend to"],
    ["relevance", "how much each frame of the sound matters to another frame or to a word: attention weighted by its gradient and propagated through all blocks"],
    ["silencing", "how much less likely a word becomes when a moment of the sound is silenced (perturbation in files)"],
    ["peak", "a frame of speech that is stronger than its neighbours"],
    ["range", "an interval of strengths; peaks are drawn from it at random, each with equal probability"],
    ["speech, silence, padding", "the three kinds of frame; statistics leave padding out"],
    ["density", "share of speech frames in which a feature is above a tenth of its maximum"],
    ["effective phones", "the exponential of the entropy of the phones at some peaks: two equally frequent phones give 2"],
    ["AUROC", "how well a strength separates a phone from all others: 0.5 is chance, 1 is perfect; on clips that were not used to choose the phone"],
    ["purity", "share of a feature's strongest examples in their most common phone"],
    ["detects one phone", "AUROC and purity both reach the thresholds in the settings of the part phones"],
    ["polysemantic", "pure for one phone at its strongest, and responding to another at lower strengths"],
    ["dictionary", "a sparse autoencoder: many features, few of them active at once, whose sum reconstructs a site's values"],
    ["L0", "how many features of a dictionary are active in a frame, on average"],
    ["CE score", "the share of a site's contribution to the decoder's cross-entropy that a reconstruction keeps; 1 is all of it"],
    ["random decoder", "a dictionary whose directions are random, as a baseline"],
    ["word error rate", "words inserted, deleted or substituted, per hundred words spoken"],
    ["next token", "the token that the model's own transcript has next"],
    ["lens", "what the decoder would predict if it stopped after a block"],
    ["95% interval", "Wilson for shares, Newcombe for their differences, Hanley and McNeil for AUROCs, bootstrap over clips or words elsewhere"],
  ];

  const isPlain = (value) => value === null || value === undefined || typeof value !== "object";

  // One value as text.
  function text(value) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
    if (Array.isArray(value) && value.every(isPlain)) return value.map(text).join(", ") || "none";
    return String(value);
  }

  // Nested settings as names and values, one a line.
  function lines(value, name = "") {
    if (isPlain(value) || (Array.isArray(value) && value.every(isPlain))) return [[name, text(value)]];
    const inner = Object.entries(value).flatMap(([key, one]) => lines(one, name ? `${name}.${key}` : key));
    return inner.length ? inner : [[name, "none"]];
  }

  // Names and values as a table.
  const pairs = (caption, rows) => otoscope.table({
    caption, rows,
    columns: [{ label: "Name", render: (row) => el("code", {}, otoscope.data_text(row[0])) }, { label: "Value", render: (row) => otoscope.data_text(row[1]) }],
  });

  // What each part did, and how long it took.
  const parts = (rows) => otoscope.table({
    caption: "The parts of the study, in their order", rows,
    columns: [
      { label: "Part", render: (row) => otoscope.data_text(row.name) },
      { label: "Question", render: (row) => otoscope.data_text(row.question) },
      { label: "State", render: (row) => [otoscope.data_text(row.state), row.why ? [": ", otoscope.data_text(row.why)] : null] },
      { label: "Seconds", numeric: true, render: (row) => otoscope.number(row.seconds) },
      { label: "Settings", render: (row) => otoscope.data_text(lines(row.settings || {}).map(([name, value]) => (name ? `${name} ${value}` : value)).join("; ")) },
    ],
  });

  // The files of one part, with their sizes.
  const files = (caption, rows) => otoscope.table({
    caption, rows,
    columns: [
      { label: "File", render: (row) => el("a", { href: otoscope.file(row.file), download: row.file.split("/").pop() }, otoscope.data_text(row.file)) },
      { label: "Size", numeric: true, render: (row) => otoscope.bytes(row.bytes) },
      { label: "What it holds", render: (row) => otoscope.data_text(row.what) },
    ],
  });

  // Every table, part by part; each part opens.
  function tables(rows) {
    const groups = new Map();
    rows.forEach((row) => {
      const part = row.file.includes("/") ? row.file.split("/")[0] : "";
      groups.set(part, [...(groups.get(part) || []), row]);
    });
    const size = (some) => otoscope.bytes(some.reduce((sum, row) => sum + row.bytes, 0));
    const [whole, ...rest] = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    if (!whole) return el("p", { class: "none" }, "There are no tables.");
    return [
      el("p", {}, `${otoscope.count(rows.length, "table")}, ${size(rows)} in all. Parquet opens in pandas, polars and DuckDB.`),
      el("details", { open: true }, el("summary", {}, whole[0] ? otoscope.data_text(whole[0]) : "The study as a whole", ` (${size(whole[1])})`), files("", whole[1])),
      rest.map(([part, some]) => el("details", {}, el("summary", {}, otoscope.data_text(part), ` (${otoscope.count(some.length, "file")}, ${size(some)})`), files("", some))),
    ];
  }

  // Settings as study.toml has them: a table for each part.
  const settings = (found) => el("div", { class: "grid settings" }, Object.entries(found).map(([part, values]) => pairs(el("code", {}, "[", otoscope.data_text(part), "]"), lines(values))));

  // What went wrong with single clips.
  function problems(rows) {
    if (!rows.length) return null;
    const columns = [{ label: "Clip", render: (row) => otoscope.data_text(row.clip) }, { label: "What happened", render: (row) => otoscope.data_text(row.message) }];
    return otoscope.section("problems", "Problems", otoscope.table({ caption: otoscope.count(rows.length, "problem"), columns, rows }));
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
    copyable(String(record.study.command ?? ""), "the command"),
    record.toml ? [
      el("p", {}, "With every setting unchanged: save ", el("a", { href: otoscope.file("study.toml"), download: "study.toml" }, "study.toml"),
        " and run ", el("code", {}, "otoscope study CORPUS --settings study.toml --out DIR"), "."),
      el("details", {}, el("summary", {}, "Every setting (study.toml)"), copyable(record.toml, "study.toml")),
    ] : null);

  otoscope.page({
    name: "methods",
    title: "Methods",
    lead: "Every setting, seed, version and hash of this study, every table behind its pages, and how to reproduce and cite it.",
    render: async (main) => {
      const record = await otoscope.data("methods");
      const { settings: set, model, corpus, versions, ...rest } = record.study;
      main.append(...[
        otoscope.section("parts", "Parts", parts(record.parts)),
        problems(record.problems),
        otoscope.section("tables", "Tables", tables(record.tables)),
        otoscope.section("made", "What it was made with", el("div", { class: "grid settings" },
          pairs("Model", lines(model || {})), pairs("Corpus", lines(corpus || {})), pairs("The study", lines(rest)), pairs("Versions", lines(versions || {})))),
        otoscope.section("settings", "Settings",
          el("p", {}, "As in ", el("code", {}, "study.toml"), ", which reproduces the study. The seed determines the clips, directions and intervals drawn in every part."),
          settings(set || {})),
        again(record), otoscope.section("cite", "How to cite", copyable(record.cite, "the citation")),
        otoscope.section("words", "Words", el("dl", { class: "glossary" }, WORDS.map(([word, meaning]) => [el("dt", {}, word), el("dd", {}, meaning)]))),
      ].filter(Boolean));
    },
  });
})();
