/* One time axis for a live answer: waveform, words, where a word came from, and how strong a feature was. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const live = (otoscope.live_page = otoscope.live_page || {});
  const HEIGHT = 150, MIDDLE = 45, SWING = 40; // the waveform above, curves below
  const FLOOR = 142, RISE = 46;
  const LANE = 34, LETTER = 8.6;
  live.WAYS = {
    attention: { colour: "--c1", dash: null, label: "attention" },
    relevance: { colour: "--c2", dash: "7 4", label: "relevance" },
    perturbation: { colour: "--c3", dash: "2 3", label: "silencing" },
  };

  // The outline of a waveform as a path.
  function outline(waveform, scale) {
    const peak = Math.max(0.01, ...waveform.high, ...waveform.low.map(Math.abs));
    const place = (value, i) => `${(i * waveform.step_s * scale).toFixed(1)} ${(MIDDLE - (value / peak) * SWING).toFixed(1)}`;
    const up = waveform.high.map(place), down = waveform.low.map(place).reverse();
    return `M${[...up, ...down].join("L")}Z`;
  }

  // A curve over frames as a line.
  function line(values, frame_s, scale) {
    const points = Array.from(values, (value, i) => `${((i + 0.5) * frame_s * scale).toFixed(1)},${(FLOOR - (value / 255) * RISE).toFixed(1)}`);
    return points.join(" ");
  }

  // Marks of seconds along the axis.
  function ticks(duration_s, scale) {
    const step = [0.5, 1, 2, 5, 10].find((each) => each * scale >= 60) || 10;
    const marks = [];
    for (let at = 0; at <= duration_s + 1e-6; at += step) {
      marks.push(el("span", { class: "tick", style: { "--at": `${at * scale}px` } }, `${Number(at.toFixed(1))} s`));
    }
    return el("div", { class: "ticks", "aria-hidden": "true" }, marks);
  }

  // Put words into as few rows as lets none cover another.
  function lanes(words, scale) {
    const ends = [];
    return words.map((word) => {
      const left = word.start_s * scale;
      const width = Math.max((word.end_s - word.start_s) * scale, Math.min(180, word.text.length * LETTER + 18));
      let lane = ends.findIndex((end) => end + 3 <= left);
      if (lane < 0) lane = ends.length;
      ends[lane] = left + width;
      return { left, width, lane };
    });
  }

  // The axis: {node, show_word(number), show_feature(row|null), add_ways(number, ways)}.
  live.axis = (answer, choose) => {
    const wide = Math.max(280, Math.min(document.getElementById("main").clientWidth - 60, 1150));
    const scale = Math.max(wide / answer.duration_s, Math.min(110, 4000 / answer.duration_s));
    const width = Math.ceil(answer.duration_s * scale);
    const curves = svg("g", {}), wave = svg("path", { d: outline(answer.waveform, scale), class: "wave" });
    const picture = svg("svg", { width, height: HEIGHT, class: "axis", role: "img", "aria-label": "Waveform, and where the chosen word came from" },
      wave, svg("line", { x1: 0, x2: width, y1: FLOOR + 0.5, y2: FLOOR + 0.5, class: "floor" }), curves);
    const places = lanes(answer.words, scale);
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
    const draw = (values, colour, dash, peak_s, stretch) => {
      const parts = [svg("polyline", { points: line(values, answer.frame_s, scale), fill: "none", stroke: `var(${colour})`, "stroke-width": 2, "stroke-dasharray": dash })];
      if (stretch) parts.unshift(svg("rect", { x: stretch[0] * scale, width: Math.max(2, (stretch[1] - stretch[0]) * scale), y: FLOOR - RISE - 4, height: RISE + 4, fill: `var(${colour})`, opacity: 0.12 }));
      parts.push(svg("path", { d: `M${peak_s * scale} ${FLOOR - RISE - 6}l-5 -7h10z`, fill: `var(${colour})` }));
      curves.append(...parts);
    };
    return {
      node,
      // Bring out a word and draw its curves, as many as are known.
      show_word: (number) => {
        buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === number)));
        curves.replaceChildren();
        if (number === null) return;
        for (const [way, found] of Object.entries(answer.words[number].ways)) {
          const { colour, dash } = live.WAYS[way];
          draw(otoscope.decode(found.curve), colour, dash, found.peak_s, found.stretch_s);
        }
      },
      // Draw how strong a feature was.
      show_feature: (feature) => {
        buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
        curves.replaceChildren();
        draw(otoscope.decode(feature.curve), "--c4", null, feature.peak_s, null);
      },
    };
  };

  // A small picture of a curve.
  live.spark = (values, label) => {
    const n = Math.max(1, values.length - 1);
    const points = Array.from(values, (value, i) => `${((120 * i) / n).toFixed(1)},${(26 - (value / 255) * 24).toFixed(1)}`).join(" ");
    return svg("svg", { viewBox: "0 0 120 28", class: "spark", role: "img", "aria-label": label, preserveAspectRatio: "none" },
      svg("polyline", { points, fill: "none", stroke: "var(--c4)", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
  };

  // Two texts word by word: what stays, what went (del), what came (ins).
  live.difference = (before, after) => {
    const a = before.split(/\s+/).filter(Boolean), b = after.split(/\s+/).filter(Boolean);
    const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    const found = [];
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { found.push(["same", a[i]]); i += 1; j += 1; }
      else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) { found.push(["del", a[i]]); i += 1; }
      else { found.push(["ins", b[j]]); j += 1; }
    }
    return found;
  };
})();
