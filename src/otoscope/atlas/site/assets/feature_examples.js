/* Examples of a feature: a strip of spectrogram with the strength drawn on it, the words around the moment, and two
   buttons, the clip and the clip with its peak brought out. What is far down the page is built when it comes near. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const examples = (otoscope.feature_examples = {});
  const AROUND_S = 1; // shown on both sides of the moment
  const AT_FIRST = 6; // of the strongest, before more are asked for

  // A feature's record from its shard, its examples as one object each: there they are columns, clips and pieces apart.
  examples.read = (shard, index) => {
    const record = shard.features[String(index)];
    if (!record) return null;
    const columns = record.examples, names = Object.keys(columns);
    const rows = columns.sign.map((_, at) => {
      const row = Object.fromEntries(names.map((name) => [name, columns[name][at]])), { at_s } = row;
      const [clip, speaker, words] = shard.clips[row.clip], [first, at_word, next, stop] = row.words, [piece, length_s] = row.piece === null ? [null, 0] : shard.pieces[row.piece];
      return {
        ...row, clip, speaker, before: words.slice(first, at_word).join(" "), word: at_word < next ? words[at_word] : null,
        after: words.slice(next, stop).join(" "), piece, start_s: Math.max(0, at_s - AROUND_S), stop_s: Math.min(length_s, at_s + AROUND_S),
        trace: row.values === null ? null : { first_s: row.first_s, step_s: shard.step_s, values: row.values },
      };
    });
    const { histogram } = record, n = histogram.speech.length;
    const edges = n ? shard.edges.slice(histogram.first, histogram.first + n + 1) : [];
    return { ...record, histogram: { ...histogram, edges }, examples: rows };
  };

  // Words around a moment, the one at the moment marked.
  function words({ before, word, after }) {
    if (!before && !after && word === null) return el("p", { class: "words quiet-text" }, "No words are known here.");
    const middle = el("mark", {}, word === null ? "–" : otoscope.data_text(word));
    if (word === null) middle.title = "between words";
    return el("p", { class: "words" }, before ? [otoscope.data_text(before), " "] : null, middle, after ? [" ", otoscope.data_text(after)] : null);
  }

  // The strip of an example; two seconds, the moment in the middle, also where the clip starts or ends in them.
  function strip(example) {
    const { piece, trace } = example, at_s = piece === null ? example.seconds : example.at_s;
    if (piece === null && trace === null) return null;
    return otoscope.strip({
      spectrogram: piece === null ? null : `sounds/${piece}.png`, start_s: at_s - AROUND_S, stop_s: at_s + AROUND_S, marker_s: at_s,
      curve: trace && { first_s: trace.first_s, step_s: trace.step_s, values: otoscope.levels(trace.values) },
      label: `Spectrogram of 2 seconds, low frequencies at the bottom, and the feature's strength over it: ${otoscope.number(example.strength)} at the middle`,
    });
  }

  // The two buttons.
  function buttons(example, shown) {
    if (example.piece === null) return el("p", { class: "hint" }, "The sound of this example was not kept.");
    const { start_s, stop_s, at_s } = example;
    const wish = { file: `sounds/${example.piece}.ogg`, start_s, stop_s, on_time: (time_s) => shown.show_time(time_s), on_end: () => shown.show_time(null) };
    return el("div", { class: "row" },
      otoscope.player.button({ ...wish, label: "Clip", peak_s: null, title: "Play the two seconds around the moment" }),
      otoscope.player.button({ ...wish, label: "Peak", peak_s: at_s, title: "Play the moment at full volume and the rest 20 dB lower" }));
  }

  // A card of one example; `head` tells what it is an example of.
  examples.card = (example, number, head = null) => {
    const shown = strip(example), phone = example.phone === null ? null : otoscope.phone_text(example.phone);
    return el("article", { class: "card example", "aria-label": `Example ${number}: strength ${otoscope.number(example.strength)}` },
      head ? el("p", { class: "head" }, head) : null, shown, words(example),
      el("p", { class: "meta" }, phone ? el("span", { class: "tag phone", title: "The phone at the moment" }, phone) : null,
        el("span", {}, el("span", { class: "what" }, "strength "), el("strong", {}, otoscope.number(example.strength)))),
      el("p", { class: "meta quiet-text" }, otoscope.data_text(example.clip), ` at ${otoscope.number(example.seconds, 4)} s`,
        example.speaker === null ? null : [", ", otoscope.data_text(example.speaker)]),
      buttons(example, shown));
  };

  // Cards beside one another.
  const cards = (found, head) => found.map((one, at) => examples.card(one, at + 1, head && head(one)));

  // Cards that are built when they come near the window.
  function later(found, head = null) {
    const box = el("div", { class: "examples waiting", style: { "--n": String(found.length) } });
    const build = () => { box.classList.remove("waiting"); box.replaceChildren(...cards(found, head)); };
    const watch = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) { watch.disconnect(); build(); }
    }, { rootMargin: "600px" });
    watch.observe(box);
    return box;
  }

  const SIGNS = { 1: "positive", "-1": "negative" };

  // The strongest examples of a sign: the first few at once, the others when they are asked for.
  examples.top = (record, sign) => {
    const found = record.examples.filter((one) => one.sign === sign && one.kind === "top");
    if (!found.length) return el("p", { class: "none" }, `This feature has no ${SIGNS[sign]} example.`);
    const first = el("div", { class: "examples first" }, cards(found.slice(0, AT_FIRST)));
    if (found.length <= AT_FIRST) return first;
    const box = el("div", {});
    const button = el("button", { type: "button", on: { click: () => box.replaceChildren(later(found.slice(AT_FIRST))) } }, `Show ${found.length - AT_FIRST} more`);
    box.append(el("p", {}, button));
    return [first, box];
  };

  // Examples drawn from each range of strength, the strongest range first; null if none were drawn.
  examples.by_range = (record, sign) => {
    const found = record.examples.filter((one) => one.sign === sign && one.kind === "width").sort((a, b) => a.range - b.range);
    const ranges = record.ranges[String(sign)] || [];
    const head = (one) => {
      const range = ranges.find((each) => each.range === one.range), text = otoscope.feature_charts.range_text(range, sign);
      return [el("strong", {}, text || `range ${one.range + 1}`), range ? ` one of ${otoscope.count(range.n_peaks, "peak")}` : null];
    };
    return found.length ? later(found, head) : null;
  };
})();
