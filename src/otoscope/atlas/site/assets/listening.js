/* Listening: one recording on one time axis, and where the model listened for each of its words. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const WAYS = [["attention", "--c1", ""], ["relevance", "--c2", "6 3"], ["perturbation", "--c3", "2 3"]];
  const NAMES = { attention: "attention (alignment heads)", relevance: "relevance (gradients)", perturbation: "silencing" };
  const ZOOMS = [1, 2, 4, 8];
  const HEIGHT = { wave: 56, picture: 120, curves: 90 };
  let record = null, chosen = null, zoom = 1, k_at = 0;
  const parts = {};

  // Words that differ between two texts, by their longest common sequence; marked as ins and del.
  function difference(before, after) {
    const a = before.split(/\s+/).filter(Boolean), b = after.split(/\s+/).filter(Boolean);
    const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    const shown = [];
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { shown.push(otoscope.data_text(a[i])); i += 1; j += 1; }
      else if (j < b.length && (i === a.length || table[i][j + 1] >= table[i + 1][j])) { shown.push(el("ins", {}, otoscope.data_text(b[j]))); j += 1; }
      else { shown.push(el("del", {}, otoscope.data_text(a[i]))); i += 1; }
      shown.push(" ");
    }
    return el("span", { class: "difference" }, shown.length ? shown : "(nothing)");
  }

  const share = (time) => `${(100 * time / record.duration_s).toFixed(3)}%`;

  // ---- the time axis -------------------------------------------------------------------------------------------

  // The outline of the sound.
  function wave() {
    const { low, high } = record.waveform, n = low.length;
    const path = high.map((y, at) => `${at ? "L" : "M"}${at} ${(1 - y).toFixed(3)}`).join("") + low.map((_, at) => `L${n - 1 - at} ${(1 - low[n - 1 - at]).toFixed(3)}`).join("") + "Z";
    return svg("svg", { class: "wave", viewBox: `0 0 ${Math.max(1, n - 1)} 2`, preserveAspectRatio: "none", "aria-hidden": "true", style: { height: `${HEIGHT.wave}px` } }, svg("path", { d: path }));
  }

  // Seconds beneath the axis.
  function scale() {
    const step = [0.1, 0.2, 0.5, 1, 2, 5].find((one) => record.duration_s / one <= 8 * zoom) || 10;
    const ticks = [];
    for (let at = 0; at <= record.duration_s + 1e-6; at += step) ticks.push(el("span", { style: { left: share(at) } }, `${Number(at.toFixed(2))} s`));
    return el("div", { class: "scale", "aria-hidden": "true" }, ticks);
  }

  // The words, each a button at its time.
  function wordRow() {
    return el("div", { class: "words", role: "group", "aria-label": "Words heard, in time" }, record.words.map((word, at) => el("button", {
      type: "button", class: "word", "aria-pressed": "false", dataset: { at },
      style: { left: share(word.start_s), width: share(Math.max(0.02, word.end_s - word.start_s)) },
      title: `${word.start_s.toFixed(2)} to ${word.end_s.toFixed(2)} s`,
      on: { click: () => choose(at), pointerenter: () => show(at), focus: () => show(at), pointerleave: () => show(chosen) },
    }, otoscope.data_text(word.text))));
  }

  // The three curves of a word over the axis, with their stretches and peaks.
  function curves(word) {
    const width = 1000, tall = HEIGHT.curves, x = (time) => width * time / record.duration_s;
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${tall}`, preserveAspectRatio: "none", role: "img", "aria-label": `Where the model listened for ${word.text}: ${WAYS.map(([way]) => `${NAMES[way]} ${otoscope.seconds((word.ways[way] || {}).peak_s)}`).join(", ")}`, style: { height: `${tall}px` } });
    if (word.true_s) drawn.append(svg("rect", { class: "true", x: x(word.true_s[0]), width: x(word.true_s[1] - word.true_s[0]), y: 0, height: tall }));
    WAYS.forEach(([way, colour, dash], place) => {
      const found = word.ways[way];
      if (!found) return;
      const values = otoscope.decode(found.curve), d = Array.from(values, (one, at) => `${at ? "L" : "M"}${x((at + 0.5) * record.frame_s).toFixed(1)} ${(tall - 8 - (tall - 22) * one / 255).toFixed(1)}`).join("");
      drawn.append(svg("path", { d, class: "curve", style: { stroke: `var(${colour})`, "stroke-dasharray": dash } }),
        svg("line", { x1: x(found.stretch_s[0]), x2: x(found.stretch_s[1]), y1: tall - 6 + 2 * place, y2: tall - 6 + 2 * place, style: { stroke: `var(${colour})`, "stroke-width": "2" } }),
        svg("path", { d: `M${x(found.peak_s)} 10l4 -7h-8z`, style: { fill: `var(${colour})` } }));
    });
    return drawn;
  }

  // Show a word's sources without choosing it.
  function show(at) {
    parts.curves.replaceChildren(at === null ? el("p", { class: "hint" }, record.words.length ? "Point at a word, or choose it, to see where the model listened." : "The model heard no word.") : curves(record.words[at]));
  }

  // Choose a word: its sources stay, its stretches play, its splice is shown.
  function choose(at) {
    chosen = at;
    parts.row.querySelectorAll(".word").forEach((one) => one.setAttribute("aria-pressed", String(Number(one.dataset.at) === at)));
    history.replaceState(null, "", `#${record.key}${at === null ? "" : `/word-${at}`}`);
    show(at);
    parts.about.replaceChildren(...(at === null ? [] : about(record.words[at])));
    spliced();
    band();
  }

  // What is known of the chosen word.
  function about(word) {
    const rows = WAYS.filter(([way]) => word.ways[way]).map(([way, colour, dash]) => [way, colour, dash, word.ways[way]]);
    return [
      el("h3", {}, otoscope.data_text(word.text), ` at ${word.start_s.toFixed(2)}–${word.end_s.toFixed(2)} s`),
      el("p", { class: "hint" }, `log-probability ${otoscope.number(word.log_probability)}`, word.true_s ? `; said at ${word.true_s[0].toFixed(2)}–${word.true_s[1].toFixed(2)} s by the labels (shaded)` : ""),
      otoscope.table({ caption: "Three ways to ask where a word came from", rows, columns: [
        { label: "Way", render: ([way, colour, dash]) => el("span", {}, svg("svg", { class: "key", viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, style: { stroke: `var(${colour})`, "stroke-width": "3", "stroke-dasharray": dash } })), ` ${NAMES[way]}`) },
        { label: "Peak", numeric: true, render: (row) => otoscope.seconds(row[3].peak_s) },
        { label: "Stretch", numeric: true, render: (row) => `${row[3].stretch_s[0].toFixed(2)}–${row[3].stretch_s[1].toFixed(2)} s` },
        { label: "Hear it", render: (row) => playing("Play", row[3].stretch_s[0], row[3].stretch_s[1]) },
      ] }),
    ];
  }

  // A button that plays a stretch and moves the line on the axis.
  const playing = (label, start_s, stop_s) => otoscope.player.button({
    label, file: record.sound, start_s, stop_s,
    on_time: (time) => { parts.now.hidden = false; parts.now.style.left = share(time); }, on_end: () => { parts.now.hidden = true; },
  });

  // Left and right go from word to word, escape lets go.
  function keys(event) {
    if (event.target.matches("input, select, textarea")) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && record.words.length) {
      const at = chosen === null ? 0 : Math.min(record.words.length - 1, Math.max(0, chosen + step));
      choose(at);
      parts.row.querySelectorAll(".word")[at].focus();
      event.preventDefault();
    } else if (event.key === "Escape") choose(null);
  }

  // The frames that a frame may attend to, around the chosen word or the middle.
  function band() {
    const k = (record.windows[k_at] || {}).k, word = chosen === null ? null : record.words[chosen];
    parts.band.hidden = k === null || k === undefined;
    if (parts.band.hidden) return;
    const middle = word ? (word.start_s + word.end_s) / 2 : record.duration_s / 2, reach = k * record.frame_s;
    parts.band.style.left = share(Math.max(0, middle - reach));
    parts.band.style.width = share(Math.min(record.duration_s, middle + reach) - Math.max(0, middle - reach));
  }

  function axis() {
    parts.row = wordRow();
    parts.curves = el("div", { class: "curves" });
    parts.now = el("div", { class: "now", hidden: true });
    parts.band = el("div", { class: "band", hidden: true });
    const inner = el("div", { class: "inner" }, parts.band, wave(),
      el("img", { class: "spectrogram", src: otoscope.file(record.spectrogram), alt: "Log-mel spectrogram, low frequencies at the bottom, light is loud", style: { height: `${HEIGHT.picture}px` } }),
      parts.curves, parts.row, scale(), parts.now);
    parts.axis = el("div", { class: "axis", tabindex: "0", role: "region", "aria-label": "Time axis; arrow keys go from word to word", on: { keydown: keys } }, inner);
    const zooms = el("div", { class: "row", role: "group", "aria-label": "Zoom" }, ZOOMS.map((one) => el("button", {
      type: "button", "aria-pressed": String(one === zoom), on: { click: (event) => {
        zoom = one;
        inner.style.width = `${100 * one}%`;
        inner.querySelector(".scale").replaceWith(scale());
        event.target.parentNode.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button === event.target)));
      } } }, one === 1 ? "Fit" : `${one}×`)));
    inner.style.width = `${100 * zoom}%`;
    return [el("div", { class: "row" }, playing("Play all", 0, record.duration_s), zooms), parts.axis,
      el("div", { class: "legend" }, WAYS.map(([way, colour, dash]) => el("span", {}, svg("svg", { class: "key", viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, style: { stroke: `var(${colour})`, "stroke-width": "3", "stroke-dasharray": dash } })), ` ${NAMES[way]}`)))];
  }

  // ---- what is heard otherwise ---------------------------------------------------------------------------------

  // The slider over the attention window.
  function slider() {
    const rows = [...record.windows].sort((a, b) => (a.k ?? Infinity) - (b.k ?? Infinity)), free = rows.find((row) => row.k === null) || { text: record.heard.text };
    const text = el("p", { class: "transcript", "aria-live": "polite" }), label = el("output", {});
    const move = (place) => {
      const row = rows[place];
      k_at = record.windows.indexOf(row);
      label.textContent = row.k === null ? "no limit" : `k = ${row.k} frames on either side (${(row.k * record.frame_s).toFixed(2)} s)`;
      text.replaceChildren(difference(free.text, row.text));
      band();
    };
    const input = el("input", { type: "range", min: 0, max: rows.length - 1, step: 1, value: rows.length - 1, id: "k", on: { input: (event) => { move(Number(event.target.value)); input.setAttribute("aria-valuetext", label.textContent); } } });
    move(rows.length - 1);
    return otoscope.section("window", "When frames attend to their neighbours alone", el("div", { class: "row" }, el("label", { for: "k" }, "Attention window "), input, label), text,
      el("p", { class: "hint" }, "Struck out: gone from the transcript without a limit. Underlined: new."));
  }

  // What is heard without the chosen word's frames.
  function spliced() {
    const word = chosen === null ? null : record.words[chosen];
    parts.spliced.replaceChildren(word && word.spliced ? el("p", { class: "transcript" }, "Without the frames of “", otoscope.data_text(word.text), "”: ", difference(record.heard.text, word.spliced.text))
      : el("p", { class: "hint" }, "Choose a word: its frames in the encoder's output are replaced by those of padding."));
  }

  // ---- the map and the heads -----------------------------------------------------------------------------------

  function map() {
    const found = record.relevance_map, span_s = found.n_frames * record.frame_s;
    const told = el("p", { class: "hint", "aria-live": "off" }, "\u00a0");
    const image = el("img", { src: otoscope.file(found.file), alt: "Relevance map: each row is a frame that listens, each column a frame it listens to", on: { pointermove: (event) => {
      const box = event.target.getBoundingClientRect(), at = (x, length) => Math.max(0, x / length) * span_s;
      told.textContent = `The frame at ${at(event.clientY - box.top, box.height).toFixed(2)} s listens to ${at(event.clientX - box.left, box.width).toFixed(2)} s`;
    } } });
    let size = 1;
    const zoomed = (by) => { size = Math.min(8, Math.max(1, size * by)); image.style.width = `${100 * size}%`; };
    const holder = el("div", { class: "map", tabindex: "0", role: "region", "aria-label": "Relevance map; scrolls when enlarged", on: { wheel: (event) => { if (event.ctrlKey) { event.preventDefault(); zoomed(event.deltaY < 0 ? 1.25 : 0.8); } } } }, image);
    return otoscope.section("map", "Relevance map",
      el("p", {}, `${otoscope.percent(found.share_within_25)} of the relevance to a frame of speech comes from within half a second; spread evenly it would be ${otoscope.percent(found.if_even)}.`),
      el("div", { class: "row" }, el("button", { type: "button", on: { click: () => zoomed(1.5) } }, "Zoom in"), el("button", { type: "button", on: { click: () => zoomed(1 / 1.5) } }, "Zoom out")),
      el("div", { class: "mapped" }, el("span", { class: "y" }, `↓ frame that listens, 0 to ${span_s.toFixed(2)} s`), holder, el("span", { class: "x" }, `→ frame listened to, 0 to ${span_s.toFixed(2)} s`)), told);
  }

  function heads() {
    if (!record.heads.length) return otoscope.section("heads", "How far each head listens", el("p", { class: "none" }, "There is no speech in this recording."));
    return otoscope.section("heads", "How far each head listens", otoscope.table({ caption: "Attended distance in this recording, by block and head of the encoder", rows: record.heads, columns: [
      { label: "Head", render: (row) => `block ${row.block}, head ${row.head}` },
      { label: "Median distance", numeric: true, render: (row) => otoscope.seconds(row.median_frames * record.frame_s) },
      { label: "Mean distance", numeric: true, render: (row) => otoscope.seconds(row.mean_frames * record.frame_s) },
      { label: "Within 0.5 s", numeric: true, render: (row) => el("span", { class: "bar" }, el("meter", { min: 0, max: 1, value: row.share_within_25, "aria-hidden": "true" }), ` ${otoscope.percent(row.share_within_25)}`) },
      { label: "Looks", render: (row) => (row.mean_offset_frames < 0 ? "back" : "ahead") },
      { label: "Local", render: (row) => (row.is_local ? "yes" : "no") },
    ] }));
  }

  // ---- the page ------------------------------------------------------------------------------------------------

  async function open(key, at) {
    record = await otoscope.data(`listening/${key}`);
    otoscope.player.stop();
    chosen = null;
    k_at = 0;
    parts.about = el("div", { class: "about" });
    parts.spliced = el("div", {});
    parts.body.replaceChildren(
      el("p", { class: "transcript" }, el("strong", {}, "Heard: "), otoscope.data_text(record.heard.text || "(nothing)")),
      record.said ? el("p", { class: "transcript" }, el("strong", {}, "Said: "), otoscope.data_text(record.said.text)) : "",
      ...axis(), parts.about, slider(), otoscope.section("splice", "Without a word's frames", parts.spliced), map(), heads());
    choose(at !== null && at < record.words.length ? at : null);
  }

  // The recording and word that an address names.
  function wanted(clips) {
    const [, key, at] = location.hash.match(/^#(\d+)(?:\/word-(\d+))?/) || [];
    return [clips.some((clip) => clip.key === key) ? key : clips[0].key, at === undefined ? null : Number(at)];
  }

  otoscope.page({
    name: "listening",
    title: "Listening",
    lead: "One recording at a time: what was heard, where the model listened for each word, and what it hears otherwise.",
    render: async (main) => {
      const list = await otoscope.data("listening");
      if (!list.clips.length) {
        main.append(el("p", { class: "none" }, "This study has no recordings to listen to: ", otoscope.data_text((list.parts.listening || {}).why || "none were asked for")));
        return;
      }
      const select = el("select", { id: "recording", on: { change: (event) => open(event.target.value, null) } }, list.clips.map((clip) => el("option", { value: clip.key }, `${clip.id} (${otoscope.seconds(clip.duration_s)}): ${String(clip.heard).slice(0, 60)}`)));
      parts.body = el("div", {});
      main.append(el("div", { class: "row" }, el("label", { for: "recording" }, "Recording"), select), parts.body);
      const go = async () => { const [key, at] = wanted(list.clips); select.value = key; if (record && record.key === key) choose(at); else await open(key, at); };
      window.addEventListener("hashchange", go);
      await go();
    },
  });
})();
