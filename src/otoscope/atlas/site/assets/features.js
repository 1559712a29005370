/* Features: every feature of every site and basis, to sort, filter and search; a hundred rows in the page at a time. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, features_filter: filter, notes } = otoscope;
  const HEADS = [
    ["place", "Feature", "site, basis and number"], ["name", "Name", "what it detects, by the rule on the page Phones"], ["phone", "Best phone", "the phone that it tells best, named or not"],
    ["auroc", "AUROC", "held-out, of its name or its best phone; 0.5 is chance"], ["sign", "Sign", "whether it detects by strength (+) or by weakness (−)"],
    ["purity", "Purity", "share of the strongest examples in their most common phone"], ["polysemantic", "Polysemantic", "pure at its strongest, and another phone below"],
    ["maximum", "Maximum", "strength"], ["density", "Density", "share of speech frames above a tenth of the maximum"], ["kurtosis", "Kurtosis", "excess"],
  ];
  let table = null, view = null, own = new Map();
  const parts = {};

  const value = (numbers, row, write = otoscope.number) => (Number.isNaN(numbers[row]) ? "–" : write(numbers[row]));

  // Names of one's own by row, in small letters, for the search.
  function ownNames() {
    const rows = new Map(), at = new Map();
    table.groups.forEach((one, group) => at.set(`${one.site}/${one.basis}`, group));
    if (!notes.all().size) return rows;
    const first = new Map();
    for (let row = 0; row < table.n; row += 1) if (!first.has(table.group[row])) first.set(table.group[row], row);
    for (const [key, note] of notes.all()) {
      const cut = key.lastIndexOf("/"), group = at.get(key.slice(0, cut));
      if (group !== undefined && note.name) rows.set(first.get(group) + Number(key.slice(cut + 1)), note.name.toLowerCase());
    }
    return rows;
  }

  // One row of the table.
  function line(row) {
    const group = table.groups[table.group[row]], index = table.feature[row], mine = notes.get(notes.key(group.site, group.basis, index)).name;
    const named = table.name[row] >= 0 ? table.names[table.name[row]] : table.kinds[table.kind[row]];
    const yes = table.polysemantic[row];
    return el("tr", {},
      el("th", { scope: "row" }, el("a", { href: otoscope.feature_href(group.site, group.basis, index) }, otoscope.data_text(otoscope.feature_name(group.site, group.basis, index)))),
      el("td", {}, otoscope.data_text(named), mine ? [" ", el("span", { class: "tag", title: "your own name" }, otoscope.data_text(mine))] : null),
      el("td", {}, table.phone[row] >= 0 ? otoscope.data_text(table.phones[table.phone[row]]) : "–"),
      el("td", { class: "numeric" }, value(table.auroc, row)), el("td", {}, { 1: "+", "-1": "−" }[table.sign[row]] || "–"),
      el("td", { class: "numeric" }, value(table.purity, row, otoscope.percent)), el("td", {}, yes < 0 ? "–" : yes ? "yes" : "no"),
      el("td", { class: "numeric" }, value(table.maximum, row)), el("td", { class: "numeric" }, value(table.density, row, (x) => otoscope.percent(x, 1))), el("td", { class: "numeric" }, value(table.kurtosis, row)));
  }

  // Filter, and show the page of the view.
  function show() {
    const rows = filter.choose(table, view, own), pages = Math.max(1, Math.ceil(rows.length / filter.ROWS));
    view.page = Math.min(view.page, pages);
    const start = (view.page - 1) * filter.ROWS, some = Array.from(rows.subarray(start, start + filter.ROWS));
    parts.body.replaceChildren(...some.map(line));
    const shown = rows.length ? `${(start + 1).toLocaleString("en")}–${(start + some.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "none";
    parts.told.textContent = `${shown}${rows.length < table.n ? ` (of ${table.n.toLocaleString("en")} features in all)` : " features"}`;
    parts.previous.disabled = view.page <= 1;
    parts.next.disabled = view.page >= pages;
    parts.heads.forEach((head, name) => { head.setAttribute("aria-sort", name === view.sort ? (view.up ? "ascending" : "descending") : "none"); });
    const hash = filter.to_hash(view);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname.split("/").pop());
  }

  // Change the view, from its first page on.
  function change(values) {
    Object.assign(view, { page: 1 }, values);
    show();
  }

  const field = (name, label, input) => { input.dataset.field = name; return el("label", { class: "field" }, label, input); };

  // A choice among values.
  const select = (name, label, rows) => field(name, label, el("select", { on: { change: (event) => change({ [name]: event.target.value }) } },
    el("option", { value: "" }, "all"), rows.map(([key, text]) => el("option", { value: key }, String(text).slice(0, 60)))));

  function fields() {
    const unique = (key) => [...new Set(table.groups.map((one) => one[key]))].map((one) => [one, one]);
    const kinds = filter.kinds_of_names(table);
    const names = table.names.map((name, at) => [`name:${name}`, `${name} (${table.kinds[kinds[at]] ?? ""})`]);
    const input = (name, type, more) => el("input", { type, ...more, on: { input: (event) => change({ [name]: event.target.value }) } });
    return el("form", { class: "fields", role: "search", on: { submit: (event) => event.preventDefault() } },
      field("find", "Search", input("find", "search", { placeholder: "name, site, number", autocomplete: "off" })),
      select("site", "Site", unique("site")), select("basis", "Basis", unique("basis")),
      select("detects", "Detects", [...table.kinds.map((kind) => [`kind:${kind}`, `any ${kind}`]), ...names]),
      select("phone", "Best phone", table.phones.map((phone) => [phone, phone])),
      select("polysemantic", "Polysemantic", [["1", "yes"], ["0", "no"]]), select("sign", "Sign", [["1", "+ strength"], ["-1", "− weakness"]]),
      field("from", "AUROC from", input("from", "number", { min: 0, max: 1, step: 0.01 })), field("to", "AUROC to", input("to", "number", { min: 0, max: 1, step: 0.01 })));
  }

  // Put the view into the fields.
  const fill = (form) => form.querySelectorAll("[data-field]").forEach((one) => { one.value = view[one.dataset.field]; });

  function build(main) {
    parts.heads = new Map();
    const heads = HEADS.map(([name, label, title]) => {
      const head = el("th", { scope: "col", title }, el("button", { type: "button", class: "quiet sort", on: { click: () => change({ sort: name, up: view.sort === name ? (view.up ? "" : "1") : filter.first_direction(name) }) } }, label));
      parts.heads.set(name, head);
      return head;
    });
    parts.body = el("tbody", {});
    parts.told = el("p", { role: "status", "aria-live": "polite" });
    parts.previous = el("button", { type: "button", on: { click: () => { view.page -= 1; show(); } } }, "Previous");
    parts.next = el("button", { type: "button", on: { click: () => { view.page += 1; show(); } } }, "Next");
    const form = fields(), plain = el("button", { type: "button", on: { click: () => { view = { ...filter.PLAIN }; fill(form); show(); } } }, "Show all");
    main.append(form, el("div", { class: "row" }, parts.previous, parts.next, parts.told, plain),
      el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Features" }, el("table", { class: "features" }, el("caption", {}, "Choose a heading to sort by it, a feature to look at it."), el("thead", {}, el("tr", {}, heads)), parts.body)),
      el("section", { "aria-label": "Notes" }, el("h2", {}, "Your notes"), notes.tools()));
    return form;
  }

  otoscope.page({
    name: "features",
    title: "Features",
    lead: "Every feature of every site and basis. AUROC is held out: 0.5 is chance, and random directions stand among the bases to compare with.",
    render: async (main) => {
      const [record, { study }] = await Promise.all([otoscope.data("features"), otoscope.data("overview")]);
      if (!record.groups.length) { main.append(el("p", { class: "none" }, otoscope.data_text(record.why || "This study harvested no features."))); return; }
      table = filter.open(record);
      await notes.open(`${(study.model || {}).weights_hash} ${(study.corpus || {}).name} ${study.created}`).catch(() => {});
      own = ownNames();
      const form = build(main);
      const read = () => { view = filter.known(table, filter.from_hash(location.hash)); fill(form); show(); };
      notes.on_change(() => { own = ownNames(); show(); });
      window.addEventListener("hashchange", read);
      read();
    },
  });
})();
