/* A strip of a spectrogram with the strength of a feature over time drawn on it, and its peak marked. Low frequencies
   are at the bottom. What lies outside the clip stays empty, so that strips side by side share one axis. And a
   sparkline, the curve alone. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, svg } = otoscope;
  const COLUMN_S = 0.01; // of a spectrogram
  const WIDE = 1000, TALL = 100; // units of the drawing

  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"; // the levels of a trace

  // The values of a trace, 0 to 255, from its letters; no number where there is a space.
  otoscope.levels = (letters) =>
    Array.from(letters, (letter) => (letter === " " ? NaN : Math.round(255 * LETTERS.indexOf(letter) / (LETTERS.length - 1))));

  // A smooth line through points [x, y] from left to right that never rises above or falls below its neighbours, so that
  // the levels of a trace do not show as steps. Slopes as by Fritsch and Carlson 1980.
  otoscope.smooth_path = (points) => {
    const slopes = points.slice(1).map(([x, y], at) => (y - points[at][1]) / (x - points[at][0]));
    const tangent = (at) => {
      const [before, after] = [slopes[at - 1], slopes[at]];
      if (before === undefined || after === undefined || before * after <= 0) return 0;
      return 2 * before * after / (before + after);
    };
    return points.map(([x, y], at) => {
      if (!at) return `M${x.toFixed(1)} ${y.toFixed(1)}`;
      const [x0, y0] = points[at - 1], third = (x - x0) / 3;
      const corners = [[x0 + third, y0 + third * tangent(at - 1)], [x - third, y - third * tangent(at)], [x, y]];
      return `C${corners.map((corner) => corner.map((one) => one.toFixed(1)).join(" ")).join(" ")}`;
    }).join("");
  };

  // A small picture of a curve of values from 0 to 255; the middle is where its peak is, if `is_centred`.
  otoscope.spark = (values, label, is_centred = false) => {
    const n = Math.max(1, values.length - 1);
    const points = Array.from(values, (value, at) => [120 * at / n, 26 - value / 255 * 24]).filter(([, y]) => !Number.isNaN(y));
    return svg("svg", { viewBox: "0 0 120 28", class: "spark", role: "img", "aria-label": label, preserveAspectRatio: "none" },
      is_centred ? svg("line", { class: "middle", x1: 60, x2: 60, y1: 0, y2: 28 }) : null, svg("path", { d: otoscope.smooth_path(points) }));
  };

  // The curve as a path, 255 at the top.
  const path = (curve, x) => otoscope.smooth_path(Array.from(curve.values, (value, at) =>
    [x(curve.first_s + at * curve.step_s), TALL - 4 - (TALL - 10) * value / 255]));

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
  otoscope.strip = ({ spectrogram, start_s, stop_s, curve, marker_s = null, label }) => {
    const x = (time_s) => WIDE * (time_s - start_s) / (stop_s - start_s);
    const line = (name, time_s) => svg("line", { class: name, x1: x(time_s), x2: x(time_s), y1: 0, y2: TALL });
    const playing = line("playing", start_s);
    playing.setAttribute("visibility", "hidden");
    const drawn = curve && curve.values.length ? path(curve, x) : null;
    const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      marker_s === null ? null : [line("halo", marker_s), line("marker", marker_s)],
      drawn ? [svg("path", { class: "halo", d: drawn }), svg("path", { class: "curve", d: drawn })] : null, playing);
    const field = el("div", { class: "strip-field" },
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
