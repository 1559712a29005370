/* What Listening and Live share: the three ways and how they are drawn, words and a sound on a time axis, and texts held
   against each other. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const UNSPACED = new Set(["zh", "yue", "ja", "th", "lo", "my"]); // languages written without spaces
  const MOST_COMPARED = 4e6; // pairs of pieces
  const WIDEST = 200, GAP = 2; // of words in lanes, in pixels

  // The ways to ask where a word came from; told apart by colour, line and sign.
  listening.WAYS = [
    { way: "attention", colour: "--c1", dash: "", sign: "▼", name: "attention", more: "where the alignment heads look as the word is written" },
    { way: "relevance", colour: "--c2", dash: "7 4", sign: "◆", name: "relevance", more: "gradients, carried through decoder and encoder" },
    { way: "perturbation", colour: "--c3", dash: "2 3", sign: "●", name: "silencing", more: "how much less likely the word is when a moment is silenced" },
  ];

  // The ways by which it is known where a word came from.
  listening.known_ways = (word) => listening.WAYS.filter(({ way }) => word.ways && word.ways[way]);

  // A sample of a way's line and sign, for legends and tables.
  listening.sample = ({ colour, dash, sign }) => el("span", { class: "sample", "aria-hidden": "true" },
    otoscope.line_sample(colour, dash), el("span", { style: { color: `var(${colour})` } }, sign));

  // From one moment to another.
  listening.span = (start_s, stop_s) => `${start_s.toFixed(2)} to ${stop_s.toFixed(2)} s`;

  // The outline of a sound as a path, its loudest moment at 1 or -1; `x` of a step of time and `y` of a height.
  listening.outline = ({ low, high }, x, y) => {
    const peak = Math.max(0.001, ...high, ...low.map(Math.abs)), place = (value, at) => `${x(at).toFixed(1)} ${y(value / peak).toFixed(3)}`;
    return high.length ? `M${[...high.map(place), ...low.map(place).reverse()].join("L")}Z` : "";
  };

  // Put words into as few lanes as lets none cover another, all inside a width; `scale` and `letter` are pixels.
  listening.lanes = (words, scale, letter, all = Infinity) => {
    const ends = [];
    return words.map((word) => {
      const letters = Array.from(word.text).reduce((sum, one) => sum + (one.codePointAt(0) > 0x2e7f ? 2 : 1), 0);
      const long = Math.max(2, (word.end_s - word.start_s) * scale), start = word.start_s * scale;
      const width = Math.max(long - GAP, Math.min(WIDEST, letters * letter + 18)); // words that follow each other stay beside each other
      const left = Math.max(0, Math.min(start, all - width)); // the last word stays inside
      let lane = ends.findIndex((end) => end <= left);
      if (lane < 0) lane = ends.length;
      ends[lane] = left + width;
      return { left, width, from: start - left, long, lane };
    });
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

  // Behind a text that was stopped where its room ended.
  listening.stopped = (found) => (found.stopped
    ? el("span", { class: "hint stopped", title: "the decoder reached its limit before the text ended; most of these texts repeat themselves" }, " stopped") : null);

  // The second text, with what differs from the first struck out or underlined.
  listening.difference = (before, after, language) => {
    const cut = (text) => (UNSPACED.has(language) ? Array.from(text) : text.split(/\s+/).filter(Boolean));
    const glue = UNSPACED.has(language) ? "" : " ", tags = { same: "span", del: "del", ins: "ins" };
    const shown = listening.runs(cut(before), cut(after)).map(([kind, pieces]) => [el(tags[kind], {}, otoscope.data_text(pieces.join(glue))), glue]);
    return el("span", { class: "difference", dir: "auto" }, after.trim() ? null : el("em", {}, "nothing "), shown);
  };
})();
