/* One feature: its name and scores, how strong it is where, which phones drive it at each range of strength, and how
   its examples sound. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg, notes } = otoscope;
  const SHARD = 20, AT_ONCE = 12;
  const SCORES = [
    ["auroc", "AUROC", "held-out, of the name or the best phone; 0.5 is chance"], ["best_phone", "Best phone", "the phone it tells best"], ["best_phone_auroc", "AUROC of the best phone", "held-out"],
    ["pair", "Best pair", ""], ["pair_auroc", "AUROC of the pair", "held-out"], ["class", "Best class", ""], ["class_auroc", "AUROC of the class", "held-out"],
    ["average_precision", "Average precision", "by chance it is the prevalence"], ["prevalence", "Prevalence", "share of the frames"], ["information_bits", "Information, bits", "between strength and phone"],
    ["shuffled_information_bits", "with shuffled labels", ""], ["purity", "Purity", "share of the strongest examples in one phone"], ["shuffled_purity", "with shuffled labels", ""],
  ];
  const SHARES = new Set(["prevalence", "purity", "shuffled_purity"]);
  let list = null;

  // Site, basis and number from the address.
  function wanted() {
    const parts = location.hash.slice(1).split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
    return { site: parts[0] || "", basis: parts[1] || "", index: Number(parts[2]) };
  }

  // The strength in speech, silence and padding, counts on a logarithmic scale.
  function histogram({ histogram: found }) {
    if (!found) return el("p", { class: "none" }, "This study holds no histogram of it.");
    const { edges } = found, middle = edges.slice(1).map((edge, at) => (edge + edges[at]) / 2);
    const used = middle.map((_, at) => ["speech", "silence", "padding"].some((kind) => (found[kind] || [])[at] > 0));
    const from = Math.max(0, used.indexOf(true) - 1), to = Math.min(middle.length, used.lastIndexOf(true) + 2);
    const log = (n) => (n > 0 ? Math.log10(n) : null);
    return otoscope.chart.lines({ title: "Strength in speech, silence and padding", x: middle.slice(from, to), x_label: "Strength", y_label: "log10 frames", height: 240,
      series: ["speech", "silence", "padding"].filter((kind) => found[kind]).map((kind) => ({ label: kind, values: found[kind].slice(from, to).map(log), points: true })) });
  }

  // Phones by range of strength, the strongest range at the top.
  function ranges(rows, sign) {
    const totals = new Map();
    rows.forEach((row) => row.phones.forEach(([phone, n]) => totals.set(phone, (totals.get(phone) || 0) + n)));
    const top = [...totals].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([phone]) => phone);
    const series = [...top.map((phone) => ({ label: phone ?? "no phone", values: rows.map((row) => (row.phones.find(([one]) => one === phone) || [0, 0])[1]) })),
      { label: "others", values: rows.map((row) => row.phones.filter(([one]) => !top.includes(one)).reduce((sum, [, n]) => sum + n, 0)) }];
    const labels = rows.map((row) => `${otoscope.number(row.low, 2)} to ${otoscope.number(row.high, 2)}`);
    return [otoscope.chart.bars({ title: `Phones by range of strength, ${sign === "1" ? "above" : "below"} zero, strongest first`, labels, x_label: "Examples drawn from the range", y_label: "Range", series, stacked: true }),
      otoscope.table({ caption: "Ranges", rows, columns: [{ label: "Strength", render: (row) => `${otoscope.number(row.low)} to ${otoscope.number(row.high)}` }, { label: "Peaks", numeric: true, render: (row) => otoscope.number(row.n_peaks) },
        { label: "Effective number of phones", numeric: true, render: (row) => otoscope.number(row.effective_phones, 2) }, { label: "Phones", render: (row) => otoscope.data_text(row.phones.map(([phone, n]) => `${phone ?? "none"} ${n}`).join(", ")) }] })];
  }

  // One example: spectrogram and strength, words, and two ways to hear it.
  function example(one) {
    const words = el("p", { class: "context" }, otoscope.data_text(one.before || ""), " ", el("mark", {}, otoscope.data_text(one.word ?? "·")), " ", otoscope.data_text(one.after || ""));
    const facts = el("p", { class: "hint" }, `strength ${otoscope.number(one.strength)}, `, "phone ", otoscope.data_text(one.phone ?? "none"), ", ", otoscope.data_text(one.clip), ` at ${otoscope.seconds(one.seconds)}`, one.speaker ? [", ", otoscope.data_text(one.speaker)] : null);
    if (one.piece === null || one.at_s === null) return el("li", { class: "card" }, words, facts, el("p", { class: "hint" }, "Its sound could not be read."));
    const trace = one.trace ? { first_s: one.trace.first_s, step_s: one.trace.step_s, values: otoscope.decode(one.trace.values) } : null;
    const strip = otoscope.strip({ spectrogram: `sounds/${one.piece}.png`, start_s: one.start_s, stop_s: one.stop_s, curve: trace, marker_s: one.at_s, label: `Spectrogram and strength around ${one.word ?? "the peak"}` });
    const playing = { file: `sounds/${one.piece}.ogg`, start_s: one.start_s, stop_s: one.stop_s, on_time: (time) => strip.show_time(time), on_end: () => strip.show_time(null) };
    return el("li", { class: "card" }, strip, words, facts, el("div", { class: "row" }, otoscope.player.button({ label: "Clip", ...playing, peak_s: null }), otoscope.player.button({ label: "Peak brought out", ...playing, peak_s: one.at_s })));
  }

  // A list of examples, the first at once and the rest when asked for.
  function examples(title, rows) {
    if (!rows.length) return null;
    const box = el("ul", { class: "examples" }, rows.slice(0, AT_ONCE).map(example));
    const more = rows.length > AT_ONCE ? el("button", { type: "button", on: { click: (event) => { box.append(...rows.slice(AT_ONCE).map(example)); event.target.remove(); } } }, `Show ${rows.length - AT_ONCE} more`) : null;
    return el("div", {}, el("h3", {}, title), box, more);
  }

  function allExamples(record) {
    const of = (sign, kind, range = null) => record.examples.filter((one) => one.sign === sign && one.kind === kind && (range === null || one.range === range)).sort((a, b) => a.rank - b.rank);
    const numbers = [...new Set(record.examples.filter((one) => one.sign === 1 && one.kind !== "top").map((one) => one.range))].sort((a, b) => a - b);
    const lower = el("details", {}, el("summary", {}, "From each range of strength below"));
    lower.addEventListener("toggle", () => { if (lower.open && lower.children.length === 1) numbers.forEach((range) => lower.append(examples(range === 0 ? "The strongest range" : `Range ${range + 1} from the top`, record.examples.filter((one) => one.sign === 1 && one.kind !== "top" && one.range === range)) || "")); });
    return [examples("Strongest", of(1, "top")), numbers.length ? lower : null, examples("Strongest below zero", of(-1, "top"))];
  }

  function scores(record) {
    if (!record.scores) return el("p", { class: "none" }, "The corpus has no phones in time: nothing was scored.");
    const rows = SCORES.filter(([key]) => record.scores[key] !== null && record.scores[key] !== undefined);
    const write = (key, one) => (typeof one === "number" ? (SHARES.has(key) ? otoscope.percent(one, 1) : otoscope.number(one)) : otoscope.data_text(one));
    return el("dl", { class: "scores" }, rows.map(([key, label, title]) => el("div", { title }, el("dt", {}, label), el("dd", {}, write(key, record.scores[key])))));
  }

  const flagged = (record) => Object.entries(record.polysemantic || {}).filter(([, one]) => one).map(([sign, one]) => el("p", {}, `Polysemantic ${sign === "1" ? "above" : "below"} zero: at its strongest `, otoscope.data_text(one.top_phone), ` (${otoscope.percent(one.top_share)}), and below that `, otoscope.data_text(one.other_phone), ` (${otoscope.percent(one.other_share)} of a range).`));

  // Links to the features before and after in the same group.
  function steps(group, index) {
    const link = (at, text) => (at >= 0 && at < group.n ? el("a", { href: otoscope.feature_href(group.site, group.basis, at).replace("feature.html", ""), rel: text }, text === "prev" ? "← previous" : "next →") : null);
    return el("nav", { class: "row", "aria-label": "Neighbouring features" }, link(index - 1, "prev"), link(index + 1, "next"), el("a", { href: "features.html" }, "All features"));
  }

  async function show(box, heading) {
    otoscope.player.stop();
    const { site, basis, index } = wanted(), at = list.groups.findIndex((one) => one.site === site && one.basis === basis);
    if (at < 0 || !(index >= 0 && index < list.groups[at].n)) throw new Error(`This study holds no feature “${location.hash.slice(1)}”.`);
    const shard = await otoscope.data(`features/${at}/${Math.floor(index / SHARD)}`), record = shard.features[String(index)];
    if (!record) throw new Error("This feature is not in its record: build the pages again.");
    heading.replaceChildren(otoscope.data_text(otoscope.feature_name(site, basis, index)));
    document.title = `${otoscope.feature_name(site, basis, index)} · otoscope`;
    const signs = Object.entries(record.ranges || {}).sort((a, b) => Number(b[0]) - Number(a[0])).filter(([, rows]) => rows.length);
    box.replaceChildren(steps(list.groups[at], index), el("p", { class: "lead" }, el("strong", {}, otoscope.data_text(record.name || record.kind)), record.name ? ` (${record.kind})` : ""), ...flagged(record), scores(record),
      otoscope.section("examples", "Examples", allExamples(record)), otoscope.section("ranges", "Phones by range of strength", signs.map(([sign, rows]) => ranges(rows, sign))),
      otoscope.section("histogram", "How strong it is", histogram(record)),
      otoscope.section("nearest", "Nearest features", record.nearest && record.nearest.length ? el("ul", {}, record.nearest.map((one) => el("li", {}, el("a", { href: otoscope.feature_href(one.site, one.basis, one.feature) }, otoscope.data_text(otoscope.feature_name(one.site, one.basis, one.feature))), " ", otoscope.data_text(one.name), ` (correlation ${otoscope.number(one.similarity, 2)})`))) : el("p", { class: "none" }, "Not known without phones.")),
      otoscope.section("notes", "Your notes", notes.editor(notes.key(site, basis, index)), notes.tools()));
  }

  otoscope.page({
    name: "feature",
    title: "Feature",
    render: async (main) => {
      const [table, { study }] = await Promise.all([otoscope.data("features"), otoscope.data("overview")]);
      list = table;
      await notes.open(`${(study.model || {}).weights_hash} ${(study.corpus || {}).name} ${study.created}`).catch(() => {});
      const box = el("div", {}), heading = main.querySelector("h1");
      main.append(box);
      const go = () => show(box, heading).catch((error) => box.replaceChildren(otoscope.problem(error)));
      window.addEventListener("hashchange", go);
      window.addEventListener("keydown", (event) => {
        if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
        const link = { j: "next", k: "prev" }[event.key];
        if (link) box.querySelector(`a[rel="${link}"]`)?.click();
      });
      await go();
    },
  });
})();
