/* What the parts of Listening share: the three ways and how they are drawn, and texts held against each other. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const UNSPACED = new Set(["zh", "yue", "ja", "th", "lo", "my"]); // languages written without spaces
  const MOST_COMPARED = 4e6; // pairs of pieces
  const STEPS_S = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];

  // The ways to ask where a word came from; told apart by colour, line and sign.
  listening.WAYS = [
    { way: "attention", colour: "--c1", dash: "", sign: "▼", name: "attention", more: "where the alignment heads look as the word is written" },
    { way: "relevance", colour: "--c2", dash: "7 4", sign: "◆", name: "relevance", more: "gradients, carried through decoder and encoder" },
    { way: "perturbation", colour: "--c3", dash: "2 3", sign: "●", name: "silencing", more: "how much less likely the word is when a moment is silenced" },
  ];

  // A sample of a way's line and sign, for legends and tables.
  listening.sample = ({ colour, dash, sign }) => el("span", { class: "sample", "aria-hidden": "true" },
    svg("svg", { viewBox: "0 0 28 10" }, svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, style: { stroke: `var(${colour})`, "stroke-width": "3", "stroke-dasharray": dash } })),
    el("span", { style: { color: `var(${colour})` } }, sign));

  // From one moment to another.
  listening.span = (start_s, stop_s) => `${start_s.toFixed(2)} to ${stop_s.toFixed(2)} s`;

  // Marks of seconds between two moments, at most so many.
  listening.ticks = (from_s, to_s, most) => {
    const step = STEPS_S.find((one) => (to_s - from_s) / one <= most) || 60;
    const first = Math.ceil(from_s / step - 1e-6), last = Math.floor(to_s / step + 1e-6);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => Number(((first + at) * step).toFixed(2)));
  };

  // How long the longest run of common pieces is, from every pair of places on.
  function common(a, b) {
    const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
    return longest;
  }

  // Two lists of pieces as runs [kind, pieces]: what stays (same), what went (del), what came (ins).
  listening.runs = (a, b) => {
    if (a.length * b.length > MOST_COMPARED) return [["del", a], ["ins", b]];
    const longest = common(a, b), runs = [];
    const put = (kind, piece) => {
      if (runs.length && runs[runs.length - 1][0] === kind) runs[runs.length - 1][1].push(piece);
      else runs.push([kind, [piece]]);
    };
    let i = 0, j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { put("same", a[i]); i += 1; j += 1; }
      else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) { put("del", a[i]); i += 1; }
      else { put("ins", b[j]); j += 1; }
    }
    return runs;
  };

  // The second text, with what differs from the first struck out or underlined.
  listening.difference = (before, after, language) => {
    const cut = (text) => (UNSPACED.has(language) ? Array.from(text) : text.split(/\s+/).filter(Boolean));
    const glue = UNSPACED.has(language) ? "" : " ", tags = { same: "span", del: "del", ins: "ins" };
    const shown = listening.runs(cut(before), cut(after)).map(([kind, pieces]) => [el(tags[kind], {}, otoscope.data_text(pieces.join(glue))), glue]);
    return el("span", { class: "difference", dir: "auto" }, after.trim() ? null : el("em", {}, "nothing "), shown);
  };
})();
