/* One time axis for a live answer: waveform, spectrogram, words, where a word came from, and how strong a feature was. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const { listening } = otoscope;
  const live = (otoscope.live_page = otoscope.live_page || {});
  const HEIGHT = 204, MIDDLE = 35, SWING = 32; // the waveform above, the spectrogram beneath it, curves below
  const BANDS = { y: 72, height: 64 };
  const FLOOR = 196, RISE = 46;
  const NEAR_S = 0.1; // a feature may answer a little before or after its word
  const LETTER = 8.6; // pixels of a letter of a word

  // A curve over frames as a line.
  function line(values, frame_s, scale) {
    const points = Array.from(values, (value, i) => `${((i + 0.5) * frame_s * scale).toFixed(1)},${(FLOOR - (value / 255) * RISE).toFixed(1)}`);
    return points.join(" ");
  }

  // Marks of seconds along the axis.
  function ticks(duration_s, scale) {
    const times = otoscope.ticks(0, duration_s, Math.min(duration_s * scale / 60, duration_s / 0.5));
    return el("div", { class: "ticks", "aria-hidden": "true" },
      times.map((at) => el("span", { class: "tick", style: { "--at": `${at * scale}px` } }, `${at} s`)));
  }

  // The axis: {node, show_word(number), show_feature(row)}.
  live.axis = (answer, choose) => {
    const wide = Math.max(280, Math.min(document.getElementById("main").clientWidth - 60, 1150));
    const scale = Math.max(wide / answer.duration_s, Math.min(110, 4000 / answer.duration_s));
    const width = Math.ceil(answer.duration_s * scale);
    const { waveform } = answer, outline = listening.outline(waveform, (at) => at * waveform.step_s * scale, (height) => MIDDLE - height * SWING);
    const curves = svg("g", {}), wave = svg("path", { d: outline, class: "wave" });
    const picture = svg("svg", { width, height: HEIGHT, class: "axis", role: "img", "aria-label": "Waveform, spectrogram, and where the chosen word came from" },
      wave, svg("image", { href: answer.spectrogram, ...BANDS, x: 0, width, preserveAspectRatio: "none", class: "bands" }), svg("line", { x1: 0, x2: width, y1: FLOOR + 0.5, y2: FLOOR + 0.5, class: "floor" }), curves);
    const places = listening.lanes(answer.words, scale, LETTER);
    const buttons = answer.words.map((word, number) => el("button", {
      type: "button", class: "word", "aria-pressed": "false",
      style: { "--left": `${places[number].left}px`, "--width": `${places[number].width}px`, "--lane": places[number].lane },
      title: `${word.text}, ${otoscope.seconds(word.start_s)} to ${otoscope.seconds(word.end_s)}`,
      on: { click: () => choose(number) },
    }, otoscope.data_text(word.text)));
    const row = el("div", { class: "words", role: "group", "aria-label": "Words" }, buttons);
    row.style.setProperty("--lanes", Math.max(1, ...places.map((place) => place.lane + 1)));
    row.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], now = buttons.indexOf(document.activeElement);
      if (!step || now < 0 || !buttons[now + step]) return;
      event.preventDefault();
      buttons[now + step].focus();
      choose(now + step);
    });
    const inner = el("div", { class: "axis-inner", style: { width: `${width}px` } }, picture, ticks(answer.duration_s, scale), row);
    const node = el("div", { class: "scroller axis-scroller", tabindex: "0", role: "region", "aria-label": "The recording in time" }, inner);

    // One curve with its peak and stretch.
    const draw = ({ curve, peak_s, stretch_s }, colour, dash) => {
      const fill = `var(${colour})`, points = line(otoscope.decode(curve), answer.frame_s, scale);
      if (stretch_s) {
        const [from, to] = stretch_s.map((at) => at * scale);
        curves.append(svg("rect", { x: from, width: Math.max(2, to - from), y: FLOOR - RISE - 4, height: RISE + 4, fill, opacity: 0.12 }));
      }
      curves.append(svg("polyline", { points, fill: "none", stroke: fill, "stroke-width": 2, "stroke-dasharray": dash || null }),
        svg("path", { d: `M${peak_s * scale} ${FLOOR - RISE - 6}l-5 -7h10z`, fill }));
    };
    return {
      node,
      // Bring out a word and draw its curves, as many as are known.
      show_word: (number) => {
        buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === number)));
        curves.replaceChildren();
        listening.known_ways(answer.words[number]).forEach(({ way, colour, dash }) => draw(answer.words[number].ways[way], colour, dash));
      },
      // Draw how strong a feature was.
      show_feature: (feature) => {
        buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
        curves.replaceChildren();
        draw(feature, "--c4", null);
      },
    };
  };

  // The word at a moment, or next to it; null where none is near.
  live.word_at = (words, time_s) => {
    const far = (word) => Math.max(word.start_s - time_s, time_s - word.end_s, 0);
    const [nearest] = [...words].sort((a, b) => far(a) - far(b));
    return nearest && far(nearest) <= NEAR_S ? nearest : null;
  };

  // The recording as it lies above the curves of features: its spectrogram, and its words beneath.
  live.lane = ({ words, spectrogram, duration_s }) => {
    const share = (time_s) => `${(100 * Math.min(1, time_s / duration_s)).toFixed(2)}%`;
    const labels = words.map((word, at) => {
      const end_s = at + 1 < words.length ? words[at + 1].start_s : duration_s;
      return el("span", { title: word.text, style: { left: share(word.start_s), width: share(Math.max(0, end_s - word.start_s)) } }, otoscope.data_text(word.text));
    });
    return el("div", { class: "lane" }, el("img", { src: spectrogram, alt: "Spectrogram of the recording, low frequencies at the bottom" }), el("div", { class: "labels", "aria-hidden": "true" }, labels));
  };
})();
