/* All features of all sites and bases, in a table that is sorted, filtered and searched. What it shows stands in its
   address, so that a view can be shared. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const filter = otoscope.features_filter;
  let table = null, view = null, own = new Map(), rows = [], parts = {};

  // ---- columns -------------------------------------------------------------------------------------------------

  // Three places, so that columns line up; only what is 1 reads as 1.
  const fixed = (x) => (Number.isNaN(x) ? "–" : (x < 1 ? Math.min(x, 0.999) : x).toFixed(3));
  const SIGN = { 1: "+", "-1": "−", 0: "–" };
  const phone = (place) => (place < 0 ? "–" : otoscope.phone_text(table.phones[place]));
  const COLUMNS = [
    { sort: "place", label: "Feature", title: "Site, basis and number; sorts as the run lists them", cell: (row) => link(row) },
    { label: "Listen", title: "The strongest example, and the strength over 1.2 seconds around it", cell: (row) => otoscope.features_rows.sound(table.group[row], table.feature[row]) },
    { label: "Words", title: "Words under its strongest peaks", cell: (row) => otoscope.features_rows.words(table.group[row], table.feature[row]) },
    { sort: "name", label: "Name", title: "What it detects, where that is clear", phones: true, cell: (row) => name(row) },
    { sort: "phone", label: "Best phone", title: "The phone that it tells best from all others, whether it is named so or not", phones: true, cell: (row) => phone(table.phone[row]) },
    { sort: "purity", label: "Purity", title: "Share of the strongest examples in their most common phone; equal ones are sorted by AUROC", phones: true, number: true,
      cell: (row) => (Number.isNaN(table.purity[row]) ? "–" : [`${otoscope.percent(table.purity[row])} `, phone(table.purity_phone[row])]) },
    { sort: "auroc", label: "AUROC", title: "On held-out clips: of the name, or of the best phone where it has none; 0.5 is chance", phones: true, number: true,
      cell: (row) => fixed(table.auroc[row]) },
    { sort: "sign", label: "Sign", title: "Of the strengths that detect it", phones: true, number: true, cell: (row) => SIGN[table.sign[row]] },
    { sort: "polysemantic", label: "Polysemantic", title: "Whether weaker ranges of strength, of either sign, detect another phone", phones: true, cell: (row) => ["no", "yes"][table.polysemantic[row]] ?? "–" },
    { sort: "maximum", label: "Maximum", title: "Greatest strength", number: true, cell: (row) => otoscope.number(table.maximum[row]) },
    { sort: "density", label: "Density", title: "Share of speech frames above a tenth of the maximum", number: true, cell: (row) => otoscope.percent(table.density[row], 1) },
    { sort: "kurtosis", label: "Kurtosis", title: "Excess kurtosis: 0 for a normal distribution", number: true, cell: (row) => otoscope.number(table.kurtosis[row]) },
    { sort: "kind", label: "Kind", title: "What the name is of: a phone, a pair, a class; unclear; silent: without an example", phones: true,
      cell: (row) => table.kinds[table.kind[row]] ?? "–" },
  ];
  const columns = () => COLUMNS.filter((one) => !one.phones || table.phones.length > 0);
  const group = (row) => table.groups[table.group[row]];

  // The link to a feature's page; its text is cut where it may break.
  function link(row) {
    const { site, basis } = group(row), index = table.feature[row];
    const parts = site.split(".").map((part, at) => [at ? [".", el("wbr", {})] : null, part]);
    return el("a", { href: otoscope.feature_href(site, basis, index) }, el("bdi", { dir: "auto", class: "data" }, parts), " ",
      el("span", { class: "index" }, otoscope.data_text(basis), " ", el("strong", {}, index)));
  }

  // The name that the study gave, and one's own.
  function name(row) {
    const at = table.name[row], { site, basis } = group(row), mine = otoscope.notes.get(otoscope.notes.key(site, basis, table.feature[row])).name;
    return [at < 0 ? (mine ? null : "–") : otoscope.phone_text(table.names[at]), mine ? el("span", { class: "mine", title: "Your name for it" }, "✎ ", otoscope.data_text(mine)) : null];
  }

  // A heading, which sorts where there is something to sort by.
  function head(column) {
    if (!column.sort) return el("th", { scope: "col", class: "plain", title: column.title }, column.label);
    const is_sorted = view.sort === column.sort;
    const sort = () => change({ sort: column.sort, up: is_sorted ? (view.up ? "" : "1") : filter.first_direction(column.sort) }, column.sort);
    return el("th", { scope: "col", class: column.number ? "numeric" : null, "aria-sort": is_sorted ? (view.up ? "ascending" : "descending") : null },
      el("button", { type: "button", class: "sort", title: column.title, dataset: { sort: column.sort }, on: { click: sort } },
        column.label, el("span", { class: "arrow", "aria-hidden": "true" }, is_sorted ? (view.up ? "▲" : "▼") : "↕")));
  }

  // ---- showing -------------------------------------------------------------------------------------------------

  const whole = (n) => Number(n).toLocaleString("en");

  // How many features a view chooses from.
  const n_of = (with_baselines) => table.groups.reduce((sum, one, at) => sum + (with_baselines || !table.is_baseline[at] ? one.n : 0), 0);

  // Tiles of all rows, or one page of the table.
  function draw() {
    const is_tiled = view.view === "tiles";
    parts.told.textContent = `${whole(rows.length)} of ${otoscope.count(n_of(filter.shows_baselines(table, view)), "feature")}`;
    parts.none.hidden = rows.length > 0;
    parts.views.forEach((one) => one.setAttribute("aria-pressed", String(one.value === view.view)));
    parts.tiles.replaceChildren(...(is_tiled ? otoscope.features_tiles(table, rows) : []));
    parts.scroller.hidden = is_tiled || rows.length === 0;
    if (is_tiled) parts.pagers.forEach((one) => { one.hidden = true; });
    else draw_table();
  }

  function draw_table() {
    const shown = columns(), first = (view.page - 1) * filter.ROWS, some = rows.subarray(first, first + filter.ROWS);
    parts.head.replaceChildren(el("tr", {}, shown.map(head)));
    parts.body.replaceChildren(...Array.from(some, (row) => el("tr", {}, shown.map((column, at) =>
      el(at ? "td" : "th", { scope: at ? null : "row", class: column.number ? "numeric" : null }, column.cell(row))))));
    const place = rows.length ? `${whole(first + 1)}–${whole(first + some.length)} of ${whole(rows.length)}` : "";
    for (const pager of parts.pagers) {
      pager.where.textContent = place;
      pager.back.disabled = view.page <= 1;
      pager.on.disabled = first + some.length >= rows.length;
      pager.hidden = rows.length <= filter.ROWS;
    }
  }

  // Choose the rows of the view, and show the page of them that it names.
  function apply() {
    rows = filter.choose(table, view, own);
    view.page = Math.min(view.page, Math.max(1, Math.ceil(rows.length / filter.ROWS)));
    draw();
  }

  let writing = 0;

  // Write the view into the address, not more often than browsers allow.
  function write() {
    clearTimeout(writing);
    writing = setTimeout(() => {
      const hash = filter.to_hash(view);
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    }, 150);
  }

  // Change the view; focus stays on the heading that was pressed.
  function change(wish, sorted = null) {
    view = { ...view, page: 1, ...wish };
    fill();
    apply();
    write();
    if (sorted) parts.head.querySelector(`[data-sort="${sorted}"]`).focus();
  }

  // Go to another page of the table.
  function turn(by) {
    change({ page: view.page + by });
    parts.top.scrollIntoView({ block: "start" });
  }

  // ---- choosing ------------------------------------------------------------------------------------------------

  const field = (label, input, hint) => el("label", { class: "field", title: hint }, el("span", {}, label), input);
  const option = (value, text) => el("option", { value }, text);

  // A list to choose from.
  function select(key, label, options, hint) {
    const found = el("select", { on: { change: () => change({ [key]: found.value }) } }, option("", "All"), options);
    parts.fields[key] = found;
    return field(label, found, hint);
  }

  // A field to write into.
  function input(key, label, attributes, hint) {
    const found = el("input", { ...attributes, on: { input: () => change({ [key]: found.value }) } });
    parts.fields[key] = found;
    return field(label, found, hint);
  }

  // Kinds of name, then every name under its kind.
  function names() {
    const kinds = filter.kinds_of_names(table), sorted = table.names.map((text, at) => ({ text, kind: kinds[at] })).sort((a, b) => (a.text < b.text ? -1 : 1));
    const titles = { phone: "Phones", pair: "Pairs of phones", class: "Classes of phones" };
    const there = new Set(table.kind);
    const any = (kind) => (Object.hasOwn(titles, kind) ? `any ${kind}` : kind);
    return [
      el("optgroup", { label: "Any of a kind" }, table.kinds.filter((_, at) => there.has(at)).map((kind) => option(`kind:${kind}`, any(kind)))),
      Object.entries(titles).map(([kind, title]) => {
        const some = sorted.filter((one) => table.kinds[one.kind] === kind);
        return some.length ? el("optgroup", { label: title }, some.map((one) => option(`name:${one.text}`, otoscope.phone_label(one.text)))) : null;
      }),
    ];
  }

  const different = (key) => [...new Set(table.groups.map((one) => one[key]))];

  // All that a table can be filtered by.
  function controls() {
    parts.fields = {};
    const has_phones = table.phones.length > 0;
    const find = input("find", "Search",
      { type: "search", placeholder: "name, site, number, your own name", autocomplete: "off", spellcheck: "false", dir: "auto" },
      "Finds features that match all words; a number is a feature's index. SITE/BASIS/INDEX finds one feature.");
    find.classList.add("find");
    const best = new Set(table.phone), folded = ["site", "basis", "detects", "phone", "polysemantic", "sign", "from", "to"];
    const asked = new URLSearchParams(location.hash.slice(1)), is_open = folded.some((key) => asked.has(key));
    const others = [select("site", "Site", different("site").map((site) => option(site, site))),
      select("basis", "Basis", different("basis").map((basis) => option(basis, basis)), "Neurons, directions of a dictionary (sae), and their baselines: random directions, and an untrained model"),
      ...(has_phones ? [
        select("detects", "Detects", names(), "By what the feature is named"),
        select("phone", "Best phone", table.phones.filter((_, at) => best.has(at)).map((phone) => option(phone, otoscope.phone_label(phone))), "Also features without a clear name"),
        select("polysemantic", "Polysemantic", [option("1", "yes"), option("0", "no")]),
        select("sign", "Sign", [option("1", "positive"), option("-1", "negative")]),
        el("fieldset", { class: "between" }, el("legend", {}, "AUROC"),
          input("from", "from", { type: "number", min: 0, max: 1, step: 0.01, inputmode: "decimal" }), input("to", "to", { type: "number", min: 0, max: 1, step: 0.01, inputmode: "decimal" })),
      ] : [])];
    return el("form", { class: "filters card", role: "search", "aria-label": "Filter the features", on: { submit: (event) => event.preventDefault() } },
      find, el("details", { open: is_open }, el("summary", {}, "Filters"), el("div", { class: "grid" }, others)),
      el("button", { type: "button", class: "quiet clear", on: { click: () => change({ ...filter.PLAIN, view: view.view, sort: view.sort, up: view.up }) } }, "Clear all"));
  }

  // Let the fields say what the view is.
  function fill() {
    for (const [key, one] of Object.entries(parts.fields)) if (one.value !== String(view[key])) one.value = view[key];
    if (parts.baselines) parts.baselines.checked = Boolean(view.baselines);
  }

  // Whether baselines are shown; nothing where there are none.
  function baselines() {
    const n = n_of(true) - n_of(false), bases = [...new Set(table.groups.filter((_, at) => table.is_baseline[at]).map((one) => one.basis))];
    if (!n) return null;
    parts.baselines = el("input", { type: "checkbox", on: { change: () => change({ baselines: parts.baselines.checked ? "1" : "" }) } });
    return el("label", { class: "baselines" }, parts.baselines, ` with ${otoscope.count(n, "baseline")} (`, otoscope.data_text(bases.join(", ")), ")");
  }

  // Buttons for the two views.
  function views() {
    const button = (value, text) => el("button", { type: "button", value, on: { click: () => change({ view: value }) } }, text);
    parts.views = table.phones.length ? [button("", "Table"), button("tiles", "Tiles by phone")] : [];
    return parts.views.length ? el("div", { class: "row", role: "group", "aria-label": "View" }, parts.views) : null;
  }

  // Buttons to the page before and after, with where one is.
  function pager(label) {
    const where = el("span", { class: "where" });
    const back = el("button", { type: "button", on: { click: () => turn(-1) } }, "Previous"), on = el("button", { type: "button", on: { click: () => turn(1) } }, "Next");
    const found = el("nav", { class: "row pager", "aria-label": label }, back, where, on);
    parts.pagers.push(Object.assign(found, { where, back, on }));
    return found;
  }

  // Names of one's own by row, in small letters.
  function own_names() {
    const groups = new Map();
    let start = 0;
    table.groups.forEach((one) => { groups.set(`${one.site}/${one.basis}`, { start, n: one.n }); start += one.n; });
    own = new Map();
    for (const [key, note] of otoscope.notes.all()) {
      const cut = key.lastIndexOf("/"), found = groups.get(key.slice(0, cut)), index = Number(key.slice(cut + 1));
      if (note.name && found && index < found.n) own.set(found.start + index, note.name.toLowerCase());
    }
  }

  function build(main) {
    parts.pagers = [];
    parts.told = el("p", { class: "told", role: "status", "aria-live": "polite" });
    parts.head = el("thead", {});
    parts.body = el("tbody", {});
    parts.scroller = otoscope.scrolls(el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Features" },
      el("table", { class: "features" }, el("caption", { class: "visually-hidden" }, "Features; the headings sort"), parts.head, parts.body)));
    parts.tiles = el("div", {});
    parts.none = el("p", { class: "none", hidden: true }, "No feature is like that. Take a filter away.");
    parts.top = el("div", { class: "row above" }, views(), parts.told, baselines(), pager("Pages of the table"));
    main.append(controls(), otoscope.notes.tools(), parts.top, parts.scroller, parts.tiles, parts.none, pager("Pages of the table, below"));
  }

  // Take the view from the address.
  function follow() {
    if (location.hash === "#main") { write(); return; }
    view = filter.known(table, filter.from_hash(location.hash));
    fill();
    apply();
  }

  otoscope.page({
    name: "features", title: "Features", is_wide: true, lead: "Every neuron and every direction of a dictionary that was looked at. The purest for one phone stand first.",
    render: async (main) => {
      const record = await otoscope.data("features");
      if (!record.groups.length) {
        main.append(el("p", { class: "none" }, "This study holds no features: ", otoscope.data_text(record.why || "this part was left out"), "."));
        return;
      }
      otoscope.know_phones(record.phone_names);
      table = filter.open(record);
      await otoscope.notes.open(record.study || location.pathname).catch((error) => main.append(otoscope.problem(error)));
      otoscope.notes.on_change(() => { own_names(); apply(); });
      own_names();
      build(main);
      follow();
      window.addEventListener("hashchange", follow);
    },
  });
})();
