/* Compare: the findings of two studies side by side, each with its interval; what differs is marked. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, tables, is_number } = otoscope;
  const is_share = (side) => side && (side.unit === "share" || side.unit === "rate");
  const is_known = (side) => side && is_number(side.value);
  const has_interval = (side) => side && [side.value, side.low, side.high].every(is_number);

  // How the two intervals of a finding lie: apart is a difference that chance rarely produces.
  function apart([one, two]) {
    if (!has_interval(one) || !has_interval(two) || one.unit !== two.unit) return "not judged";
    return one.low > two.high || two.low > one.high ? "apart" : "overlap";
  }

  // The second value less the first.
  function difference([one, two]) {
    if (!is_known(one) || !is_known(two) || one.unit !== two.unit) return "–";
    const by = two.value - one.value, sign = by > 0 ? "+" : "";
    return `${sign}${is_share(one) ? `${otoscope.minus((100 * by).toFixed(1))} points` : otoscope.number(by)}`;
  }

  // The findings of one claim: those that are shares as a chart, all as a table.
  function claim(found, names) {
    const shares = found.findings.filter(({ sides }) => sides.some(is_known) && sides.every((one) => !is_known(one) || is_share(one)));
    const side = (place) => ({ label: names[place], numeric: true, render: ({ sides }) => otoscope.interval(sides[place], sides[place]?.unit) });
    const outcomes = (sides) => sides.map((one) => one?.outcome ?? "not tested");
    const verdicts = names.map((name, place) => [place ? "; " : "", otoscope.data_text(name), ": ", el("strong", {}, otoscope.data_text(found.verdicts[place] ?? "not tested"))]);
    return otoscope.section(found.id, found.title, el("p", {}, verdicts),
      shares.length ? tables.values({ title: `${found.title}: shares`, labels: shares.map((one) => one.short || one.question), x_label: "Share", y_label: "Finding", range: [0, 1],
        series: names.map((label, place) => ({ label, values: shares.map(({ sides }) => sides[place]) })) }) : null,
      tables.table({ caption: "All findings, with 95% intervals; outcomes in the order of the studies", rows: found.findings, columns: [
        { label: "Finding", render: (row) => otoscope.data_text(row.short || row.question) }, side(0), side(1),
        { label: "Difference", numeric: true, render: ({ sides }) => difference(sides) }, { label: "Intervals", render: ({ sides }) => apart(sides) },
        { label: "Outcomes", render: ({ sides }) => otoscope.data_text(outcomes(sides).join(", ")) }] }));
  }

  // What the two studies are of.
  const studies = (rows) => tables.table({ caption: "The two studies", rows, columns: [
    { label: "Model", render: (row) => otoscope.data_text(row.model) }, { label: "Corpus", render: (row) => otoscope.data_text(row.corpus) },
    { label: "Clips", numeric: true, render: (row) => otoscope.number(row.n_clips, 9) }, { label: "Settings", render: (row) => otoscope.data_text(row.preset || "–") },
    { label: "Word error rate (95% interval)", numeric: true, render: (row) => otoscope.interval(row.wer, "rate") }] });

  otoscope.page({
    name: "compare",
    title: "Compare",
    lead: "The findings of two studies side by side. Intervals that lie apart are a difference that chance rarely produces; among many findings a few may lie apart by chance.",
    render: async (main) => {
      const record = await otoscope.data("compare"), [one, two] = record.studies;
      const names = one.model === two.model ? record.studies.map((study, place) => `${study.model} on ${study.corpus}${one.corpus === two.corpus ? ` (${place + 1})` : ""}`) : [one.model, two.model];
      main.append(studies(record.studies), ...[
        record.is_same_corpus ? null : el("p", { class: "problem" }, "The studies are of different clips: a difference may be one of the clips, not of the models."),
        ...record.claims.map((found) => claim(found, names))].filter(Boolean));
    },
  });
})();
