/* Methods: every setting, seed, version and hash; every table to download; the words that the pages use. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const WORDS = [
    ["site", "a named tensor inside the model, in OpenAI's module names"],
    ["basis", "the directions in which a site is read: neuron (its own axes), random, untrained (a model with random weights), sae (a trained dictionary)"],
    ["feature", "one direction of a basis at a site"],
    ["strength", "a feature's activation at a frame"],
    ["frame", "20 ms, one position of the encoder"],
    ["peak", "a frame of speech that is stronger than its neighbours"],
    ["range", "a stretch of strengths, from which peaks are drawn fairly"],
    ["speech, silence, padding", "the three kinds of frame; statistics do not mix padding in"],
    ["polysemantic", "pure in one phone at its strongest, and answering to another below"],
  ];

  // Nested settings as text, one a line.
  function lines(value, name = "") {
    if (value === null || value === undefined) return [[name, "–"]];
    if (Array.isArray(value)) return [[name, value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ") || "none"]];
    if (typeof value === "object") return Object.entries(value).flatMap(([key, inner]) => lines(inner, name ? `${name}.${key}` : key));
    return [[name, String(value)]];
  }

  const pairs = (caption, rows) => otoscope.table({
    caption, rows,
    columns: [{ label: "Setting", render: (row) => el("code", {}, otoscope.data_text(row[0])) }, { label: "Value", render: (row) => otoscope.data_text(row[1]) }],
  });

  // What each part did, and how long it took.
  const parts = (rows) => otoscope.table({
    caption: "The parts of the study, in their order", rows,
    columns: [
      { label: "Part", render: (row) => otoscope.data_text(row.name) },
      { label: "Question", render: (row) => otoscope.data_text(row.question) },
      { label: "State", render: (row) => el("span", {}, String(row.state ?? "–"), row.why ? [": ", otoscope.data_text(row.why)] : null) },
      { label: "Seconds", numeric: true, render: (row) => otoscope.number(row.seconds) },
      { label: "Settings", render: (row) => otoscope.data_text(lines(row.settings || {}).map(([name, value]) => `${name} ${value}`).join("; ")) },
    ],
  });

  // Every table, with its size.
  const tables = (rows) => otoscope.table({
    caption: `${otoscope.count(rows.length, "table")} to download`, rows,
    columns: [
      { label: "File", render: (row) => el("a", { href: otoscope.file(row.file), download: row.file.split("/").pop() }, otoscope.data_text(row.file)) },
      { label: "Size", numeric: true, render: (row) => otoscope.bytes(row.bytes) },
      { label: "What it holds", render: (row) => otoscope.data_text(row.what) },
    ],
  });

  otoscope.page({
    name: "methods",
    title: "Methods",
    lead: "Every setting, seed, version and hash of this study, and every table behind its pages.",
    render: async (main) => {
      const record = await otoscope.data("methods");
      const { settings, model, corpus, versions, ...rest } = record.study;
      main.append(
        otoscope.section("parts", "Parts", parts(record.parts)),
        otoscope.section("tables", "Tables", tables(record.tables)),
        otoscope.section("model", "Model and corpus", pairs("Model", lines(model || {})), el("br"), pairs("Corpus", lines(corpus || {}))),
        otoscope.section("settings", "Settings", pairs("As they stand in study.toml", lines(settings || {}))),
        otoscope.section("versions", "Versions and seeds", pairs("Versions", lines(versions || {})), el("br"), pairs("The study", lines(rest))),
        otoscope.section("words", "Words", el("dl", { class: "glossary" }, WORDS.map(([word, meaning]) => [el("dt", {}, word), el("dd", {}, meaning)]))));
    },
  });
})();
