/* Dictionaries: how they learnt, how good they are beside their baselines, and what they keep for how many features. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, tables } = otoscope;
  let record = null;
  const chosen = { curve: "explained_variance", site: 0, kind: "speech" };
  const CURVES = {
    explained_variance: ["Explained variance", "share of the variance"], mse: ["Squared error", "summed over the vector, mean over frames"],
    l0: ["Active features (L0)", "features a frame"], dead_share: ["Dead features", "share of the features"],
    l1: ["L1 term", "loss"], l0_loss: ["L0 term", "loss"], nested: ["Nested dictionaries", "loss"], aux: ["Loss for dead features", "loss"], learning_rate: ["Learning rate", "rate"],
  };
  const KINDS = { speech: "speech", silence: "silence", padding: "padding", all: "all frames" };
  const called = (name) => (name === "pca" ? "principal components" : name);

  // ---- training ------------------------------------------------------------------------------------------------

  function trained() {
    const found = record.training;
    if (!found) return tables.why_not(record.parts.dictionaries, "dictionaries");
    const columns = [
      { label: "Dictionary of", render: (one) => otoscope.data_text(one.site ?? one.name) },
      { label: "Coder", render: (one) => otoscope.data_text(one.coder.coder) },
      { label: "Features", numeric: true, render: (one) => `${otoscope.number(one.coder.n_features)} over ${otoscope.number(one.coder.d_in)} axes` },
      { label: "Requested sparsity", numeric: true, title: "active features a frame, or the weight of the sparsity term",
        render: (one) => (one.coder.k ? `k ${one.coder.k}` : `weight ${otoscope.number(one.coder.sparsity)}`) },
      { label: "Explained variance", numeric: true, title: "at the last step, on the frames of training", render: (one) => otoscope.percent(one.explained_variance, 1) },
      { label: "L0", numeric: true, render: (one) => otoscope.number(one.l0) },
      { label: "Dead", numeric: true, render: (one) => otoscope.percent(one.dead_share, 1) },
    ];
    const settings = found.settings || {};
    return [
      tables.facts([["Trained on", found.source], ["Kinds of frame", (found.kinds || []).join(", ")],
        ["Frames", otoscope.number(found.n_frames)], ["Steps", otoscope.number(found.n_steps)],
        ["Frames a step", otoscope.number(settings.batch_frames)], ["Minutes", otoscope.number(found.minutes, 2)], found.n_failed ? ["Failed", String(found.n_failed)] : null]),
      tables.table({ caption: "At the end of training, on training frames, so without intervals. The notes below say what the scores are computed on.", columns, rows: found.sites }),
      tables.notes("Notes on the training", found.notes),
    ];
  }

  function curve() {
    const having = record.curves.filter((one) => one.columns[chosen.curve]);
    const [title, unit] = CURVES[chosen.curve] || [chosen.curve, ""];
    const frames = [...new Set(having.flatMap((one) => one.frames))].sort((a, b) => a - b);
    const values = (one) => {
      const found = new Map(one.frames.map((frame, place) => [frame, one.columns[chosen.curve][place]]));
      return frames.map((frame) => found.get(frame) ?? null);
    };
    return otoscope.chart.lines({
      title: `${title} during training`, x: frames, x_label: "Frames seen", y_label: unit, series: having.map((one) => ({ label: one.name, values: values(one) })),
    });
  }

  function curves() {
    if (!record.curves.length) return record.training ? el("p", { class: "none" }, "This study holds no curves.") : null;
    const box = el("div", {}, curve());
    const names = Object.keys(CURVES).filter((name) => record.curves.some((one) => one.columns[name]));
    const choose = (name) => { chosen.curve = name; box.replaceChildren(curve()); };
    return [el("div", { class: "choosers" }, tables.chooser("Curve", names.map((name) => ({ value: name, text: CURVES[name][0] })), chosen.curve, choose)), box];
  }

  // ---- scores --------------------------------------------------------------------------------------------------

  const of_kind = (row) => row.frames[chosen.kind] || null;

  // The share of features that detect one phone, where it was counted.
  const phones_of = (site, row) => (site.phones || []).find((one) => one.name === row.name);

  // Which frames a dictionary and its baselines took the place of, for what was transcribed.
  const replaced = ({ dictionary: { replaced: kinds } }) => (kinds && kinds.length ? `, with ${kinds.length < 3 ? kinds.join(" and ") : "all"} frames replaced` : "");

  // Which dictionaries learnt too little for their scores to say anything of dictionaries.
  function undertrained(sites) {
    const poor = sites.filter((site) => site.is_undertrained);
    return poor.length ? el("p", {}, el("strong", {}, "Undertrained: "), otoscope.data_text(poor.map((site) => site.site).join(", ")),
      ". A dictionary that explains less than the same number of principal components is undertrained: its errors say nothing about dictionaries in general.") : null;
  }

  // The dimensions of a site that hold massive activations.
  const massive = (site) => (site.massive.length
    ? tables.table({ caption: `Massive activations of ${site.site}: a few values dominate its squared errors and its principal components`, rows: site.massive, columns: [
      { label: "Dimension", render: (one) => otoscope.data_text(one.dimension) },
      { label: "Largest value", numeric: true, render: (one) => otoscope.number(one.largest) },
      { label: "Share of the variance", numeric: true, render: (one) => otoscope.percent(one.variance_share, 1) },
    ] })
    : null);

  function score_table() {
    const { sites } = record.scores, site = sites[chosen.site];
    const with_phones = sites.some((one) => (one.phones || []).length);
    const with_cut = site.rows.some((row) => row.n_cut !== null);
    const number = (label, title, give) => ({ label, title, numeric: true, render: (row) => (of_kind(row) ? give(of_kind(row)) : "–") });
    const rate = (label, key) => ({ label: `${label} (95%)`, numeric: true, render: (row) => (row[key] ? otoscope.interval(row[key], "rate") : "–") });
    const share = (found) => (found ? otoscope.interval({ value: found.share, low: found.low, high: found.high }) : "–");
    const columns = [
      { label: "In place of the site", render: (row) => [otoscope.data_text(called(row.name)), el("br"), el("span", { class: "quiet-text" }, otoscope.data_text(row.what))] },
      number("Explained variance", "1 less squared error over variance", (one) => otoscope.percent(one.explained_variance, 1)),
      number("L0", "active features a frame", (one) => otoscope.number(one.l0)),
      rate("WER", "wer"), rate("Words lost", "lost"),
      { label: "CE score", title: "1: the decoder's cross-entropy is as good as without replacement; 0: as bad as with zeros", numeric: true, render: (row) => otoscope.number(row.ce_loss_score) },
      with_phones && { label: "Detect one phone (95%)", numeric: true, render: (row) => share(phones_of(site, row)) },
      rate("WER against the clean transcript", "wer_to_clean"), rate("Lost of the clean transcript", "lost_to_clean"), rate("CER", "cer"),
      with_cut && { label: "Texts stopped", title: "clips whose text was cut off at a little over twice the tokens of the text it is scored against; most of them repeat themselves", numeric: true, render: (row) => (row.n_cut === null ? "–" : `${row.n_cut} of ${record.scores.n_clips_scored}`) },
      number("Cosine", "of the reconstruction and the activation", (one) => otoscope.number(one.cossim)),
      number("Length kept", "mean ratio of lengths", (one) => otoscope.percent(one.l2_ratio)),
      number("Never active", "features that no frame activates", (one) => otoscope.number(one.dead_features)),
    ].filter(Boolean);
    const found = site.rows.map(of_kind).find(Boolean), frames = found ? otoscope.count(found.n_frames, "frame") : "no frames";
    const clips = otoscope.count(record.scores.n_clips_scored, "clip");
    return [
      tables.table({ caption: `${site.site}: ${KINDS[chosen.kind]}, ${frames} of ${clips}; error rates of ${clips}${replaced(site)}`, columns, rows: site.rows }),
      massive(site), tables.notes("In words", site.claims),
    ];
  }

  // Explained variance and errors of every site, each beside its baselines.
  function overview() {
    const { sites } = record.scores;
    const names = [...new Set(sites.flatMap((site) => site.rows.map((row) => row.name)))].filter((name) => !name.endsWith("ablation"));
    const row_of = (site, name) => site.rows.find((one) => one.name === name);
    const series = (give) => names.map((name) => ({ label: called(name), values: sites.map((site) => (row_of(site, name) ? give(row_of(site, name)) : null)) }));
    const labels = sites.map((site) => site.site);
    const clean = record.scores.clean && record.scores.clean.wer;
    const explained = (row) => (of_kind(row) ? { value: of_kind(row).explained_variance } : null);
    return el("div", { class: "small-multiples" },
      tables.values({
        title: `Explained variance: ${KINDS[chosen.kind]}`, labels, y_label: "Site", series: series(explained),
        x_label: "Share of the variance (over all frames: no interval)",
      }),
      sites.some((site) => site.rows.some((row) => row.wer))
        ? tables.values({
          title: "Word error rate with the reconstruction in place", labels, x_label: "WER, with 95% intervals", y_label: "Site", series: series((row) => row.wer),
          reference: clean ? { label: `nothing replaced: ${otoscope.interval(clean, "rate")}`, value: clean.value } : null,
        })
        : null);
  }

  function scores() {
    const found = record.scores;
    if (!found) return tables.why_not(record.parts.scores, "scores of dictionaries");
    if (!found.sites.length) return el("p", { class: "none" }, "No dictionary was scored.");
    const box = el("div", {}), top = el("div", {});
    const kinds = Object.keys(KINDS).filter((kind) => found.sites.some((site) => site.rows.some((row) => row.frames[kind])));
    if (!kinds.includes(chosen.kind)) chosen.kind = kinds[0] || "all";
    const redraw = () => { top.replaceChildren(overview()); box.replaceChildren(...score_table().filter(Boolean)); };
    redraw();
    return [
      el("p", {}, `Baselines are fitted to ${otoscope.count(found.n_clips_fitted, "clip")}; everything is scored on ${found.n_clips_scored} others (halves of ${found.split_by}).`),
      undertrained(found.sites),
      el("div", { class: "choosers" },
        tables.chooser("Frames", kinds.map((kind) => ({ value: kind, text: KINDS[kind] })), chosen.kind, (kind) => { chosen.kind = kind; redraw(); }),
        tables.chooser("Site in the table", found.sites.map((site, at) => ({ value: at, text: site.site })), chosen.site, (at) => { chosen.site = Number(at); redraw(); })),
      top, box, tables.notes("Notes on these numbers", [found.intervals, ...(found.notes || [])]),
    ];
  }

  // ---- frontier ------------------------------------------------------------------------------------------------

  function frontier() {
    const found = record.frontier;
    if (!found) return tables.why_not(record.parts.scores, "scores to draw a frontier of");
    const lines = [...new Set(found.points.map((one) => one.line))];
    const own = lines.filter((line) => found.points.some((one) => one.line === line && !one.is_baseline));
    const point = (one, give) => ({ x: one.l0, y: give(one) || {}, name: [one.name, one.site].filter(Boolean).join(", ") });
    const series = (give) => [...own, ...lines.filter((line) => !own.includes(line))].map((line) =>
      ({ label: called(line), points: found.points.filter((one) => one.line === line).map((one) => point(one, give)) }));
    const common = { x_label: "Active features a frame (L0)", is_line: found.is_sweep };
    return [
      el("p", {}, found.is_sweep
        ? ["Dictionaries of ", otoscope.data_text(found.site), " at many sparsities. Up and to the left is better for explained variance, down and to the left is better for errors."]
        : ["This study has no sweep over sparsities. Shown are its own dictionaries, one for each site, beside baselines with about as many active features. ",
          "They belong to different sites, so they are not one frontier."]),
      el("div", { class: "small-multiples" },
        tables.points({ title: "Explained variance", y_label: "explained variance", series: series((one) => ({ value: one.explained_variance })), ...common }),
        found.points.some((one) => one.wer)
          ? tables.points({ title: `Word error rate, ${otoscope.count(found.n_clips ?? 0, "clip")}`, y_label: "WER", series: series((one) => one.wer), ...common })
          : el("p", { class: "none" }, "Nothing was transcribed with reconstructions in place.")),
    ];
  }

  // ---- features ------------------------------------------------------------------------------------------------

  function features() {
    if (!record.features.length) return el("p", { class: "none" }, "The features of these dictionaries were not harvested.");
    const name = (one) => (one.name && one.kind !== "unclear" ? `${otoscope.phone_label(one.name)} (${one.feature})` : `feature ${one.feature}`);
    const link = (site) => (one) => el("li", {}, tables.feature_link({ ...site, feature: one.feature }, name(one)), one.auroc === null ? null : ` AUROC ${one.auroc.toFixed(2)}`);
    const counted = ({ n, n_named }) => (n_named === null
      ? `${otoscope.count(n, "feature")}; those with the highest kurtosis first`
      : `${n_named} of ${otoscope.count(n, "feature")} named after a phone, a pair or a class; best first`);
    return [
      el("div", { class: "grid" }, record.features.map((site) => el("div", { class: "card" }, el("h3", {}, otoscope.data_text(site.site)),
        el("p", { class: "quiet-text" }, counted(site)),
        site.features.length ? el("ul", { class: "features" }, site.features.map(link(site))) : el("p", { class: "none" }, "None is named.")))),
      el("p", {}, el("a", { href: "features.html" }, "All features, in a table to sort and filter")),
    ];
  }

  // ---- the page ------------------------------------------------------------------------------------------------

  async function render(main) {
    record = await otoscope.data("dictionaries");
    otoscope.know_phones(record.phone_names);
    main.append(
      otoscope.section("training", "Training", trained(), curves()),
      otoscope.section("scores", "Scores beside baselines", scores()),
      otoscope.section("frontier", "Frontier", frontier()),
      otoscope.section("features", "Their features", features(), tables.pictures(record.pictures)));
  }

  otoscope.page({
    name: "dictionaries", title: "Dictionaries", render, is_wide: true,
    lead: "Sparse dictionaries of the model's activations: their training, how much they keep compared with simple baselines, and what their features are.",
  });
})();
