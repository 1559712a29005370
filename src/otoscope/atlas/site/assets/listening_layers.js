/* The layers of the time axis: outline of the sound, rows of words, where the model listened for one of them, and the
   lines over all. Places are shares of the width, so that it stretches; rows of words are laid out anew when it does. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const LANE = 30, LETTER = 8; // of the rows of words, in pixels
  const TALL = 80; // of the curves

  // The outline of the sound, the loudest moment as high as there is room.
  listening.wave = (waveform) =>
    svg("svg", { class: "wave", viewBox: `0 0 ${Math.max(1, waveform.high.length - 1)} 2`, preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("path", { d: listening.outline(waveform, (at) => at, (height) => 1 - height) }));

  // A row of words: {node, items, place(pixels a second, width)}; `make` gives each word its element.
  listening.word_row = (name, words, make) => {
    const items = words.map(make), node = el("div", { class: `word-row ${name}` }, items, el("span", { class: "lane-name", "aria-hidden": "true" }, name));
    const place = (scale, width) => {
      const places = listening.lanes(words, scale, LETTER, width);
      places.forEach(({ left, width: wide, from, long, lane }, at) => {
        const put = { left: `${left}px`, width: `${wide}px`, top: `${lane * LANE}px`, "--from": `${from}px`, "--long": `${long}px` };
        Object.entries(put).forEach(([key, value]) => items[at].style.setProperty(key, value));
      });
      node.style.setProperty("height", `${LANE * Math.max(1, ...places.map((one) => one.lane + 1))}px`);
    };
    return { node, items, place };
  };

  // A way's curve over the frames.
  function curve(record, { way, colour, dash }, word) {
    const points = Array.from(otoscope.decode(word.ways[way].curve), (one, at) => `${(1000 * (at + 0.5) * record.frame_s).toFixed(0)},${(TALL - 2 - (TALL - 8) * one / 255).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), style: { stroke: `var(${colour})`, "stroke-dasharray": dash } });
  }

  // A way's stretch and peak on a line of their own.
  function strip({ way, colour, sign, name }, word, share) {
    const { peak_s, stretch_s: [start_s, stop_s] } = word.ways[way];
    return el("div", { class: "strip", title: `${name}: most at ${otoscope.seconds(peak_s)}, stretch ${listening.span(start_s, stop_s)}`, style: { "--colour": `var(${colour})` } },
      el("span", { class: `stretch ${way}`, style: { left: share(start_s), width: share(stop_s - start_s) } }),
      el("span", { class: "peak", style: { left: share(peak_s) } }, sign));
  }

  // Where the model listened for a word: its true time, a curve for each way, beneath them stretches and peaks.
  listening.sources = (record, word, share) => {
    const known = listening.known_ways(word);
    const told = known.map(({ way, name }) => `${name} most at ${otoscope.seconds(word.ways[way].peak_s)}`).join(", ");
    const spoken = word.true_s ? [el("div", { class: "true", title: "said here, by the labels", style: { left: share(word.true_s[0]), width: share(word.true_s[1] - word.true_s[0]) } })] : [];
    return [...spoken,
      svg("svg", { class: "curves", viewBox: `0 0 ${1000 * record.duration_s} ${TALL}`, preserveAspectRatio: "none", role: "img",
        "aria-label": `Where the model listened for “${word.text}”: ${told}` }, known.map((way) => curve(record, way, word))),
      ...known.map((way) => strip(way, word, share))];
  };

  // What lies over all layers: {nodes, now(s|null), pointer(s|null), band(from_s, to_s, words) or band(null)}.
  listening.overlays = (record, share) => {
    const now = el("div", { class: "now", hidden: true }), pointer = el("div", { class: "pointer", hidden: true, "aria-hidden": "true" }, el("span", {}));
    const band = el("div", { class: "band", hidden: true }, el("span", {}));
    const at = (line, time) => { line.hidden = time === null; if (time !== null) line.style.setProperty("left", share(time)); };
    return {
      nodes: [band, pointer, now],
      now: (time) => at(now, time),
      pointer: (time) => {
        at(pointer, time);
        pointer.classList.toggle("late", time > record.duration_s * 0.85);
        pointer.firstChild.textContent = otoscope.seconds(time);
      },
      band: (from_s, to_s, words) => {
        band.hidden = from_s === null;
        if (from_s === null) return;
        band.style.setProperty("left", share(from_s));
        band.style.setProperty("width", share(to_s - from_s));
        band.firstChild.textContent = words;
      },
    };
  };
})();
