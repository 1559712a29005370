/* What every page shares: records, elements, words for numbers, and the frame around a page.
   Whatever a person wrote goes into text nodes; no string is ever read as markup. */
"use strict";
(() => {
  const otoscope = (window.otoscope = window.otoscope || {});
  otoscope.mode = otoscope.mode || "static";

  const PAGES = [
    ["index", "Overview"],
    ["listening", "Listening"],
    ["features", "Features"],
    ["phones", "Phones"],
    ["dictionaries", "Dictionaries"],
    ["decoder", "Decoder"],
    ["compare", "Compare"],
    ["methods", "Methods"],
    ["live", "Live"],
  ];
  const waiting = new Map();
  const held = new Map();

  // ---- records -------------------------------------------------------------------------------------------------

  // Whether a server answers, which can also keep notes and ask the model.
  Object.defineProperty(otoscope, "served", { get: () => otoscope.mode === "served" });

  // A record's script, in pages opened from disk, hands its values over here.
  otoscope.receive = (name, values) => {
    const ask = waiting.get(name);
    if (ask) ask.resolve(values);
  };

  // The same for a large record: gzipped JSON in base64.
  otoscope.receivePacked = (name, base64) => {
    const ask = waiting.get(name);
    if (!ask) return;
    const unpacked = new Blob([otoscope.decode(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
    ask.resolve(new Response(unpacked).json());
  };

  // A record by its name, fetched once.
  otoscope.data = (name) => {
    if (!held.has(name)) {
      const asked = otoscope.served ? fetched(name) : scripted(name);
      held.set(name, asked);
      asked.catch(() => held.delete(name));
    }
    return held.get(name);
  };

  const path = (name) => name.split("/").map(encodeURIComponent).join("/");

  // From a server: JSON.
  async function fetched(name) {
    let answer;
    try {
      answer = await fetch(`data/${path(name)}.json`);
    } catch {
      throw new Error("The server does not answer. Is otoscope atlas serve still running?");
    }
    if (answer.status === 404) throw new Error(`This study holds no “${name}”.`);
    if (!answer.ok) throw new Error(`The server could not read “${name}” (status ${answer.status}).`);
    return answer.json();
  }

  // From disk, where pages may not fetch: a script that calls receive.
  function scripted(name) {
    return new Promise((resolve, reject) => {
      waiting.set(name, { resolve });
      const script = otoscope.el("script", { src: `data/${path(name)}.js` });
      script.addEventListener("error", () => reject(new Error(`This study holds no “${name}”.`)));
      script.addEventListener("load", () => {
        script.remove();
        reject(new Error(`The record “${name}” is damaged: build the pages again.`)); // no effect once it was received
      });
      document.head.append(script);
    });
  }

  // The address of a file of the study.
  otoscope.file = (relative) => `files/${path(relative)}`;

  // Bytes from base64.
  otoscope.decode = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  // ---- elements ------------------------------------------------------------------------------------------------

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "on") Object.entries(value).forEach(([event, act]) => node.addEventListener(event, act));
      else if (name === "style") Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one));
      else if (name === "dataset") Object.assign(node.dataset, value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) node.append(child);
    }
    return node;
  }

  // An HTML element; strings among the children become text.
  otoscope.el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

  // An SVG element.
  otoscope.svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // Text that a person wrote: set apart, so that its direction and length disturb nothing around it.
  otoscope.data_text = (text) => otoscope.el("bdi", { dir: "auto", class: "data" }, String(text ?? "–"));

  // ---- numbers -------------------------------------------------------------------------------------------------

  const is_number = (otoscope.is_number = (x) => typeof x === "number" && Number.isFinite(x));

  // A number as it was written, its minus sign a real one; none before a zero.
  otoscope.minus = (text) => text.replace(/^-/, /[1-9]/.test(text) ? "−" : "");
  otoscope.number = (x, digits = 3) =>
    is_number(x) ? otoscope.minus(x.toLocaleString("en", Math.abs(x) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits })) : "–";
  otoscope.percent = (x, digits = 0) => (is_number(x) ? otoscope.minus(`${(100 * x).toFixed(digits)}%`) : "–");
  otoscope.seconds = (x) => (is_number(x) ? (x >= 120 ? `${Math.round(x / 60)} min` : otoscope.minus(`${x.toFixed(2)} s`)) : "–");
  otoscope.count = (n, noun) => `${Number(n).toLocaleString("en")} ${n === 1 ? noun : noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;

  otoscope.bytes = (n) => {
    if (!is_number(n)) return "–";
    const step = Math.min(3, Math.floor(Math.log10(Math.max(n, 1)) / 3));
    return `${(n / 1000 ** step).toFixed(step ? 1 : 0)} ${["bytes", "kB", "MB", "GB"][step]}`;
  };

  // A value with its 95% interval.
  otoscope.interval = (found, unit = "share") => {
    if (!found || !is_number(found.value)) return "–";
    const write = unit === "share" || unit === "rate" ? (x) => otoscope.percent(x, 1) : (x) => otoscope.number(x);
    return is_number(found.low) && is_number(found.high)
      ? `${write(found.value)} (${write(found.low)} to ${write(found.high)})`
      : write(found.value);
  };

  // ---- drawings ------------------------------------------------------------------------------------------------

  // The colour of a series by its place, as the style sheet names it.
  otoscope.colour = (place) => `--c${1 + place % 7}`;

  // A line as it is drawn, for a legend.
  otoscope.line_sample = (colour, dash) => otoscope.svg("svg", { viewBox: "0 0 28 10", width: 28, height: 10, "aria-hidden": "true" },
    otoscope.svg("line", { x1: 0, x2: 28, y1: 5, y2: 5, style: { stroke: `var(${colour})`, "stroke-width": "3", "stroke-dasharray": dash } }));

  // Round numbers between two, at most so many steps; closer together where fewer than two would be left.
  otoscope.ticks = (low, high, most) => {
    if (!(high > low)) return [];
    const least = (high - low) / Math.max(1, most), size = 10 ** Math.floor(Math.log10(least));
    const step = size * [1, 2, 5, 10].find((one) => one * size >= least * 0.999);
    const first = Math.ceil(low / step - 1e-6), n = Math.floor(high / step + 1e-6) - first + 1;
    if (n < 2 && most < 12) return otoscope.ticks(low, high, most + 2);
    return Array.from({ length: n }, (_, at) => Number(((first + at) * step).toPrecision(12)));
  };

  // Draw in a box at the width that it has, and anew when that changes, so that letters keep their size.
  otoscope.draw_at_width = (box, draw) => {
    let width = 0;
    new ResizeObserver(() => {
      const now = Math.floor(box.getBoundingClientRect().width);
      if (now > 50 && now !== width) { width = now; box.replaceChildren(draw(now)); }
    }).observe(box);
    return box;
  };

  // ---- features ------------------------------------------------------------------------------------------------

  otoscope.feature_href = (site, basis, index) => `feature.html#${[site, basis, index].map(encodeURIComponent).join("/")}`;
  otoscope.feature_name = (site, basis, index) => `${site} ${basis} ${index}`;

  // ---- phones --------------------------------------------------------------------------------------------------

  let phone_names = {};

  // Phones as a record gives them: symbol to [its spelling in the IPA, words that it is heard in].
  otoscope.know_phones = (names) => { phone_names = names || {}; };
  const known_phone = (symbol) => (Object.hasOwn(phone_names, symbol) ? phone_names[symbol] : ["", []]);

  // Words that a phone is usually explained by; none for a class or an unknown symbol.
  otoscope.phone_words = (symbol) => known_phone(symbol)[1];

  // The IPA of a phone, or of a pair written with a slash; empty where it is not known, or the same as the symbol.
  otoscope.ipa = (name) => {
    const symbols = String(name ?? "").split("/"), found = symbols.map((symbol) => known_phone(symbol)[0]);
    return found.every(Boolean) && found.some((ipa, at) => ipa !== symbols[at]) ? found.join("/") : "";
  };

  // A phone with its IPA beside it, as a string and as an element.
  otoscope.phone_label = (name) => (otoscope.ipa(name) ? `${name} [${otoscope.ipa(name)}]` : String(name));
  otoscope.phone_text = (name) => {
    const ipa = otoscope.ipa(name);
    return ipa ? otoscope.el("span", { class: "phone-name" }, otoscope.data_text(name), " ", otoscope.el("span", { class: "ipa", lang: "und-fonipa" }, `[${ipa}]`))
      : otoscope.data_text(name);
  };

  // ---- parts of pages ------------------------------------------------------------------------------------------

  // Let a box that is scrolled sideways say so, by a line and a fading edge, while it holds more than is seen.
  otoscope.scrolls = (box) => {
    const { el } = otoscope;
    const by = (step) => () => box.scrollBy({ left: step * 0.8 * box.clientWidth, behavior: "smooth" });
    const button = (sign, words, step) => el("button", { type: "button", class: "quiet", "aria-label": words, on: { click: by(step) } }, sign);
    const back = button("←", "Scroll to the left", -1), on = button("→", "Scroll to the right", 1);
    const node = el("div", { class: "scrollable" }, el("div", { class: "sideways" }, el("span", {}, "Scroll sideways"), back, on), box);
    const mark = () => {
      const room = box.scrollWidth - box.clientWidth, at = Math.abs(box.scrollLeft);
      node.classList.toggle("is-wide", room > 1);
      back.disabled = at <= 1;
      on.disabled = at >= room - 1;
      node.classList.toggle("has-more", room > 1 && !on.disabled);
    };
    box.addEventListener("scroll", mark, { passive: true });
    const sizes = new ResizeObserver(mark);
    [box, ...box.children].forEach((one) => sizes.observe(one));
    return node;
  };

  // A plain table; `render` of a column gives what stands in a cell.
  otoscope.table = ({ caption, columns, rows }) => {
    const { el } = otoscope;
    const cell = (column, row, place) => {
      const shown = column.render ? column.render(row) : row[place] ?? "–";
      return el(place === 0 ? "th" : "td", { scope: place === 0 ? "row" : null, class: column.numeric ? "numeric" : null }, shown);
    };
    const head = columns.map((column) =>
      el("th", { scope: "col", class: column.numeric ? "numeric" : null, title: column.title }, column.label));
    return otoscope.scrolls(el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": caption || "Table" },
      el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, el("tr", {}, head)),
        el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((column, place) => cell(column, row, place))))))));
  };

  // A section with a heading that links to itself.
  otoscope.section = (id, title, ...children) =>
    otoscope.el("section", { id, "aria-labelledby": `${id}-title` },
      otoscope.el("h2", { id: `${id}-title` }, title, " ",
        otoscope.el("a", { class: "self", href: `#${id}`, "aria-label": `Link to ${title}` }, "#")), ...children);

  // A picture of the study; it opens large.
  otoscope.picture = (file, alt) =>
    otoscope.el("figure", { class: "picture" },
      otoscope.el("a", { href: otoscope.file(file), target: "_blank", rel: "noopener" },
        otoscope.el("img", { src: otoscope.file(file), alt, loading: "lazy", decoding: "async" })),
      otoscope.el("figcaption", {}, alt));

  // ---- themes --------------------------------------------------------------------------------------------------

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  otoscope.css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  otoscope.on_theme = (act) => listeners.push(act);
  const changed = () => listeners.forEach((act) => act());
  dark.addEventListener("change", changed);

  function store(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(key);
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch { /* some browsers keep nothing for pages from disk */ }
    return null;
  }

  function setTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    store("otoscope-theme", theme || "");
    changed();
  }
  const kept = store("otoscope-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;

  function themeButton() {
    const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
    const button = otoscope.el("button", { type: "button", class: "quiet theme", on: { click: () => { setTheme(isDark() ? "light" : "dark"); name(); } } });
    const name = () => { button.textContent = isDark() ? "☀ Light" : "☾ Dark"; };
    name();
    return button;
  }

  // ---- the frame of a page -------------------------------------------------------------------------------------

  function header(current) {
    const { el } = otoscope;
    const links = PAGES.filter(([name]) => (name !== "live" || otoscope.served) && (name !== "compare" || otoscope.compared)).map(([name, title]) =>
      el("a", { href: `${name}.html`, "aria-current": name === current ? "page" : null }, title));
    return el("header", { class: "top" },
      el("a", { class: "skip", href: "#main" }, "Skip to content"),
      el("a", { class: "brand", href: "index.html" }, el("img", { src: "assets/icon.svg", alt: "", width: 24, height: 24 }), "otoscope"),
      el("nav", { "aria-label": "Pages" }, links), themeButton());
  }

  // Say what went wrong, in its place.
  otoscope.problem = (error) =>
    otoscope.el("p", { class: "problem", role: "alert" }, otoscope.data_text(error && error.message ? error.message : error));

  // Build a page: its frame at once, its content as it comes. A wide one takes the width of the window.
  otoscope.page = ({ name, title, lead, render, is_wide = false }) => {
    const start = async () => {
      const { el } = otoscope;
      const main = el("main", { id: "main", tabindex: "-1", class: `page-${name}${is_wide ? " wide" : ""}` },
        el("h1", {}, title), lead ? el("p", { class: "lead" }, lead) : null);
      document.body.replaceChildren(header(name === "feature" ? "features" : name), main,
        el("footer", {}, "Made by otoscope. These pages load nothing from other hosts. ", el("a", { href: "methods.html#words" }, "Glossary"), "."));
      const here = document.querySelector(".top nav [aria-current]");
      if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
      main.setAttribute("aria-busy", "true");
      try {
        await render(main);
        if (location.hash && !main.contains(document.activeElement)) document.getElementById(location.hash.slice(1))?.scrollIntoView();
      } catch (error) {
        main.append(otoscope.problem(error));
        if (!(error instanceof Error) || error.constructor !== Error) console.error(error);
      }
      main.removeAttribute("aria-busy");
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  };
})();
