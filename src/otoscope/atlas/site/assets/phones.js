/* Phones: where each phone becomes readable, which features detect it, and what it is confused with. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, tables } = otoscope;
  const ALL = "", AROUND_S = 0.1; // heard before and after a word
  let record = null;
  const chosen = { phone: ALL, line: 0, order: "set", basis: ALL, group: 0 };

  const name_of = (line) => `${line.pattern}, ${line.basis}`;
  const block_name = (line, at) => (line.blocks[at] === null ? line.sites[at] : `block ${line.blocks[at]}`);
  const interval = (one) => otoscope.interval({ value: one.auroc, low: one.low, high: one.high }, "auroc");

  // Where in its blocks a line first has a feature that tells a phone; -1 where it has none.
  const first_at = (line, phone) => line.cells[phone].findIndex((cell) => cell && cell.auroc !== null && cell.auroc >= record.about.auroc);

  // How many phones a line can tell at a block: counted by the value, or by an end of its interval.
  const n_readable = (line, at, end = "auroc") =>
    line.cells.filter((row) => row[at] && row[at][end] !== null && row[at][end] >= record.about.auroc).length;

  // ---- what was looked at --------------------------------------------------------------------------------------

  function about() {
    const { about: found, phones } = record;
    const facts = [
      ["Clips with phones", `${found.n_labelled_clips} of ${found.n_clips}`],
      ["Speech frames to choose on", otoscope.number(found.n_frames?.choose)],
      ["Held-out speech frames", otoscope.number(found.n_frames?.held_out)],
      ["Halves of", found.split_by],
      ["Phones judged", `${phones.length}`],
      ["Delay of the encoder's response", found.lag_frames === null ? "not known" : otoscope.count(found.lag_frames, "frame")],
    ];
    return [
      tables.facts(facts),
      el("p", { class: "quiet-text" }, "AUROC: how often the feature is stronger in a frame of the phone than in another frame; 0.5 is chance. The best feature for a phone is chosen on one half of the clips and scored on the other. Intervals are 95% and take frames as independent. Frames of one clip are not, so the intervals are too narrow."),
      tables.notes("Notes", [found.rule, ...(found.notes || [])]),
    ];
  }

  // ---- phone by layer ------------------------------------------------------------------------------------------

  // Count by block, of all lines: the one picture of where phones become readable.
  function readable() {
    const lines = record.layers.filter((line) => line.blocks.every((block) => block !== null));
    const blocks = [...new Set(lines.flatMap((line) => line.blocks))].sort((a, b) => a - b);
    const count = (line, block) => { const at = line.blocks.indexOf(block); return at < 0 ? null : n_readable(line, at); };
    const range = (line, at) => `${n_readable(line, at)} (${n_readable(line, at, "low")} to ${n_readable(line, at, "high")})`;
    const chart = blocks.length > 1 && otoscope.chart.lines({
      title: `Phones that some feature detects with an AUROC of ${record.about.auroc} or more`,
      x: blocks, x_label: "Block of the encoder", y_label: `Phones of ${record.phones.length}`, y_range: [0, Math.ceil(1.2 * Math.max(1, ...lines.flatMap((line) => line.blocks.map((_, at) => n_readable(line, at)))))],
      is_whole: true,
      series: lines.map((line) => ({ label: name_of(line), values: blocks.map((block) => count(line, block)), points: true })),
    });
    const columns = [{ label: "Sites and basis", render: (line) => otoscope.data_text(name_of(line)) },
      ...blocks.map((block) => ({ label: `block ${block}`, numeric: true, render: (line) => (line.blocks.includes(block) ? range(line, line.blocks.indexOf(block)) : "–") }))];
    return [chart || null, lines.length ? tables.table({ caption: `Of ${record.phones.length} phones; in brackets, the count with every AUROC at the low end of its interval, and at the high end`, columns, rows: lines }) : null];
  }

  // One cell: the best feature's AUROC, shaded by it, with a link to the feature.
  function cell(line, phone, at) {
    const found = line.cells[phone][at];
    if (!found || found.auroc === null) return "–";
    const attributes = {
      class: found.auroc >= record.about.auroc ? "heat reached" : "heat",
      style: { "--heat": Math.max(0, (found.auroc - 0.5) * 2).toFixed(3), "--heat-colour": line.is_baseline ? "var(--c7)" : "var(--c1)" },
      title: `${interval(found)}, feature ${found.feature}, sign ${found.sign > 0 ? "+" : "−"}`,
    };
    return el("a", { ...attributes, href: otoscope.feature_href(line.sites[at], line.basis, found.feature) }, found.auroc.toFixed(2));
  }

  const from_text = (line, phone) => { const at = first_at(line, phone); return at < 0 ? "nowhere" : block_name(line, at); };

  // The order of rows.
  function ordered(line) {
    const places = record.phones.map((_, at) => at);
    const depth = (at) => (first_at(line, at) < 0 ? Infinity : first_at(line, at));
    const best = (at) => Math.max(0, ...line.cells[at].map((one) => (one ? one.auroc : 0)));
    if (chosen.order === "block") places.sort((a, b) => depth(a) - depth(b) || best(b) - best(a));
    if (chosen.order === "best") places.sort((a, b) => best(b) - best(a));
    return places.filter((at) => chosen.phone === ALL || record.phones[at].phone === chosen.phone);
  }

  // A word of the corpus with a phone in it, to hear; nothing where no sound was kept.
  const listen = ({ phone, sound }) => (sound
    ? otoscope.player.button({ label: sound.word, title: `Play “${sound.word}”, a word of the corpus with ${otoscope.phone_label(phone)}`, file: `sounds/${sound.piece}.ogg`,
      start_s: Math.max(0, sound.start_s - AROUND_S), stop_s: sound.stop_s + AROUND_S, peak_s: null })
    : null);
  const as_in = ({ phone }) => { const words = otoscope.phone_words(phone); return words.length ? el("i", {}, words.join(", ")) : null; };

  // The table of phones by blocks, random directions of the same sites beside it.
  function heat() {
    const line = record.layers[chosen.line];
    const beside = line.baseline === null ? null : record.layers[line.baseline];
    const columns = [
      { label: "Phone", render: (at) => el("button", { type: "button", class: "quiet phone", on: { click: () => { choose(record.phones[at].phone); go_to_one(); } } }, otoscope.phone_text(record.phones[at].phone)) },
      { label: "As in", render: (at) => as_in(record.phones[at]) || "–" },
      record.phones.some((one) => one.sound) && { label: "Listen", title: "A word of the corpus with this phone", render: (at) => listen(record.phones[at]) || "–" },
      { label: "Frames", numeric: true, title: "held-out frames of the phone", render: (at) => otoscope.number(record.phones[at].n_frames) },
      { label: "Readable from", render: (at) => otoscope.data_text(from_text(line, at)) },
      ...line.sites.map((_, place) => ({ label: block_name(line, place), numeric: true, render: (at) => cell(line, at, place) })),
    ].filter(Boolean);
    if (beside) {
      columns.push({ label: "Random from", title: "from where random directions detect it", render: (at) => otoscope.data_text(from_text(beside, at)) },
        ...beside.sites.map((_, place) => ({ label: block_name(beside, place).replace(/^block/, "random"), title: `random directions at ${beside.sites[place]}`, numeric: true, render: (at) => cell(beside, at, place) })));
    }
    return tables.table({ caption: `Held-out AUROC of the best feature for each phone: ${name_of(line)}. Bold and underlined: ${record.about.auroc} or more. Click a number to open its feature.`, columns, rows: ordered(line) });
  }

  // ---- one phone -----------------------------------------------------------------------------------------------

  function one_phone() {
    if (chosen.phone === ALL) return el("p", { class: "hint" }, "Choose a phone above, or click one in the table, to see its features.");
    const at = record.phones.findIndex((one) => one.phone === chosen.phone);
    const phone = record.phones[at], detecting = record.detecting[at];
    const lines = record.layers;
    const named = lines.flatMap((line) => line.sites.map((_, place) => [line.blocks[place] ?? Infinity, block_name(line, place)]));
    const labels = [...new Map(named.sort((a, b) => (a[0] === b[0] ? 0 : a[0] - b[0])).map(([, name]) => [name, name])).keys()];
    const value_at = (line, label) => {
      const found = line.cells[at][line.sites.findIndex((_, place) => block_name(line, place) === label)];
      return found ? { value: found.auroc, low: found.low, high: found.high } : null;
    };
    const columns = [
      { label: "Feature", render: (one) => tables.feature_link(one) },
      { label: "Named", render: (one) => (one.kind === "unclear" ? "unclear" : otoscope.phone_text(one.name)) },
      { label: "Sign", render: (one) => (one.sign > 0 ? "+" : "−") },
      { label: "AUROC (95%)", numeric: true, render: interval },
      { label: "Top examples in it", numeric: true, title: "share of the strongest examples whose peak falls in the phone", render: (one) => `${otoscope.percent(one.share_of_top)} of ${one.n_examples ?? "–"}` },
      { label: "Average precision", numeric: true, render: (one) => `${otoscope.number(one.average_precision, 2)} (chance ${otoscope.number(one.prevalence, 2)})` },
    ];
    const counts = detecting.counts.filter((one) => one.of);
    return el("div", { class: "card" },
      el("h3", {}, "Phone ", otoscope.phone_text(phone.phone), as_in(phone) ? [", as in ", as_in(phone)] : null, " ", listen(phone)),
      el("p", { class: "quiet-text" }, `${otoscope.count(phone.n_frames, "held-out frame")}; `, otoscope.data_text(phone.classes.join(", "))),
      el("div", { class: "small-multiples" },
        tables.values({ title: "AUROC of the best feature, by block", labels, x_label: "AUROC (0.5 is chance)", y_label: "Block", unit: "auroc", range: [0.4, 1],
          reference: { label: `readable: ${record.about.auroc}`, value: record.about.auroc }, series: lines.map((line) => ({ label: name_of(line), values: labels.map((label) => value_at(line, label)) })) }),
        tables.values({ title: `Features that detect it best, with ${record.about.auroc} or more`, labels: counts.map((one) => `${one.basis} (${one.n} of ${one.of})`), x_label: "Share of the features of a basis", y_label: "Basis", series: [{ label: "share", values: counts }], bars: true })),
      detecting.features.length
        ? tables.long_table({ caption: `Features whose best phone it is, the highest held-out AUROC first (baselines left out${detecting.features.length < detecting.n_features ? `; the first ${detecting.features.length} of ${otoscope.number(detecting.n_features)}` : ""})`, columns, rows: detecting.features, shown: 6 })
        : el("p", { class: "none" }, "No feature has this phone as its best."));
  }

  // ---- one phone at the maximum --------------------------------------------------------------------------------

  const MAXIMUM_PICTURE = "phones/pure_at_maximum.png";

  // How rare the examples of a sample are.
  const rarity = (sample) => `1 in ${otoscope.count(Math.max(1, Math.round(sample.clips_an_example)), "clip")}`;

  // The share of features that are pure, and their mean purity, over the number of clips.
  function purity_charts(found) {
    const { lines } = found.groups[chosen.group], last = found.samples[found.samples.length - 1];
    const series = (key) => lines.map((line) => ({ label: line.name, points: line.points.map((one) => ({ x: one.n_clips, y: one[key] || {}, name: otoscope.count(one.n_clips, "clip") })) }));
    const common = { x_label: `Labelled clips of which the ${found.top} strongest are taken`, is_line: true, x_ticks: found.samples.map((one) => one.n_clips),
      reference: { label: `the verdict uses this point: ${rarity(last)}`, value: last.n_clips } };
    return el("div", { class: "small-multiples" },
      tables.points({ title: `Features whose ${found.top} strongest examples share one phone to at least ${otoscope.percent(found.purity)}`, y_label: "share of the features, with 95% intervals", series: series("pure"), ...common }),
      tables.points({ title: "Mean purity", y_label: "share of the strongest examples in one phone, with 95% intervals", series: series("purity"), ...common }));
  }

  // What the verdict on claim 2 says of the maximum.
  const verdict = (one) => el("div", { class: "card" },
    el("h3", {}, otoscope.data_text(one.question)),
    el("p", {}, el("strong", {}, otoscope.data_text(one.outcome)), one.needs ? [": it takes ", otoscope.data_text(one.needs)] : null, "."),
    el("p", {}, otoscope.data_text(one.words)));

  function maximum() {
    const found = record.maximum;
    if (!found) return el("p", { class: "none" }, "This study's harvest kept no strongest examples for samples of its clips.");
    const box = el("div", {}, purity_charts(found));
    const choose = (group) => { chosen.group = Number(group); box.replaceChildren(purity_charts(found)); };
    const sizes = [
      { label: "Labelled clips", numeric: true, render: (row) => otoscope.number(row.n_clips) },
      { label: "Samples", numeric: true, render: (row) => otoscope.number(row.n_samples) },
      { label: "An example is", numeric: true, render: rarity },
      { label: "Of frames of speech", numeric: true, render: (row) => `1 in ${otoscope.number(row.frames_an_example)}` },
      { label: "Phones within reach", numeric: true, title: "phones in enough clips that a feature could reach the threshold with them", render: (row) => `${otoscope.number(row.n_phones_reachable)} of ${otoscope.number(row.n_phones)}` },
    ];
    const noise = [
      { label: "Correct labels", numeric: true, render: (row) => `${otoscope.percent(row.agreement)}${row.is_told ? " (as given)" : ""}` },
      { label: "Features of one phone that reach the threshold", numeric: true, render: (row) => otoscope.percent(row.share, 1) },
    ];
    return [
      el("p", {}, `A feature is pure when its ${found.top} strongest examples, one a clip, share one phone to at least ${otoscope.percent(found.purity)}. The more clips they are taken from, the rarer they are; the verdict uses the largest number.`),
      el("div", { class: "choosers" }, tables.chooser("Features", found.groups.map((one, at) => ({ value: at, text: one.name })), chosen.group, choose)),
      box,
      el("p", { class: "quiet-text" }, "Over all sites, each baseline covers the sites that both have, as in the verdict. Intervals take features as independent."),
      el("div", { class: "grid" }, found.findings.map(verdict)),
      tables.table({ caption: "How rare the examples are; the verdict uses the last row", columns: sizes, rows: found.samples }),
      found.label_noise.length ? tables.table({ caption: "The effect of wrong labels: of features that respond to one phone only, the share that is still found pure", columns: noise, rows: found.label_noise }) : null,
      tables.pictures(record.pictures.filter((one) => one.file === MAXIMUM_PICTURE)),
    ];
  }

  // ---- shares of features --------------------------------------------------------------------------------------

  function shares() {
    const rows = record.sites;
    const named = (row) => ["phone", "pair", "class"].map((kind) => row.n_named?.[kind] ?? 0).join(" / ");
    const share = (row, what) => otoscope.interval({ value: row[`share_${what}`], low: row[`low_${what}`], high: row[`high_${what}`] });
    const columns = [
      { label: "Site and basis", render: (row) => otoscope.data_text(`${row.site}, ${row.basis}`) },
      { label: "Features", numeric: true, render: (row) => otoscope.number(row.n_features) },
      { label: "Detect one phone (95%)", numeric: true, render: (row) => share(row, "both") },
      { label: "Shuffled labels", numeric: true, render: (row) => (row.n_both_shuffled === null ? "–" : otoscope.percent(row.n_both_shuffled / row.n_features, 1)) },
      { label: `AUROC ≥ ${record.about.auroc} (95%)`, numeric: true, render: (row) => share(row, "auroc") },
      { label: "Phone / pair / class", numeric: true, title: "features named so", render: named },
      { label: "Polysemantic", numeric: true, title: "of those that are pure at their strongest", render: (row) => `${row.n_polysemantic ?? "–"} of ${row.n_pure_top ?? "–"}` },
      { label: "Median AUROC", numeric: true, title: "of the best phone of each feature; with shuffled labels it is chosen on the frames that score it, and so lies above 0.5", render: (row) => `${otoscope.number(row.median_auroc)} (shuffled ${otoscope.number(row.median_auroc_shuffled)})` },
    ];
    return [
      el("p", {}, "A feature detects one phone if it separates it from others and its strongest examples are in it. Compare each row with ", el("code", {}, "random"), " at the same site."),
      tables.long_table({ caption: "Features of each site and basis", columns, rows, shown: 24 }),
      tables.notes("In words, basis by basis", record.claims), tables.pictures(record.pictures.filter((one) => one.file !== MAXIMUM_PICTURE)),
    ];
  }

  // ---- confusions ----------------------------------------------------------------------------------------------

  const has_phone = (...names) => chosen.phone === ALL || names.some((name) => String(name).split("/").includes(chosen.phone));
  const few = (row) => row.features.map((one, at) => [at ? ", " : null, tables.feature_link(one, `${one.site} ${one.feature}`)]);
  const is_here = (row) => (chosen.basis === ALL ? !["random", "untrained"].includes(row.basis) : row.basis === chosen.basis);
  const random_text = (row) => (row.random.of ? otoscope.interval(row.random) : "–");

  function confused() {
    const below = record.confusions.below.filter((row) => is_here(row) && has_phone(row.from, row.to));
    const together = record.confusions.together.filter((row) => is_here(row) && has_phone(row.name));
    const beside = [
      { label: "Share (95%)", numeric: true, render: (row) => otoscope.interval(row) },
      { label: "Random directions", numeric: true, render: random_text },
      { label: "Features", render: few },
    ];
    return [
      below.length
        ? tables.long_table({ caption: "Pure for one phone at their strongest, and another phone at lower strengths", rows: below, columns: [
          { label: "At the top", render: (row) => otoscope.phone_text(row.from) }, { label: "Below", render: (row) => otoscope.phone_text(row.to) },
          { label: "Basis", render: (row) => otoscope.data_text(row.basis) }, { label: "Features", numeric: true, render: (row) => `${row.n} of ${row.of}` }, ...beside] })
        : el("p", { class: "none" }, "None of these features is pure for one phone at its strongest and responds to another at lower strengths."),
      together.length
        ? tables.long_table({ caption: "Named after several phones together", rows: together, columns: [
          { label: "Name", render: (row) => otoscope.phone_text(row.name) }, { label: "Kind", render: (row) => row.kind },
          { label: "Basis", render: (row) => otoscope.data_text(row.basis) }, { label: "Features", numeric: true, render: (row) => `${row.n} of ${otoscope.number(row.of)}` }, ...beside] })
        : el("p", { class: "none" }, "None of these features is named after a pair or a class."),
    ];
  }

  // ---- the page ------------------------------------------------------------------------------------------------

  const boxes = {}, phone_choosers = [];

  function redraw() {
    boxes.heat.replaceChildren(heat());
    boxes.phone.replaceChildren(one_phone());
    boxes.confused.replaceChildren(...confused());
    phone_choosers.forEach((one) => one.show(chosen.phone));
  }

  // Choose a phone everywhere on the page, and in its address.
  function choose(phone) {
    chosen.phone = phone;
    history.replaceState(null, "", phone === ALL ? location.pathname + location.search : `#phone=${encodeURIComponent(phone)}`);
    redraw();
  }

  // From the table to the phone that was chosen in it.
  function go_to_one() {
    const title = document.getElementById("one-title");
    title.setAttribute("tabindex", "-1");
    title.focus({ preventScroll: true });
    title.scrollIntoView();
  }

  const phone_chooser = () => {
    const made = tables.chooser("Phone", [{ value: ALL, text: "All phones" }, ...record.phones.map((one) => ({ value: one.phone, text: otoscope.phone_label(one.phone) }))], chosen.phone, choose);
    phone_choosers.push(made);
    return made;
  };
  const basis_chooser = () => {
    const bases = [...new Set(record.layers.map((line) => line.basis))];
    return tables.chooser("Basis", [{ value: ALL, text: "All but baselines" }, ...bases.map((one) => ({ value: one, text: one }))], chosen.basis, (basis) => { chosen.basis = basis; redraw(); });
  };
  const choosers = () => [
    tables.chooser("Features of", record.layers.map((line, at) => ({ value: at, text: name_of(line) })), chosen.line, (line) => { chosen.line = Number(line); redraw(); }),
    phone_chooser(),
    tables.chooser("Order", [{ value: "set", text: "as in the phone set" }, { value: "block", text: "where readable first" }, { value: "best", text: "best AUROC" }], chosen.order, (order) => { chosen.order = order; redraw(); }),
  ];

  async function render(main) {
    record = await otoscope.data("phones");
    otoscope.know_phones(record.phone_names);
    if (!record.about) return main.append(tables.why_not(record.parts.phones, "scores of phones"));
    if (!record.layers.length || !record.phones.length) return main.append(...about(), el("p", { class: "none" }, "No phone has enough frames to be judged."));
    const asked = new URLSearchParams(location.hash.slice(1)).get("phone");
    if (record.phones.some((one) => one.phone === asked)) chosen.phone = asked;
    for (const name of ["heat", "phone", "confused"]) boxes[name] = el("div", {});
    main.append(
      ...about().filter(Boolean),
      otoscope.section("layers", "Phone by layer", readable(), el("div", { class: "choosers" }, choosers()), boxes.heat),
      otoscope.section("one", "One phone", boxes.phone),
      otoscope.section("maximum", "One phone at the maximum", maximum()),
      otoscope.section("shares", "Features that detect one phone", shares()),
      otoscope.section("confusions", "Confusions",
        el("p", {}, `Counted from the scores of features, each sign by itself. Below the top: a feature is pure for one phone at its strongest, and in a lower range of strength another phone is more frequent than by chance and separated from the rest; the share is of all features that are pure for that phone. Together: a feature is named after a pair or a class of phones.`),
        el("div", { class: "choosers" }, phone_chooser(), basis_chooser()), boxes.confused));
    redraw();
  }

  otoscope.page({ name: "phones", title: "Phones", is_wide: true, lead: "Where in the encoder each phone can be read, which features detect it, and what it is confused with.", render });
})();
