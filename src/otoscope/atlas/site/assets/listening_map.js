/* The relevance map of one recording: a picture to look into, with axes in seconds. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const listening = (otoscope.listening = otoscope.listening || {});
  const DEEPEST = 16, STEP = 1.5, MARK = 64; // most enlarged; a step of the buttons; pixels between marks
  const LABEL = { across: 36, down: 18 }; // pixels of a mark's words

  // What part of a square is seen: {x, y, size}, shares of the whole; all moves keep it inside.
  const inside = ({ x, y, size }) => {
    const kept = Math.min(1, Math.max(1 / DEEPEST, size)), fit = (at) => Math.min(1 - kept, Math.max(0, at));
    return { x: fit(x), y: fit(y), size: kept };
  };

  // Enlarge around a place of the frame (0 to 1 each way).
  const enlarged = (view, by, across, down) => {
    const size = Math.min(1, Math.max(1 / DEEPEST, view.size / by));
    return inside({ x: view.x + across * (view.size - size), y: view.y + down * (view.size - size), size });
  };
  listening.map_view = { inside, enlarged };

  // The lines over the picture: where a frame listens to itself, and where speech ends.
  function lines(total_s, end_s) {
    const line = (name, x1, y1, x2, y2) => svg("line", { class: name, x1, y1, x2, y2 });
    const ends = end_s !== null && end_s < total_s ? [line("end", end_s, 0, end_s, total_s), line("end", 0, end_s, total_s, end_s)] : [];
    return svg("svg", { class: "over", preserveAspectRatio: "none", "aria-hidden": "true" }, line("diagonal", 0, 0, total_s, total_s), ends);
  }

  // Marks of seconds along one side.
  function marks(side, from_s, to_s, long) {
    const at = (time) => `${(100 * (time - from_s) / (to_s - from_s)).toFixed(2)}%`;
    const edge = side === "across" ? "left" : "top";
    const room_s = (to_s - from_s) * Math.min(1, LABEL[side] / Math.max(1, long)); // the last mark has room
    return otoscope.ticks(from_s, to_s - room_s, Math.max(2, long / MARK)).map((time) => el("span", { style: { [edge]: at(time) } }, `${time} s`));
  }

  // Wheel, drag and keys move what is seen; `look` is told of the new view, `point` of a place or null.
  function moves(frame, view, look, point) {
    let held = null;
    const place = (event) => {
      const box = frame.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== frame) return; // a page that is scrolled past is not caught
      event.preventDefault();
      look(enlarged(view(), event.deltaY < 0 ? 1.25 : 0.8, ...place(event)));
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      held = { at: place(event), view: view() };
      frame.focus({ preventScroll: true });
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const [across, down] = place(event);
      if (held) look(inside({ ...held.view, x: held.view.x - (across - held.at[0]) * held.view.size, y: held.view.y - (down - held.at[1]) * held.view.size }));
      point(across, down);
    });
    ["pointerup", "pointercancel"].forEach((name) => frame.addEventListener(name, () => { held = null; }));
    frame.addEventListener("pointerleave", () => { if (!held) point(null); });
    frame.addEventListener("keydown", (event) => {
      const now = view(), by = now.size / 8;
      const moved = { ArrowLeft: { x: now.x - by }, ArrowRight: { x: now.x + by }, ArrowUp: { y: now.y - by }, ArrowDown: { y: now.y + by } }[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (moved) look(inside({ ...now, ...moved }));
      else if (event.key === "+" || event.key === "=") look(enlarged(now, STEP, 0.5, 0.5));
      else if (event.key === "-") look(enlarged(now, 1 / STEP, 0.5, 0.5));
      else if (event.key === "0") look({ x: 0, y: 0, size: 1 });
      else return;
      event.preventDefault();
    });
  }

  // The map: {node, show(from_s, to_s) or show(null)}; the second brings a stretch out on both axes.
  listening.map = (record) => {
    const found = record.relevance_map, total_s = found.n_frames * record.frame_s;
    const end_s = typeof found.speech_end_s === "number" ? found.speech_end_s : null;
    let view = { x: 0, y: 0, size: 1 };
    const told = el("p", { class: "hint told" }, "\u00a0");
    const image = el("img", { src: otoscope.file(found.file), alt: "", draggable: "false" });
    const over = lines(total_s, end_s);
    const shows = `a row for each frame that listens, a column for each frame it listens to, 0 to ${otoscope.seconds(total_s)} on both axes; light is high`;
    const frame = el("div", { class: "frame", tabindex: "0", role: "img", "aria-label": `Relevance map: ${shows}. Arrow keys move, plus and minus zoom.` }, image, over);
    const across = el("div", { class: "marks across", "aria-hidden": "true" }), down = el("div", { class: "marks down", "aria-hidden": "true" });
    const draw = () => {
      const { x, y, size } = view, share = (at) => `${(100 * at).toFixed(3)}%`;
      Object.entries({ width: share(1 / size), height: share(1 / size), left: share(-x / size), top: share(-y / size) }).forEach(([key, value]) => image.style.setProperty(key, value));
      over.setAttribute("viewBox", [x, y, size, size].map((one) => one * total_s).join(" "));
      frame.classList.toggle("near", size < 1);
      across.replaceChildren(...marks("across", x * total_s, (x + size) * total_s, frame.clientWidth));
      down.replaceChildren(...marks("down", y * total_s, (y + size) * total_s, frame.clientHeight));
    };
    const look = (next) => { view = next; draw(); };
    const point = (right, low) => {
      if (right === null) { told.textContent = "\u00a0"; return; }
      const time = (at, from) => otoscope.seconds(Math.min(total_s, Math.max(0, (from + at * view.size) * total_s)));
      told.textContent = `The frame at ${time(low, view.y)} listens to ${time(right, view.x)}`;
    };
    moves(frame, () => view, look, point);
    new ResizeObserver(draw).observe(frame);
    const button = (label, act) => el("button", { type: "button", on: { click: act } }, label);
    const buttons = el("div", { class: "row", role: "group", "aria-label": "Enlarge the map" },
      button("Zoom in", () => look(enlarged(view, STEP, 0.5, 0.5))), button("Zoom out", () => look(enlarged(view, 1 / STEP, 0.5, 0.5))), button("Whole map", () => look({ x: 0, y: 0, size: 1 })));
    const show = (from_s, to_s) => {
      over.querySelectorAll(".stretch").forEach((one) => one.remove());
      if (from_s === null) return;
      over.prepend(svg("rect", { class: "stretch", x: 0, y: from_s, width: total_s, height: Math.max(record.frame_s, to_s - from_s) }));
    };
    const node = el("div", { class: "map" }, buttons, el("p", { class: "axis-name" }, el("span", {}, "↓ frame that listens"), el("span", {}, "→ frame listened to")), across, down, frame, told);
    return { node, show, ends: end_s !== null && end_s < total_s };
  };
})();
