/* Listening: one recording on one time axis, where the model listened for each word, and what it hears otherwise. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const SECTIONS = new Set(["#window", "#splice", "#map", "#heads"]); // addresses that scroll, and are kept
  let shown = null; // the recording on the page: {key, choose}
  let asked = 0; // the latest that was asked for: an earlier one that comes late is dropped

  // The recording and word of an address, or null where it is a section's or none.
  listening.address = (hash) => {
    const found = /^#(\d{4,})(?:\/word-(\d+))?$/.exec(hash);
    return found && { key: found[1], word: found[2] === undefined ? null : Number(found[2]) };
  };

  // Play a stretch, its time shown on the axis.
  const follower = (record, time) => ({ file: record.sound, on_time: time, on_end: () => time(null) });

  // Build one recording: {node, choose(number|null)}.
  function build(record) {
    const about = el("section", { class: "about", "aria-live": "polite" }), without = el("div", {});
    const map = record.relevance_map ? listening.map(record) : null;
    let chosen = null;
    const choose = (at, keeps_address = false) => {
      chosen = at !== null && at >= 0 && at < record.words.length ? at : null;
      const word = chosen === null ? null : record.words[chosen];
      if (!keeps_address) history.replaceState(null, "", `#${record.key}${word ? `/word-${chosen}` : ""}`);
      axis.choose(chosen);
      about.replaceChildren(...(word ? listening.about(record, word, button) : []));
      without.replaceChildren(listening.without(record, word));
      if (map) map.show(...(word ? [word.start_s, word.end_s] : [null]));
    };
    const play = (from_s) => {
      const word = chosen === null ? null : record.words[chosen], whole = from_s !== null || !word;
      otoscope.player.play({ ...follower(record, axis.time), start_s: whole ? from_s || 0 : word.start_s, stop_s: whole ? record.duration_s : word.end_s });
    };
    const axis = listening.axis(record, { choose, play });
    const button = (label, start_s, stop_s) => otoscope.player.button({ ...follower(record, axis.time), label, start_s, stop_s });
    const windows = listening.windows(record, axis.band);
    const node = el("div", {}, listening.transcripts(record),
      el("div", { class: "row tools" }, button("Play the recording", 0, record.duration_s), axis.zooms), axis.node, listening.legend(record), keysHint(), about,
      otoscope.section("window", "When frames may attend only to their neighbours", windows),
      otoscope.section("splice", "Without a word's frames", el("p", { class: "hint" }, "The frames of the encoder's output under a word are replaced by those of padding, and the result is transcribed."), without),
      map ? otoscope.section("map", "Which frames each frame listens to", mapWords(record, map), map.node) : null,
      otoscope.section("heads", "How far each head listens", listening.heads(record)));
    return { node, choose };
  }

  const keysHint = () => el("p", { class: "hint" }, "Click the sound to play from there. On the axis ", el("kbd", {}, "←"), " ", el("kbd", {}, "→"), " go from word to word, ", el("kbd", {}, "space"), " plays the word, ", el("kbd", {}, "esc"), " lets go of it.");

  // What the map shows, in words.
  function mapWords(record, map) {
    const { share_within_25: near, if_even: even } = record.relevance_map;
    return el("div", {},
      typeof near === "number" ? el("p", {}, `In this recording ${otoscope.percent(near)} of the relevance to a frame of speech comes from within 0.5 s; spread evenly it would be ${otoscope.percent(even)}.`) : null,
      el("p", { class: "hint" }, `Light means high relevance, on a square-root scale. Dashed: a frame and itself.${map.ends ? " Dotted: speech ends." : ""} Zoom with the buttons, or with the wheel once the map is chosen; drag to move.`));
  }

  // Put a recording on the page.
  async function open(place, { key, word, keeps_address }) {
    const mine = (asked += 1);
    otoscope.player.stop();
    place.setAttribute("aria-busy", "true");
    try {
      const built = build(await otoscope.data(`listening/${key}`));
      if (mine !== asked) return;
      shown = { key, choose: built.choose };
      place.replaceChildren(built.node);
      built.choose(word, keeps_address);
    } catch (error) {
      if (mine === asked) { shown = null; place.replaceChildren(otoscope.problem(error)); }
    } finally {
      if (mine === asked) place.removeAttribute("aria-busy");
    }
  }

  // A name for a recording in the chooser.
  function option({ key, id, duration_s, heard }) {
    const start = Array.from(String(heard || "nothing heard").replace(/\s+/g, " ").trim()).slice(0, 60).join("");
    return el("option", { value: key, dir: "auto" }, `${String(id).slice(0, 60)} (${otoscope.seconds(duration_s)}): ${start}`);
  }

  // Why there is nothing.
  const none = (list) => el("p", { class: "none" }, "This study has no recordings to listen to: ", otoscope.data_text(((list.parts || {}).listening || {}).why || "the part “listening” was not run"), ".");

  otoscope.page({
    name: "listening",
    title: "Listening",
    lead: "One recording at a time: the transcript, where the model listened for each word, and what it hears when attention is limited or words are removed.",
    render: async (main) => {
      const list = await otoscope.data("listening"), keys = list.clips.map((clip) => clip.key);
      if (!keys.length) { main.append(none(list)); return; }
      const place = el("div", { class: "recording" });
      const begins = (key) => ({ key, word: (list.words || {})[key] ?? null });
      const select = el("select", { id: "recording", on: { change: () => open(place, begins(select.value)) } }, list.clips.map(option));
      const step = (by) => () => { select.selectedIndex = (select.selectedIndex + by + keys.length) % keys.length; open(place, begins(select.value)); };
      const turn = (label, by) => (keys.length > 1 ? el("button", { type: "button", on: { click: step(by) } }, label) : null);
      main.append(el("div", { class: "row chooser" }, el("label", { for: "recording" }, "Recording"), select, turn("Previous", -1), turn("Next", 1)), place);
      const go = async (wanted) => {
        select.value = wanted.key;
        if (shown && shown.key === wanted.key) shown.choose(wanted.word);
        else await open(place, wanted);
      };
      window.addEventListener("hashchange", () => {
        const wanted = listening.address(location.hash);
        if (wanted && keys.includes(wanted.key)) go(wanted);
      });
      const wanted = listening.address(location.hash);
      await go(wanted && keys.includes(wanted.key) ? wanted : { ...begins(list.first ?? keys[0]), keeps_address: SECTIONS.has(location.hash) });
    },
  });
})();
