/* Sounds: one at a time, a stretch of a file, with a moment brought out where that is asked for.
   From a server a sound is fetched and played to the sample; from disk, where pages may not fetch, an audio element
   plays it and its volume follows the same curve. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const BRIGHT_S = 0.1; // brought out in full around the moment
  const EDGE_S = 0.03; // from the moment to the rest
  const REST = 0.1; // the rest is 20 dB lower
  const PLAIN = 0.5; // how loud a sound without a moment is
  const buffers = new Map();
  let context = null;
  let current = null;

  // How loud a sound is at a time, with a moment brought out.
  const loudness = (time, peak_s) => {
    if (peak_s === null || peak_s === undefined) return PLAIN;
    const beyond = Math.abs(time - peak_s) - BRIGHT_S / 2;
    if (beyond <= 0) return 1;
    const fall = Math.min(1, beyond / EDGE_S);
    return REST + (1 - REST) * (1 + Math.cos(Math.PI * fall)) / 2;
  };

  // The samples of a file, fetched and decoded once.
  function buffer(url) {
    if (!buffers.has(url)) {
      const asked = fetch(url)
        .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(new Error(`status ${answer.status}`))))
        .then((bytes) => context.decodeAudioData(bytes));
      buffers.set(url, asked);
      asked.catch(() => buffers.delete(url));
    }
    return buffers.get(url);
  }

  // Play through Web Audio, exact to the sample.
  function exactly(url, wish, tell) {
    context = context || new AudioContext();
    context.resume();
    let source = null, frame = 0, stopped = false;
    const stop = () => {
      stopped = true;
      cancelAnimationFrame(frame);
      if (source) { source.onended = null; source.stop(); }
    };
    buffer(url).then((sound) => {
      if (stopped) return;
      const start = Math.max(0, wish.start_s ?? 0), end = Math.min(sound.duration, wish.stop_s ?? sound.duration);
      const length = Math.max(0.01, end - start), gain = context.createGain();
      const n = Math.max(2, Math.ceil(length * 200));
      source = context.createBufferSource();
      source.buffer = sound;
      source.connect(gain).connect(context.destination);
      const begin = context.currentTime + 0.02;
      gain.gain.setValueCurveAtTime(Float32Array.from({ length: n }, (_, at) => loudness(start + length * at / (n - 1), wish.peak_s)), begin, length);
      source.onended = () => { cancelAnimationFrame(frame); tell.end(); };
      source.start(begin, start, length);
      const tick = () => { tell.time(Math.min(end, start + Math.max(0, context.currentTime - begin))); frame = requestAnimationFrame(tick); };
      tick();
    }).catch((error) => { if (!stopped) tell.fail(error); });
    return stop;
  }

  // Play through an audio element, its volume moved as it goes.
  function plainly(url, wish, tell) {
    const audio = new Audio(url), start = Math.max(0, wish.start_s ?? 0);
    let frame = 0;
    const stop = () => { cancelAnimationFrame(frame); audio.pause(); audio.removeAttribute("src"); };
    const tick = () => {
      const now = audio.currentTime;
      audio.volume = loudness(now, wish.peak_s);
      tell.time(now);
      if (audio.ended || now >= (wish.stop_s ?? Infinity)) { stop(); tell.end(); } else frame = requestAnimationFrame(tick);
    };
    audio.addEventListener("error", () => { if (audio.hasAttribute("src")) tell.fail(new Error("it cannot be played here")); });
    audio.addEventListener("loadedmetadata", () => {
      audio.currentTime = start;
      audio.volume = loudness(start, wish.peak_s);
      audio.play().then(tick, (error) => { if (error.name !== "AbortError") tell.fail(error); });
    }, { once: true });
    audio.preload = "auto";
    return stop;
  }

  const player = (otoscope.player = {});
  player.loudness = loudness;

  // Stop whatever plays.
  player.stop = () => {
    const playing = current;
    current = null;
    if (playing) { playing.stop(); playing.done(); }
  };

  // Play a stretch of a file of the study.
  player.play = (wish) => {
    player.stop();
    const url = wish.url || otoscope.file(wish.file);
    const mine = { done: () => wish.on_end && wish.on_end(), stop: () => {} };
    const finish = () => { if (current === mine) { current = null; mine.done(); } };
    const tell = {
      time: (t) => wish.on_time && wish.on_time(t),
      end: finish,
      fail: (error) => { finish(); if (wish.on_error) wish.on_error(error); },
    };
    current = mine;
    mine.stop = location.protocol.startsWith("http") ? exactly(url, wish, tell) : plainly(url, wish, tell);
    return { stop: () => { if (current === mine) player.stop(); } };
  };

  // A button that plays a stretch, and stops it.
  player.button = ({ label, title, ...wish }) => {
    const words = otoscope.el("span", {}, label);
    const button = otoscope.el("button", { type: "button", class: "play", "aria-pressed": "false", title }, otoscope.el("span", { class: "sign", "aria-hidden": "true" }, "▶"), words);
    const show = (on) => {
      button.setAttribute("aria-pressed", String(on));
      button.firstChild.textContent = on ? "■" : "▶";
    };
    let playing = null;
    button.addEventListener("click", () => {
      if (playing) { playing.stop(); return; }
      show(true);
      playing = player.play({
        ...wish,
        on_end: () => { playing = null; show(false); if (wish.on_end) wish.on_end(); },
        on_error: (error) => { words.textContent = `${label}: not playable (${error.message})`; },
      });
    });
    return button;
  };
})();
