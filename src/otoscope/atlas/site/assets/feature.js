/* The page of one feature, at a stable address: feature.html#SITE/BASIS/INDEX. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const SHARD = 20; // features in a record
  const SIGNS = { 1: "positive", "-1": "negative" };
  let table = null; // the record of all features
  let shown = null; // {group, site, basis, index} of the feature on the page
  let turn = 0;

  // ---- addresses -----------------------------------------------------------------------------------------------

  // The feature that an address names; null where it names none.
  function named(hash) {
    const parts = hash.replace(/^#/, "").split("/");
    if (parts.length !== 3 || !/^\d{1,9}$/.test(parts[2])) return null;
    try {
      const [site, basis] = parts.map(decodeURIComponent);
      return { site, basis, index: Number(parts[2]) };
    } catch { return null; }
  }

  const href = ({ site, basis }, index) => otoscope.feature_href(site, basis, index);

  // What is at an address, or an error in plain words.
  function find(wish) {
    if (wish === null) throw new Error("This address names no feature: it should be feature.html#SITE/BASIS/INDEX. Choose one on the Features page.");
    const group = table.groups.findIndex((one) => one.site === wish.site && one.basis === wish.basis);
    if (group < 0) throw new Error(`This study holds no features of “${wish.basis}” at “${wish.site}”.`);
    const { n } = table.groups[group];
    if (wish.index >= n) throw new Error(`There is no feature ${wish.index}: “${wish.basis}” at “${wish.site}” has ${n}, from 0 to ${n - 1}.`);
    return { ...wish, group, n };
  }

  // ---- what is known about it ----------------------------------------------------------------------------------

  // A value between 0 and 1 to three places, so that 0.9995 and 1 are not the same.
  const fixed = (x) => (typeof x === "number" ? (x < 1 ? Math.min(x, 0.999) : x).toFixed(3) : "–");

  // One number with what it means.
  const fact = (term, value, meaning) => el("div", {}, el("dt", {}, term), el("dd", {}, value), el("dd", { class: "hint" }, meaning));
  const scored = (name, auroc) => (name ? [otoscope.phone_text(name), ` ${fixed(auroc)}`] : "–");

  // Scores against phones, each with what chance would give.
  function score_facts(scores) {
    const sign = scores.sign < 0 ? "negative" : "positive", { number, percent } = otoscope;
    return [
      fact("AUROC", fixed(scores.auroc), ["Of the name, or of the best phone where it has none, on held-out clips; ", scores.sign ? `${sign} strengths. ` : "", `0.5 is chance; the best of all phones with shuffled labels, chosen on the frames that score it, ${number(scores.shuffled_auroc)}.`]),
      fact("Average precision", number(scores.average_precision), `Chance: ${number(scores.prevalence)}, the share of such frames.`),
      fact("Purity", [percent(scores.purity), scores.purity_phone ? [" ", otoscope.phone_text(scores.purity_phone)] : null], `Share of the strongest examples in their most common phone; with shuffled labels ${percent(scores.shuffled_purity)}.`),
      fact("Best phone", scored(scores.best_phone, scores.best_phone_auroc), "With its AUROC."),
      fact("Best pair", scored(scores.pair, scores.pair_auroc), "Two phones as one, with its AUROC."),
      fact("Best class", scored(scores.class, scores.class_auroc), "A class of phones, with its AUROC."),
      fact("Information", `${number(scores.information_bits)} bits`, `Information about the phone of a frame; with shuffled labels ${number(scores.shuffled_information_bits)}.`),
    ];
  }

  // Numbers of its strengths.
  function strength_facts(statistics) {
    const { number, percent } = otoscope;
    return [
      fact("Range", `${number(statistics.minimum)} to ${number(statistics.maximum)}`, `Least and greatest strength in ${Number(statistics.n_frames).toLocaleString("en")} frames of speech.`),
      fact("Density", percent(statistics.share_above_tenth, 1), "Share of speech frames above a tenth of the maximum."),
      fact("Kurtosis", number(statistics.kurtosis), "How rare and strong its peaks are: 0 for a normal distribution."),
    ];
  }

  // What a flag of polysemanticity rests on.
  function polysemantic(record) {
    return Object.entries(record.polysemantic || {}).filter(([, found]) => found).map(([sign, found]) =>
      el("p", { class: "flag" }, el("strong", {}, "Polysemantic"), ` (${SIGNS[sign]} strengths): in its strongest ranges `, otoscope.phone_text(found.top_phone),
        ` (${otoscope.percent(found.top_share)} of the peaks drawn), further down `, otoscope.phone_text(found.other_phone),
        ` (${otoscope.percent(found.other_share)} of those drawn there; AUROC ${otoscope.number(found.other_auroc)}).`));
  }

  // A section; its heading is no link, because the address is the feature's.
  const section = (id, title, short, ...children) =>
    el("section", { id, "aria-labelledby": `${id}-title`, dataset: { short } }, el("h2", { id: `${id}-title`, tabindex: "-1" }, title), ...children);

  // Other features that answer to the same phones.
  function nearest(found) {
    if (!found) return el("p", { class: "none" }, "Nearest features are found by phones, and this corpus has none.");
    if (!found.length) return el("p", { class: "none" }, "No feature responds to the same phones.");
    return [el("p", { class: "hint" }, "Features of all sites and bases whose mean strength by phone correlates most with this one's."),
      el("ol", { class: "nearest" }, found.map((one) => el("li", {},
        el("a", { href: href(one, one.feature) }, one.name ? [otoscope.phone_text(one.name), " "] : null, otoscope.data_text(otoscope.feature_name(one.site, one.basis, one.feature))),
        ` r = ${otoscope.number(one.similarity, 2)}`)))];
  }

  // ---- the page ------------------------------------------------------------------------------------------------

  // Links to the features beside it, and back to all.
  function beside(at) {
    const step = (index, text, key) => (index < 0 || index >= at.n ? el("span", { class: "step", "aria-disabled": "true" }, text)
      : el("a", { class: "step", href: href(at, index), rel: key === "j" ? "next" : "prev", title: `Key ${key}` }, text));
    return el("nav", { class: "row beside", "aria-label": "Features beside it" }, step(at.index - 1, "← Previous", "k"), step(at.index + 1, "Next →", "j"),
      el("a", { href: "features.html" }, "All features"), el("span", { class: "hint keys" }, "Keys: ", el("kbd", {}, "k"), " previous, ", el("kbd", {}, "j"), " next"));
  }

  // Buttons that go to a part of the page; the address stays the feature's.
  function parts(body) {
    const go = (part) => () => { part.scrollIntoView(); part.querySelector("h2").focus({ preventScroll: true }); };
    return el("div", { class: "row parts", role: "group", "aria-label": "Parts of this page" },
      [...body.querySelectorAll("section")].map((part) => el("button", { type: "button", class: "quiet", on: { click: go(part) } }, part.dataset.short)));
  }

  // Signs that the feature has examples of, the one that it is judged by first, but the floor of a GELU last.
  function signs_of(record) {
    const found = Object.keys(record.ranges).map(Number).filter((sign) => record.examples.some((one) => one.sign === sign));
    return (found.length ? found : [1]).sort((a, b) => (record.scores && record.scores.sign < 0 && !record.negative_is_floor ? a - b : b - a));
  }

  // Whether it is told by its weakest strengths, at the floor of a GELU: where it falls silent.
  const is_told_by_silence = (record) => Boolean(record.negative_is_floor && record.scores && record.scores.sign < 0);

  // Phones by range of strength, where the corpus has phones.
  function ranges(record, sign) {
    const has_phones = record.scores || record.examples.some((one) => one.phone !== null);
    return has_phones ? otoscope.feature_charts.ranges(record.ranges[String(sign)] || [], sign) : el("p", { class: "none" }, "This corpus has no phones.");
  }

  // Everything of a sign that the feature is not judged by; folded away where it tells nothing.
  function other_sign(record, sign) {
    const by_range = otoscope.feature_examples.by_range(record, sign), word = SIGNS[sign], title = `${word[0].toUpperCase()}${word.slice(1)}`;
    const all = [el("h3", {}, "The strongest"), otoscope.feature_examples.top(record, sign), el("h3", {}, "Phones by range"), ranges(record, sign),
      by_range ? [el("h3", {}, "From each range"), by_range] : null];
    const folded = () => el("details", {}, el("summary", {}, `Show them: none is below ${otoscope.number(record.statistics.minimum, 2)}`),
      el("p", { class: "hint" }, "This neuron follows a GELU, which never falls below −0.17. Strengths near that floor say little about sounds."), all);
    return section(`examples-${sign}`, `${title} examples`, title, sign < 0 && record.negative_is_floor ? folded() : all);
  }

  // The examples and pictures of a feature, the most telling first; beside them the numbers.
  function build(record, key) {
    const [sign, ...others] = signs_of(record), by_range = otoscope.feature_examples.by_range(record, sign);
    const examples = section(`examples-${sign}`, "Strongest examples", "Examples",
      el("p", { class: "hint how" }, el("strong", {}, "Clip"), " plays two seconds; ", el("strong", {}, "Peak"), " plays them with the moment at full volume and the rest 20 dB lower."),
      otoscope.feature_examples.top(record, sign));
    const body = el("div", { class: "main" }, examples,
      section("ranges", "Phones by range of strength", "Phones by range", ranges(record, sign)),
      by_range ? section("by-range", "One example from each range", "By range", by_range) : null,
      section("strength", "Strength in speech, silence and padding", "Strength", otoscope.feature_charts.histogram(record.histogram)),
      others.map((other) => other_sign(record, other)));
    const side = el("aside", { class: "side", "aria-label": "Numbers, note and nearest features" },
      section("scores", "Scores", "Scores", polysemantic(record),
        el("dl", { class: "scores" }, record.scores ? score_facts(record.scores) : null, strength_facts(record.statistics)),
        record.scores ? null : el("p", { class: "none" }, "This corpus has no phones, so it cannot be said what the feature detects.")),
      section("note", "Your name and note", "Note", otoscope.notes.editor(key)),
      section("nearest", "Nearest features", "Nearest", nearest(record.nearest)));
    const found = el("div", { class: "feature" }, body, side);
    examples.after(parts(found));
    return found;
  }

  // Words in a row, as they are spoken of: she, station, shoes.
  const listed = (words) => words.map((word, at) => [at ? ", " : null, el("i", {}, otoscope.data_text(word))]);

  // What it sounds like: words under its peaks, or else words that its phone is usually explained by.
  function sounds_like(record) {
    const words = record.words.length ? record.words : String(record.name).split("/").flatMap((phone) => otoscope.phone_words(phone));
    return words.length ? el("span", { class: "as" }, ", as in ", listed(words)) : null;
  }

  // What stands for the name of a feature: its name, or the phone that it tells best.
  function called(record) {
    if (record.name) return [is_told_by_silence(record) ? "Weakest in " : null, otoscope.phone_text(record.name), sounds_like(record)];
    if (record.kind === "silent") return ["Silent feature"];
    const best = record.scores && record.scores.best_phone;
    return best ? [is_told_by_silence(record) ? "Weakest in " : "Best phone ", otoscope.phone_text(best)] : ["Feature ", String(record.feature)];
  }

  // The heading: what it is called, and a name of one's own beside it.
  function heading(record, key) {
    const mine = otoscope.notes.get(key).name;
    return [...called(record), mine ? [" ", el("span", { class: "mine" }, otoscope.data_text(mine))] : null];
  }

  // In a sentence or two, what is known of it.
  function known(record) {
    const { scores } = record, words = record.words.length && !record.name ? ["Words under its peaks: ", listed(record.words), "."] : null;
    if (record.kind === "silent") return el("p", { class: "known" }, "No frame of this corpus made it fire.");
    if (!scores) return words && el("p", { class: "known" }, words);
    const pure = !is_told_by_silence(record) && scores.purity_phone && otoscope.is_number(scores.purity) ? [`${otoscope.percent(scores.purity)} of its strongest examples are in `, otoscope.phone_text(scores.purity_phone), ". "] : null;
    const auroc = record.name ? `AUROC ${fixed(scores.auroc)} (chance: 0.5). ` : `No clear name: its AUROC for this phone is ${fixed(scores.auroc)} (chance: 0.5). `;
    return el("p", { class: "known" }, auroc, pure, words);
  }

  // Where it is, and the features beside it.
  const place_of = (at) => el("div", { class: "where" },
    el("p", { class: "lead" }, otoscope.data_text(at.site), " · ", otoscope.data_text(at.basis), ` · feature ${at.index}, of ${Number(at.n).toLocaleString("en")}`), beside(at));

  // Show the feature that the address names.
  async function show(main) {
    const mine = (turn += 1), h1 = main.querySelector("h1"), place = main.querySelector(".place");
    otoscope.player.stop();
    main.setAttribute("aria-busy", "true");
    try {
      const at = find(named(location.hash));
      const shard = await otoscope.data(`features/${at.group}/${Math.floor(at.index / SHARD)}`);
      const record = otoscope.feature_examples.read(shard, at.index), key = otoscope.notes.key(at.site, at.basis, at.index);
      if (mine !== turn) return;
      if (!record) throw new Error("The record of this feature is damaged: build the pages again.");
      shown = at;
      const title = () => h1.replaceChildren(...heading(record, key).flat().filter(Boolean));
      title();
      main.title_again = title;
      document.title = `${record.name ? otoscope.phone_label(record.name) : "Feature"} · ${otoscope.feature_name(at.site, at.basis, at.index)} · otoscope`;
      place.replaceChildren(...[known(record), place_of(at), build(record, key)].filter(Boolean));
    } catch (error) {
      if (mine !== turn) return;
      shown = null;
      h1.textContent = "Feature";
      place.replaceChildren(otoscope.problem(error), el("p", {}, el("a", { href: "features.html" }, "All features")));
    }
    main.removeAttribute("aria-busy");
  }

  // Follow the address; one that names no feature, such as a link to the content, leaves the page as it is.
  function follow(main) {
    if (shown && named(location.hash) === null) {
      history.replaceState(null, "", href(shown, shown.index));
      main.focus();
      return;
    }
    show(main).then(() => { window.scrollTo(0, 0); main.focus({ preventScroll: true }); });
  }

  // Keys that go to the feature before or after it.
  function pressed(event) {
    if (!shown || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, textarea, select, .scroller, [contenteditable]")) return;
    const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key], index = shown.index + (by || 0);
    if (!by || index < 0 || index >= shown.n) return;
    event.preventDefault();
    location.hash = href(shown, index).split("#")[1];
  }

  otoscope.page({
    name: "feature", title: "Feature", is_wide: true,
    render: async (main) => {
      main.append(el("div", { class: "place" }));
      table = await otoscope.data("features");
      otoscope.know_phones(table.phone_names);
      await otoscope.notes.open(table.study || location.pathname).catch((error) => main.append(otoscope.problem(error)));
      otoscope.notes.on_change(() => main.title_again && main.title_again());
      window.addEventListener("hashchange", () => follow(main));
      document.addEventListener("keydown", pressed);
      await show(main);
    },
  });
})();
