/* Live: ask the model about a recording of one's own. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const live = otoscope.live_page;
  const AROUND_S = 0.6; // heard around the peak of a feature
  const AT_FIRST = 10; // features listed before more are asked for

  // A question to the server: its answer, or an error in words.
  async function question(address, body, signal) {
    const is_sound = body instanceof Blob;
    let answer, found;
    try {
      answer = await fetch(address, {
        method: "POST", signal, body: is_sound ? body : JSON.stringify(body),
        headers: { "Content-Type": is_sound ? "application/octet-stream" : "application/json" },
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer. Is otoscope atlas serve still running?");
    }
    try {
      found = await answer.json();
    } catch {
      found = {};
    }
    if (!answer.ok) throw new Error(found.error || `The server could not answer (status ${answer.status}).`);
    return found;
  }

  // A line that says what is going on, and since when: {node, start(text)}. Only the last that was started is shown, and
  // what start() gives back ends that one alone.
  function status() {
    const words = el("span", {}), clock = el("span", { class: "clock", "aria-hidden": "true" });
    const node = el("p", { class: "status", hidden: true }, el("span", { class: "spinner", "aria-hidden": "true" }), el("span", { role: "status" }, words), " ", clock);
    let timer = 0, turn = 0;
    const start = (text) => {
      const mine = (turn += 1), begin = performance.now();
      clearInterval(timer);
      node.hidden = false;
      words.textContent = text;
      clock.textContent = "";
      timer = setInterval(() => { clock.textContent = `${((performance.now() - begin) / 1000).toFixed(0)} s`; }, 1000);
      return () => {
        if (mine !== turn) return;
        clearInterval(timer);
        node.hidden = true;
        words.textContent = "";
      };
    };
    return { node, start };
  }

  // Do something that takes a while, say so, and say in place what went wrong.
  async function during(told, text, problems, act) {
    const stop = told.start(text);
    problems.replaceChildren();
    try {
      return await act();
    } catch (error) {
      if (error.name !== "AbortError") problems.replaceChildren(otoscope.problem(error));
      return null;
    } finally {
      stop();
    }
  }

  // Where a recording comes from: dropped, chosen, recorded, or one of the study's.
  function sources(about, clips, take) {
    const file = el("input", { type: "file", accept: "audio/*,video/*", id: "live-file", class: "visually-hidden",
      on: { change: () => { if (file.files[0]) take(file.files[0], file.files[0].name); file.value = ""; } } });
    const record = el("button", { type: "button", class: "record", "aria-pressed": "false" }, "● Record");
    const problems = el("div", { "aria-live": "assertive" });
    let recording = null;
    record.addEventListener("click", async () => {
      if (recording) { recording.stop(); return; }
      problems.replaceChildren();
      try {
        record.disabled = true;
        recording = await live.record(about.window_s, (gone) => { record.textContent = `■ Stop (${gone.toFixed(1)} of ${about.window_s} s)`; });
        record.disabled = false;
        record.setAttribute("aria-pressed", "true");
        take(await recording.done, "your recording");
      } catch (error) {
        problems.replaceChildren(otoscope.problem(error));
      }
      recording = null;
      record.disabled = false;
      record.setAttribute("aria-pressed", "false");
      record.textContent = "● Record";
    });
    const zone = el("div", { class: "drop card" },
      el("p", { class: "big" }, "Drop a recording here"),
      el("div", { class: "row centre" }, file, el("label", { for: "live-file", class: "button" }, "Choose a file"), record, from_study(clips, take, problems)),
      el("p", { class: "hint" }, `The model hears ${about.window_s} s at once; a longer recording is cut to its beginning. It stays in this machine's memory until the server ends.`),
      about.model.is_demo ? el("p", { class: "hint" }, "The demo model was trained only on synthetic English speech: it understands little of real voices.") : null,
      problems);
    zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      const dropped = event.dataTransfer.files[0];
      if (dropped) take(dropped, dropped.name);
    });
    return zone;
  }

  // A list of the study's own recordings.
  function from_study(clips, take, problems) {
    if (!clips.length) return null;
    const select = el("select", { "aria-label": "A recording of the study" }, el("option", { value: "" }, "or one of the study's …"),
      clips.map((clip) => el("option", { value: clip.key }, `${clip.heard || clip.id}`.slice(0, 80))));
    select.addEventListener("change", async () => {
      const clip = clips.find((each) => each.key === select.value);
      select.value = "";
      if (!clip) return;
      try {
        const answer = await fetch(otoscope.file(`listening/${clip.key}/sound.ogg`));
        if (!answer.ok) throw new Error("This recording is no longer in the study.");
        take(await answer.blob(), clip.id);
      } catch (error) {
        problems.replaceChildren(otoscope.problem(error));
      }
    });
    return select;
  }

  // What is known of a word, and buttons to hear where it came from.
  function word_card(answer, number, more) {
    const word = answer.words[number];
    const ways = otoscope.listening.known_ways(word).map(({ way, name, colour, dash }) => {
      const { peak_s, stretch_s: [start_s, stop_s] } = word.ways[way];
      return el("li", {}, otoscope.line_sample(colour, dash),
        el("span", {}, `${name}: peak at ${otoscope.seconds(peak_s)}, ${otoscope.seconds(start_s)} to ${otoscope.seconds(stop_s)}`),
        otoscope.player.button({ label: "Play", title: `Play where it came from by ${name}`, url: answer.sound,
          start_s: Math.max(0, start_s - 0.05), stop_s: stop_s + 0.05, peak_s: null }));
    });
    const probability = word.log_probability === null ? null : otoscope.percent(Math.exp(word.log_probability), 1);
    return el("div", { class: "card word-card" },
      el("h3", {}, "Where ", el("q", {}, otoscope.data_text(word.text)), " came from"),
      el("p", { class: "quiet-text" }, `Spoken from ${otoscope.seconds(word.start_s)} to ${otoscope.seconds(word.end_s)} by alignment; `,
        `its probability, given the words before it, was ${probability ?? "–"}.`),
      el("ul", { class: "ways" }, ways),
      el("p", { class: "hint" }, "Each curve is drawn up to its own maximum; triangles mark the peaks, shaded boxes the stretches around them."),
      word.ways.relevance ? null : el("button", { type: "button", on: { click: more } }, "Ask by relevance and silencing too"));
  }

  // The features that fired most.
  function feature_list(answer, axis, add) {
    const unique = (of) => [...new Set(answer.features.map(of))].sort();
    const group = (row) => `${row.site} ${row.basis}`;
    const all = [["", "all sites and bases"], ["named", "those with a name"],
      ...unique((row) => row.basis).map((basis) => [`basis ${basis}`, `all ${basis}`]), ...unique(group).map((name) => [name, name])];
    const wants = (row, wanted) => !wanted || wanted === group(row) || wanted === `basis ${row.basis}` || (wanted === "named" && row.name);
    const rows = el("ol", { class: "fired" }), count = el("p", { class: "quiet-text", role: "status" });
    const select = el("select", {}, all.map(([value, text]) => el("option", { value }, text)));
    const more = el("button", { type: "button", on: { click: () => show(Infinity) } }, "Show all");
    const change = ({ site, basis, feature }) => add({ kind: "feature", site, basis, feature, scale: 0 });
    // What it answers to: its name, or the phone that it tells best.
    const phone_of = ({ name, phone }) => (name ? el("span", { class: "tag" }, otoscope.phone_text(name)) : phone ? el("span", { class: "quiet-text" }, "best phone ", otoscope.phone_text(phone)) : null);
    const at_word = ({ peak_s }) => { const word = live.word_at(answer.words, peak_s); return word ? el("span", { class: "in" }, "in ", el("q", {}, otoscope.data_text(word.text))) : null; };
    const head = el("li", { class: "head" }, el("span", { class: "which quiet-text" }, "The recording; beneath it, on the same time axis, each feature’s strength"), live.lane(answer));
    const row_of = (row) => el("li", { on: { mouseenter: () => axis.show_feature(row), focusin: () => axis.show_feature(row) } },
      el("span", { class: "which" },
        el("a", { href: otoscope.feature_href(row.site, row.basis, row.feature) }, otoscope.data_text(otoscope.feature_name(row.site, row.basis, row.feature))),
        phone_of(row)),
      otoscope.spark(otoscope.decode(row.curve), `Strength over the recording, highest at ${otoscope.seconds(row.peak_s)}`),
      el("span", { class: "numeric" }, `${otoscope.percent(row.share_of_maximum)} at ${otoscope.seconds(row.peak_s)}`, at_word(row)),
      el("span", { class: "row" },
        otoscope.player.button({ label: "Play", title: "Play around the peak, which is brought out", url: answer.sound,
          start_s: Math.max(0, row.peak_s - AROUND_S), stop_s: Math.min(answer.duration_s, row.peak_s + AROUND_S), peak_s: row.peak_s }),
        el("button", { type: "button", title: "Scale or silence this feature, below", on: { click: () => change(row) } }, "Change")));
    const show = (most) => {
      const wanted = answer.features.filter((row) => wants(row, select.value));
      const chosen = [...wanted.filter((row) => row.name), ...wanted.filter((row) => !row.name)], shown = chosen.slice(0, most);
      rows.replaceChildren(...(shown.length ? [head, ...shown.map(row_of)] : []));
      more.hidden = shown.length === chosen.length;
      count.textContent = chosen.length
        ? `${shown.length} of ${chosen.length}, those with a name first, then the strongest; 100% is the feature's maximum in the study's corpus; a recording may exceed it.`
        : "None of these fired.";
    };
    select.addEventListener("change", () => show(AT_FIRST));
    show(AT_FIRST);
    return el("div", {}, el("label", { class: "choice" }, "Show ", select), count, rows, more);
  }

  // All that is shown of an answer; `name` is that of a recording of so many seconds.
  function answered(answer, about, name, recording_s) {
    const told = status(), problems = el("div", { "aria-live": "assertive" }), card = el("div", { "aria-live": "polite" }), outcome = el("div", { "aria-live": "polite" });
    let chosen = null;
    const choose = (number) => {
      chosen = number;
      axis.show_word(number);
      card.replaceChildren(word_card(answer, number, () => more(number)));
    };
    const axis = live.axis(answer, choose);
    const more = (number) => during(told, "Silencing one stretch of sound after another …", problems, async () => {
      const found = await question(`live/ask/${answer.id}/word`, { word: number });
      Object.assign(answer.words[number].ways, found.ways);
      if (chosen === number) choose(number);
    });
    const change_told = status(), change_problems = el("div", { "aria-live": "assertive" });
    const changes = live.changes(about, (wanted) => during(change_told, "Transcribing with the changed model …", change_problems, async () => {
      outcome.replaceChildren(live.outcome(await question(`live/ask/${answer.id}/change`, { changes: wanted }), answer.language));
    }));
    const beginning = recording_s > answer.duration_s + 0.01 ? `, the beginning of ${otoscope.seconds(recording_s)}` : "";
    const heard = otoscope.section("heard", "What the model heard",
      el("p", { class: "transcript big" }, answer.heard.text ? otoscope.data_text(answer.heard.text) : el("span", { class: "quiet-text" }, "(nothing)")),
      el("div", { class: "row" }, otoscope.player.button({ label: "Play all", url: answer.sound, start_s: 0, stop_s: answer.duration_s, peak_s: null }),
        el("span", { class: "quiet-text" }, "In ", otoscope.data_text(name), ": ", otoscope.seconds(answer.duration_s), `${beginning}, language ${answer.language}`)),
      el("p", { class: "hint" }, answer.words.length ? "Choose a word to see which sound it came from." : null), axis.node, told.node, problems, card);
    const fired = otoscope.section("fired", "Features that fired most",
      answer.features.length ? feature_list(answer, axis, changes.add) : el("p", { class: "none" }, "The recording has no speech, or the study harvested no features."));
    const changed = otoscope.section("change", "Change the model", el("p", {}, "Scale a feature or an attention head (0 removes it), and see what the model hears then."),
      changes.node, change_told.node, change_problems, outcome);
    if (answer.words.length) choose(0);
    return [heard, fired, changed];
  }

  otoscope.page({
    name: "live",
    title: "Live",
    lead: "Ask the model about your own recording: the transcript, which sound each word came from, which features fire, and the transcript without them.",
    render: async (main) => {
      if (!otoscope.served) throw new Error("Live questions need a server: start it with otoscope atlas serve DIR.");
      if (!otoscope.live) throw new Error("This server answers no live questions: start it without --no-live, with torch installed.");
      const about = await (await fetch("live/about.json")).json();
      otoscope.know_phones(about.phone_names);
      const told = status(), problems = el("div", { "aria-live": "assertive" }), result = el("div", {});
      let asking = null;
      const take = (blob, name) => {
        if (asking) asking.abort();
        const own = (asking = new AbortController());
        otoscope.player.stop();
        result.replaceChildren();
        during(told, about.is_loaded ? "Listening …" : "Loading the model, then listening …", problems, async () => {
          const { body, recording_s } = await live.prepare(blob, about.window_s, about.most_bytes);
          const answer = await question("live/ask", body, own.signal);
          about.is_loaded = true;
          result.replaceChildren(...answered(answer, about, name, recording_s ?? answer.recording_s));
          result.querySelector("h2").scrollIntoView({ block: "start", behavior: "smooth" });
        });
      };
      main.append(sources(about, about.recordings, take), told.node, problems, result);
    },
  });
})();
