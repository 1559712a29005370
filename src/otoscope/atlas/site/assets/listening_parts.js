/* What stands beneath the time axis: the chosen word, transcripts under limits and without a word, the heads. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const CELL = { width: 64, height: 38, left: 60, top: 24 }; // of the picture of heads
  const nothing = (text) => (String(text || "").trim() ? otoscope.data_text(text) : el("em", {}, "nothing"));

  // What was heard and what was said.
  listening.transcripts = (record) => el("dl", { class: "transcripts" },
    el("dt", {}, "Heard"), el("dd", {}, nothing(record.heard.text), listening.stopped(record.heard)),
    record.said ? [el("dt", {}, "Said"), el("dd", {}, nothing(record.said.text))] : null);

  // The lines and signs of the three ways.
  listening.legend = (record) => el("ul", { class: "legend" },
    listening.WAYS.map((way) => el("li", {}, listening.sample(way), el("strong", {}, way.name), `: ${way.more}`)),
    record.words.some((word) => word.true_s)
      ? el("li", {}, el("span", { class: "sample" }, el("span", { class: "true" })), el("strong", {}, "shaded"), ": the word's time by the labels") : null);

  // The chosen word: its place, its probability and its sources, each to hear.
  listening.about = (record, word, button) => {
    const known = listening.known_ways(word);
    const of = ({ way }) => word.ways[way];
    const sure = typeof word.log_probability === "number"
      ? `log-probability ${otoscope.number(word.log_probability)}, probability ${otoscope.percent(Math.exp(word.log_probability), 1)}` : "no probability is known";
    return [
      el("h2", {}, "“", otoscope.data_text(word.text), "”"),
      el("p", {}, `Heard ${listening.span(word.start_s, word.end_s)}`, word.true_s ? `, said ${listening.span(...word.true_s)} by the labels` : "", `; ${sure}.`),
      known.length ? otoscope.table({ caption: "Where the model listened for this word", rows: known, columns: [
        { label: "Way", render: (way) => [listening.sample(way), way.name] },
        { label: "Most at", numeric: true, render: (way) => otoscope.seconds(of(way).peak_s) },
        { label: "Stretch", numeric: true, title: "by attention the alignment's; otherwise around the peak, down to half of it", render: (way) => listening.span(...of(way).stretch_s) },
        { label: "Listen", render: (way) => {
          const play = button("Play", ...of(way).stretch_s);
          play.setAttribute("aria-label", `Play the stretch by ${way.name}`);
          return play;
        } },
      ] }) : el("p", { class: "none" }, "This model's words cannot be traced."),
    ];
  };

  // The slider over the attention window: `on_k` is told of the window, null for none.
  listening.windows = (record, on_k) => {
    const rows = [...record.windows].sort((a, b) => (a.k ?? Infinity) - (b.k ?? Infinity));
    if (rows.length < 2) return el("p", { class: "none" }, "No attention windows were tried on this recording.");
    const free = rows.find((row) => row.k === null) || rows[rows.length - 1];
    const text = el("p", { class: "transcript", "aria-live": "polite" }), label = el("output", { for: "window-k" }), errors = el("p", { class: "hint" });
    const input = el("input", { type: "range", id: "window-k", min: 0, max: rows.length - 1, step: 1, value: rows.length - 1 });
    const move = () => {
      const row = rows[Number(input.value)];
      label.textContent = row.k === null ? "unlimited" : `k = ${otoscope.count(row.k, "frame")} on either side (${otoscope.number(row.k * record.frame_s, 2)} s)`;
      input.setAttribute("aria-valuetext", label.textContent);
      text.replaceChildren(...[listening.difference(free.text, row.text, record.language), listening.stopped(row)].filter(Boolean));
      errors.textContent = row.n_words
        ? `${otoscope.count(row.errors, "word error")} against the ${otoscope.count(row.n_words, "word")} that were said (one recording, so no interval).` : "\u00a0";
      on_k(row.k);
    };
    input.addEventListener("input", move);
    move();
    const hint = (words) => el("span", { class: "hint" }, words);
    return el("div", {}, el("div", { class: "row slider" }, el("label", { for: "window-k" }, "Window"), hint("narrow"), input, hint("unlimited"), label), text, errors,
      el("p", { class: "hint" }, el("del", {}, "Struck out"), ": only in the unlimited transcript. ", el("ins", {}, "Underlined"), ": only in this one. ",
        "The band on the time axis is what a frame may attend to in each encoder block."));
  };

  // What is heard without the frames of a word.
  listening.without = (record, word) => {
    if (!record.words.some((one) => one.spliced)) return el("p", { class: "none" }, "No words were removed from this recording.");
    if (!word || !word.spliced) return el("p", { class: "hint" }, "Choose a word on the time axis to see the transcript without its frames.");
    const { start_s, stop_s, text, by } = word.spliced;
    const whence = by === "labels" ? ", its time by the labels" : ", its time by attention";
    return el("div", {}, el("p", {}, "Without this word's frames (“", otoscope.data_text(word.text), `”, ${listening.span(start_s, stop_s)}${whence}):`),
      el("p", { class: "transcript" }, listening.difference(record.heard.text, text, record.language), listening.stopped(word.spliced)));
  };

  // What a head is local by: frames and share, and the share of a head within them.
  function local(record) {
    const { within_frames, share } = record.local || { within_frames: 25, share: null };
    return { within: `${otoscope.number(within_frames * record.frame_s, 2)} s`, least: share, of: (one) => (record.local ? one.share_local : one.share_within_25) };
  }

  // Blocks by heads: the median distance in words and shade, the share that makes a head local as a bar.
  function picture(record) {
    const { width, height, left, top } = CELL, heads = record.heads;
    const across = 1 + Math.max(...heads.map((one) => one.head)), down = 1 + Math.max(...heads.map((one) => one.block));
    const near = local(record), most = Math.max(1e-9, ...heads.map((one) => one.median_frames ?? 0));
    const label = (x, y, text, anchor = "middle") => svg("text", { x, y, "text-anchor": anchor, class: "name" }, text);
    const wide = left + across * width, tall = top + down * height;
    const cells = heads.map((one) => {
      const x = left + one.head * width, y = top + one.block * height, share = near.of(one);
      const median = otoscope.seconds(one.median_frames === null ? null : one.median_frames * record.frame_s);
      const words = `block ${one.block}, head ${one.head}: median ${median}, ${otoscope.percent(share)} within ${near.within}`;
      return svg("g", { class: one.is_local ? "local" : null }, svg("title", {}, words),
        svg("rect", { class: "cell", x: x + 1.5, y: y + 1.5, width: width - 3, height: height - 3, rx: 3, style: { "fill-opacity": (0.05 + 0.45 * (one.median_frames ?? 0) / most).toFixed(3) } }),
        svg("text", { x: x + width / 2, y: y + 19, "text-anchor": "middle" }, `${median}${one.is_local ? " ●" : ""}`),
        svg("rect", { class: "rail", x: x + 8, y: y + height - 11, width: width - 16, height: 4 }),
        svg("rect", { class: "share", x: x + 8, y: y + height - 11, width: (width - 16) * Math.min(1, Math.max(0, share ?? 0)), height: 4 }));
    });
    const told = "How far each head of the encoder listens; the numbers are in the table beneath.";
    return svg("svg", { class: "heads", width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": told },
      Array.from({ length: across }, (_, at) => label(left + (at + 0.5) * width, top - 8, `head ${at}`)),
      Array.from({ length: down }, (_, at) => label(left - 8, top + (at + 0.5) * height + 4, `block ${at}`, "end")), cells);
  }

  // The heads of the encoder, as a picture and a table.
  listening.heads = (record) => {
    if (!record.heads.length) return el("p", { class: "none" }, "There is no speech in this recording to measure heads on.");
    const near = local(record);
    const seconds = (frames) => otoscope.seconds(typeof frames === "number" ? Math.abs(frames) * record.frame_s : null);
    const side = (frames) => (typeof frames !== "number" ? "–" : `${seconds(frames)} ${frames < 0 ? "back" : "ahead"}`);
    const table = otoscope.table({ caption: "Attended distance in this recording", rows: record.heads, columns: [
      { label: "Head", render: (one) => `block ${one.block}, head ${one.head}` },
      { label: "Median", numeric: true, render: (one) => seconds(one.median_frames) },
      { label: "Mean", numeric: true, render: (one) => seconds(one.mean_frames) },
      { label: `Within ${near.within}`, numeric: true, render: (one) => otoscope.percent(near.of(one)) },
      { label: "Looks on average", numeric: true, render: (one) => side(one.mean_offset_frames) },
      { label: "Local", render: (one) => (one.is_local ? "yes" : "no") },
    ] });
    return el("div", {}, el("p", {}, "In each cell the median distance between a frame of speech and what it attends to; the stronger the colour, the farther. ",
      `The bar: the share within ${near.within}. ● is a head that counts as local in this recording`,
      near.least === null ? "." : `: ${otoscope.percent(near.least)} or more of its attention within that.`,
      " Over many recordings, as on the Overview page, other heads may count."),
      otoscope.scrolls(el("div", { class: "scroller heads-scroller", tabindex: "0", role: "region", "aria-label": "Blocks and heads" }, picture(record))),
      el("details", {}, el("summary", {}, "The numbers"), table));
  };
})();
