/* What stands beside a feature's numbers in a list: a sound, the trace over it, and the words under its peaks. They are
   a record for each group, read when a feature of the group is shown. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const AROUND_S = 0.6; // heard on each side of the peak, and drawn
  const LENGTH = 31; // values of a whole trace
  const list = (otoscope.features_rows = {});

  // Put into a place what is known of a feature, when it is known; a place that has left the page is let be.
  function later(group, place, build) {
    otoscope.data(`features/${group}/rows`).then((record) => place.replaceChildren(...build(record).filter(Boolean)), () => place.replaceChildren("–"));
    return place;
  }

  function player(record, feature) {
    const piece = record.pieces[record.piece[feature]], at_s = record.at_s[feature];
    if (piece === undefined) return null;
    return otoscope.player.button({ label: "Play", title: "Play the strongest example", file: `sounds/${piece}.ogg`,
      start_s: Math.max(0, at_s - AROUND_S), stop_s: at_s + AROUND_S, peak_s: null });
  }

  const spark = (letters) => (letters === null ? null
    : otoscope.spark(otoscope.levels(letters.padEnd(LENGTH)), "Strength over 1.2 seconds around the strongest example, which is in the middle", true));

  // A button that plays the strongest example of a feature, and its trace.
  list.sound = (group, feature) => later(group, el("span", { class: "peek" }), (record) => [player(record, feature), spark(record.trace[feature])]);

  // The words under its peaks.
  list.words = (group, feature) => later(group, el("span", { class: "under" }), (record) => {
    const words = record.words[feature].map((word) => record.texts[word]);
    return words.length ? words.flatMap((word, at) => [at ? ", " : "", otoscope.data_text(word)]) : ["–"];
  });
})();
