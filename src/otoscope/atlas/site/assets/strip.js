/* A strip of a spectrogram with the strength of a feature over time drawn on it, and its peak marked. Low frequencies
   are at the bottom. What lies outside the clip stays empty, so that strips side by side share one axis. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const COLUMN_S = 0.01; // of a spectrogram
  const WIDE = 1000, TALL = 100; // units of the drawing

  // The curve as a path, 255 at the top.
  function path(curve, x) {
    const steps = Array.from(curve.values, (value, at) => {
      const y = TALL - 4 - (TALL - 10) * value / 255;
      return `${at ? "L" : "M"}${x(curve.first_s + at * curve.step_s).toFixed(1)} ${y.toFixed(1)}`;
    });
    return steps.join("");
  }

  // The picture of the piece, shifted and stretched so that the stretch fills the strip.
  function picture(file, start_s, stop_s) {
    const image = el("img", { src: otoscope.file(file), alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    const place = () => {
      const long_s = stop_s - start_s;
      image.style.setProperty("width", `${100 * image.naturalWidth * COLUMN_S / long_s}%`);
      image.style.setProperty("left", `${-100 * start_s / long_s}%`);
      image.classList.add("is-there");
    };
    image.addEventListener("load", place);
    return image;
  }

  // Times beneath, counted from the marked moment, or from the start where there is none.
  function axis(start_s, stop_s, zero_s) {
    const marks = otoscope.ticks(start_s - zero_s, stop_s - zero_s, 5).map((time_s) => {
      const share = (zero_s + time_s - start_s) / (stop_s - start_s), text = `${time_s > 0 ? "+" : "−"}${Math.abs(time_s)}`;
      return el("span", { class: share < 0.02 ? "first" : share > 0.98 ? "last" : null, style: { left: `${100 * share}%` } }, time_s ? text : "0 s");
    });
    return el("div", { class: "strip-axis", "aria-hidden": "true" }, marks);
  }

  // Build a strip; `show_time(seconds|null)` of what comes back moves a line along while a sound plays.
  otoscope.strip = ({ spectrogram, start_s, stop_s, curve, marker_s = null, height = 84, label }) => {
    const x = (time_s) => WIDE * (time_s - start_s) / (stop_s - start_s);
    const line = (name, time_s) => svg("line", { class: name, x1: x(time_s), x2: x(time_s), y1: 0, y2: TALL });
    const playing = line("playing", start_s);
    playing.setAttribute("visibility", "hidden");
    const drawn = curve && curve.values.length ? path(curve, x) : null;
    const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      marker_s === null ? null : [line("halo", marker_s), line("marker", marker_s)],
      drawn ? [svg("path", { class: "halo", d: drawn }), svg("path", { class: "curve", d: drawn })] : null, playing);
    const field = el("div", { class: "strip-field", style: { height: `${height}px` } },
      spectrogram ? picture(spectrogram, start_s, stop_s) : null, drawing);
    const strip = el("div", { class: "strip", role: "img", "aria-label": label || "Spectrogram" }, field, axis(start_s, stop_s, marker_s ?? start_s));
    strip.show_time = (time_s) => {
      const is_shown = time_s !== null && time_s >= start_s && time_s <= stop_s;
      playing.setAttribute("visibility", is_shown ? "visible" : "hidden");
      if (is_shown) { playing.setAttribute("x1", x(time_s)); playing.setAttribute("x2", x(time_s)); }
    };
    return strip;
  };
})();
