/* The time axis of one recording: its layers, how wide it is, and what pointer and keys do. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const ZOOMS = [1, 2, 4, 8];
  const READABLE = 75; // pixels a second at which words can be read
  const MARK = 56; // pixels from one mark of seconds to the next
  const LABEL = 36; // pixels of a mark's words: the last one has room
  const NEAR = 40; // pixels from the edge at which a word counts as out of sight
  let wish = null; // the zoom that was asked for, kept from recording to recording

  const title = (word) => `${word.text}, ${listening.span(word.start_s, word.end_s)}`;
  const named = (word) => [el("span", { class: "extent" }), otoscope.data_text(word.text)];

  // Buttons that stretch the axis: {node, show(zoom)}.
  function zoomButtons(apply) {
    const buttons = ZOOMS.map((one) => el("button", { type: "button", on: { click: () => { wish = one; apply(one); } } }, one === 1 ? "Fit" : `${one}×`));
    const show = (zoom) => buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(ZOOMS[at] === zoom)));
    return { node: el("div", { class: "row", role: "group", "aria-label": "Stretch the time axis" }, buttons), show };
  }

  // Waveform and spectrogram; a click plays from there.
  function sound(record, play) {
    const from = (event) => play((event.clientX - event.currentTarget.getBoundingClientRect().left) / event.currentTarget.clientWidth * record.duration_s);
    return el("div", { class: "sound", title: "Play from here", on: { click: from } },
      listening.wave(record.waveform || { low: [], high: [] }),
      el("img", { class: "spectrogram", src: otoscope.file(record.spectrogram), alt: "Log-mel spectrogram: low frequencies at the bottom, light is loud" }),
      el("span", { class: "lane-name high", "aria-hidden": "true" }, "8 kHz"), el("span", { class: "lane-name low", "aria-hidden": "true" }, "0"));
  }

  // Words heard, as buttons, and words said, where they are known in time.
  function wordRows(record, { choose, show, rest }) {
    const said = ((record.said && record.said.words) || []).map(([start_s, end_s, text]) => ({ start_s, end_s, text }));
    const row = listening.word_row("heard", record.words, (word, at) => el("button", {
      type: "button", class: "word", "aria-pressed": "false", title: title(word),
      on: { click: () => choose(at), pointerenter: () => show(at), pointerleave: rest, focus: () => show(at), blur: rest },
    }, named(word)));
    row.node.setAttribute("role", "group");
    row.node.setAttribute("aria-label", "Words heard; arrow keys go from one to the next, space plays");
    const labels = listening.word_row("said", said, (word) => el("span", { class: "word", title: title(word) }, named(word)));
    return { row, labels, nodes: said.length ? [row.node, labels.node] : [row.node] };
  }

  // How wide the axis is: {zooms, draw()}; `placed` lays out what depends on it.
  function stretching(record, scroller, inner, placed) {
    let zoom = 1, width = 0, is_seen = false;
    const draw = () => {
      inner.style.setProperty("width", `${width * zoom}px`);
      placed(width * zoom);
    };
    const apply = (one) => {
      const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / Math.max(1, inner.clientWidth);
      zoom = one;
      zooms.show(one);
      draw();
      scroller.scrollLeft = is_seen ? middle * inner.clientWidth - scroller.clientWidth / 2 : 0;
      is_seen = true;
    };
    const zooms = zoomButtons(apply);
    new ResizeObserver(() => {
      if (!scroller.clientWidth || scroller.clientWidth === width) return;
      width = scroller.clientWidth;
      apply(wish || ZOOMS.find((one) => one * width / record.duration_s >= READABLE) || ZOOMS[ZOOMS.length - 1]);
    }).observe(scroller);
    return zooms.node;
  }

  // Arrow keys go from word to word, space plays, escape lets go.
  function keys(scroller, rows, state, { choose, play }) {
    scroller.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const last = rows.row.items.length - 1, now = state.chosen;
      const at = { ArrowRight: now === null ? 0 : Math.min(last, now + 1), ArrowLeft: now === null ? 0 : Math.max(0, now - 1), Home: 0, End: last }[event.key];
      if (event.key === "Escape") choose(null);
      else if (event.key === " ") play(state.chosen === null ? 0 : null);
      else if (at !== undefined && last >= 0) { choose(at); rows.row.items[at].focus({ preventScroll: true }); }
      else return;
      event.preventDefault();
    });
    scroller.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); }); // or the word would be clicked, too
  }

  // A line under the pointer tells the time.
  function pointing(record, inner, over) {
    inner.addEventListener("pointermove", (event) => {
      const box = inner.getBoundingClientRect();
      over.pointer(Math.min(record.duration_s, Math.max(0, (event.clientX - box.left) / box.width * record.duration_s)));
    });
    inner.addEventListener("pointerleave", () => over.pointer(null));
  }

  // Keep a word in sight.
  function reveal(record, scroller, word) {
    const at = (word.start_s + word.end_s) / 2 / record.duration_s * scroller.firstChild.clientWidth, { scrollLeft, clientWidth } = scroller;
    if (at < scrollLeft + NEAR || at > scrollLeft + clientWidth - NEAR) scroller.scrollLeft = at - clientWidth / 2;
  }

  // The axis: {node, zooms, choose(number|null), band(k|null), time(seconds|null)}. `act.choose` is told of a word,
  // `act.play` of a moment to play from, or of null for the chosen word.
  listening.axis = (record, act) => {
    const share = (time) => `${(100 * Math.min(1, Math.max(0, time / record.duration_s))).toFixed(3)}%`;
    const state = { chosen: null, k: null }, over = listening.overlays(record, share), area = el("div", { class: "sources" });
    const hint = record.words.length ? "Point at a word, or choose it, to see where the model listened." : "The model heard no words.";
    const show = (at) => area.replaceChildren(...(at === null ? [el("p", { class: "hint" }, hint)] : listening.sources(record, record.words[at], share)));
    const rows = wordRows(record, { choose: act.choose, show, rest: () => show(state.chosen) });
    const scale = el("div", { class: "scale", "aria-hidden": "true" });
    const inner = el("div", { class: "inner" }, sound(record, act.play), area, rows.nodes, scale, over.nodes);
    const scroller = el("div", { class: "axis", tabindex: "0", role: "region", "aria-label": "Time axis: waveform, spectrogram, words" }, inner);
    const zooms = stretching(record, scroller, inner, (width) => {
      [rows.row, rows.labels].forEach((row) => row.place(width / record.duration_s, width));
      scale.replaceChildren(...otoscope.ticks(0, record.duration_s * (1 - LABEL / width), width / MARK).map((at) => el("span", { style: { left: share(at) } }, `${at} s`)));
      if (state.chosen !== null) requestAnimationFrame(() => reveal(record, scroller, record.words[state.chosen]));
    });
    // How far a frame may attend: around the chosen word, or the middle.
    const band = () => {
      if (state.k === null) { over.band(null); return; }
      const word = record.words[state.chosen], middle = word ? (word.start_s + word.end_s) / 2 : record.duration_s / 2, reach = state.k * record.frame_s;
      over.band(Math.max(0, middle - reach), Math.min(record.duration_s, middle + reach), `seen from ${otoscope.seconds(middle)}`);
    };
    keys(scroller, rows, state, act);
    pointing(record, inner, over);
    show(null);
    return {
      node: scroller, zooms, time: over.now,
      band: (k) => { state.k = k; band(); },
      choose: (at) => {
        state.chosen = at;
        rows.row.items.forEach((item, place) => { item.setAttribute("aria-pressed", String(place === at)); item.tabIndex = place === (at ?? 0) ? 0 : -1; });
        show(at);
        band();
        if (at !== null && scroller.clientWidth) reveal(record, scroller, record.words[at]);
      },
    };
  };
})();
