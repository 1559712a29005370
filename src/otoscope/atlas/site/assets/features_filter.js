/* Which features a view shows, and in what order: columns of numbers in, numbers of rows out. Knows no page.
   Orders are made once for each column; a filter is one pass over them, so that 50,000 rows answer at once. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const filter = (otoscope.features_filter = {});

  filter.ROWS = 100; // on a page of the table

  // A view that leaves nothing out; an address holds what differs from it.
  filter.PLAIN = Object.freeze({
    find: "", site: "", basis: "", detects: "", phone: "", polysemantic: "", sign: "", from: "", to: "",
    baselines: "", view: "", sort: "purity", up: "", page: 1,
  });

  // Columns that sort from the least up when they are first asked for; the others from the most down.
  const UP_FIRST = new Set(["place", "name", "kind", "phone"]);
  filter.first_direction = (column) => (UP_FIRST.has(column) ? "1" : "");
  filter.SORTED = ["place", "name", "kind", "phone", "auroc", "sign", "purity", "polysemantic", "maximum", "density", "kurtosis"];

  // Bases that features are judged by, not found in.
  const is_baseline = (basis) => basis !== "neuron" && basis !== "sae";

  // ---- columns -------------------------------------------------------------------------------------------------

  // Numbers side by side; what is missing is no number.
  const floats = (values) => Float64Array.from(values, (value) => (value === null ? NaN : value));
  const whole = (values) => Int32Array.from(values, (value) => (value === null ? -1 : value));
  const lower = (text) => String(text).toLowerCase();

  // Make a table of the record of all features.
  filter.open = (record) => {
    const { columns, groups, names, phones, kinds } = record;
    return {
      groups, names, phones, kinds, n: columns.feature.length,
      group: whole(columns.group), feature: whole(columns.feature), name: whole(columns.name), kind: whole(columns.kind),
      phone: whole(columns.phone), purity_phone: whole(columns.purity_phone), polysemantic: whole(columns.polysemantic), sign: whole(columns.sign),
      auroc: floats(columns.auroc), purity: floats(columns.purity), maximum: floats(columns.maximum),
      density: floats(columns.density), kurtosis: floats(columns.kurtosis),
      is_baseline: groups.map((one) => is_baseline(one.basis) && groups.some((other) => !is_baseline(other.basis))),
      group_text: groups.map((one) => lower(`${one.site} ${one.basis}`)), name_text: names.map(lower), orders: new Map(),
    };
  };

  // The kind of each name: a name is of one kind.
  filter.kinds_of_names = (table) => {
    const found = new Int32Array(table.names.length).fill(-1);
    for (let row = 0; row < table.n; row += 1) if (table.name[row] >= 0) found[table.name[row]] = table.kind[row];
    return found;
  };

  // ---- orders --------------------------------------------------------------------------------------------------

  // The place of each text in the order of the alphabet.
  function ranks(texts) {
    const order = texts.map((_, at) => at).sort((a, b) => (texts[a] < texts[b] ? -1 : texts[a] > texts[b] ? 1 : a - b));
    const found = new Int32Array(texts.length);
    order.forEach((at, rank) => { found[at] = rank; });
    return found;
  }

  // What a column is sorted by; no number where there is none.
  function keys(table, column) {
    const by = (numbers, rank) => Float64Array.from(numbers, (at) => (at < 0 ? NaN : rank[at]));
    if (column === "name") return by(table.name, ranks(table.name_text));
    if (column === "phone") return by(table.phone, ranks(table.phones.map(lower)));
    if (column === "kind" || column === "polysemantic") return Float64Array.from(table[column], (at) => (at < 0 ? NaN : at));
    if (column === "sign") return Float64Array.from(table.sign, (sign) => (sign === 0 ? NaN : sign));
    return table[column];
  }

  // All rows in the order of a column, those without a value last; rows of equal value as they come.
  filter.order = (table, column, up) => {
    const name = `${column} ${up ? "up" : "down"}`;
    if (!table.orders.has(name)) table.orders.set(name, sorted(table, column, up));
    return table.orders.get(name);
  };

  function sorted(table, column, up) {
    const rows = Int32Array.from({ length: table.n }, (_, row) => row);
    if (column === "place") return up ? rows : rows.reverse();
    const key = keys(table, column), held = rows.filter((row) => !Number.isNaN(key[row]));
    const tie = column === "purity" ? (row) => (Number.isNaN(table.auroc[row]) ? -1 : table.auroc[row]) : () => 0; // many are equally pure
    held.sort(up ? (a, b) => key[a] - key[b] || tie(a) - tie(b) || a - b : (a, b) => key[b] - key[a] || tie(b) - tie(a) || a - b);
    const found = new Int32Array(table.n);
    found.set(held);
    found.set(rows.filter((row) => Number.isNaN(key[row])), held.length);
    return found;
  }

  // ---- filters -------------------------------------------------------------------------------------------------

  // Parts of a search that must all be found; an address of a feature is one part.
  function parts(table, text) {
    return lower(text).trim().split(/\s+/).filter(Boolean).map((part) => {
      const cut = part.lastIndexOf("/"), tail = part.slice(cut + 1);
      const start = part.slice(0, Math.max(0, cut)).replace("/", " ");
      return {
        part, number: /^\d{1,9}$/.test(part) ? Number(part) : -1,
        in_group: table.group_text.map((group) => !/^\d+$/.test(part) && group.includes(part)),
        in_name: table.name_text.map((name) => name.includes(part)),
        address: cut > 0 && /^\d{1,9}$/.test(tail) ? table.group_text.map((group) => group === start) : null, tail: Number(tail),
      };
    });
  }

  // Whether a row holds a part: in its name, its site or basis, its number, or a name of one's own.
  function holds(table, row, one, own) {
    const name = table.name[row], mine = own.get(row);
    return one.in_group[table.group[row]] || (name >= 0 && one.in_name[name]) || table.feature[row] === one.number
      || (one.address !== null && table.feature[row] === one.tail && one.address[table.group[row]])
      || (mine !== undefined && mine.includes(one.part));
  }

  // What a choice of names lets through: all, any of a kind, or one name.
  function detects(table, choice) {
    if (choice.startsWith("kind:")) {
      const kind = table.kinds.indexOf(choice.slice(5));
      return (row) => table.kind[row] === kind;
    }
    const name = table.names.indexOf(choice.slice(5));
    return (row) => table.name[row] === name;
  }

  // Whether a view shows baselines: it says so, or asks for one by its name.
  filter.shows_baselines = (table, view) => Boolean(view.baselines) || is_baseline(view.basis || "sae")
    || table.groups.some((one, at) => table.is_baseline[at] && lower(view.find).includes(lower(one.basis)));

  // The tests that a view puts to each row.
  function tests(table, view, own) {
    const found = [];
    if (table.is_baseline.some(Boolean) && !filter.shows_baselines(table, view)) found.push((row) => !table.is_baseline[table.group[row]]);
    if (view.site || view.basis) {
      const fits = table.groups.map((one) => (!view.site || one.site === view.site) && (!view.basis || one.basis === view.basis));
      found.push((row) => fits[table.group[row]]);
    }
    if (view.detects) found.push(detects(table, view.detects));
    if (view.phone) { const phone = table.phones.indexOf(view.phone); found.push((row) => table.phone[row] === phone); }
    if (view.polysemantic) { const wanted = Number(view.polysemantic); found.push((row) => table.polysemantic[row] === wanted); }
    if (view.sign) { const sign = Number(view.sign); found.push((row) => table.sign[row] === sign); }
    const from = limit(view.from), to = limit(view.to);
    if (from !== null) found.push((row) => table.auroc[row] >= from);
    if (to !== null) found.push((row) => table.auroc[row] <= to);
    for (const one of parts(table, view.find)) found.push((row) => holds(table, row, one, own));
    return found;
  }

  const limit = (text) => (String(text).trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

  // The rows that a view shows, in its order. `own` holds names of one's own: row to text in small letters.
  filter.choose = (table, view, own = new Map()) => {
    const order = filter.order(table, view.sort, Boolean(view.up)), asked = tests(table, view, own);
    if (!asked.length) return order;
    const found = new Int32Array(table.n);
    let n = 0;
    for (const row of order) {
      if (asked.every((test) => test(row))) { found[n] = row; n += 1; }
    }
    return found.subarray(0, n);
  };

  // ---- addresses -----------------------------------------------------------------------------------------------

  // What differs from a plain view, as the part of an address behind the #.
  filter.to_hash = (view) => {
    const found = new URLSearchParams();
    for (const [key, plain] of Object.entries(filter.PLAIN)) {
      const value = key === "page" ? view.page : view[key];
      if (key === "up" ? Boolean(value) !== Boolean(filter.first_direction(view.sort)) : String(value) !== String(plain)) found.set(key, value || "0");
    }
    return found.toString();
  };

  // A view from an address; what is not understood is left out.
  filter.from_hash = (hash) => {
    const given = new URLSearchParams(hash.replace(/^#/, "")), view = { ...filter.PLAIN };
    for (const key of Object.keys(filter.PLAIN)) if (given.has(key)) view[key] = given.get(key);
    if (!filter.SORTED.includes(view.sort)) view.sort = filter.PLAIN.sort;
    view.up = given.has("up") ? (view.up === "1" ? "1" : "") : filter.first_direction(view.sort);
    view.page = Math.max(1, Math.floor(Number(view.page)) || 1);
    return view;
  };

  // A view without what this table has nothing of.
  filter.known = (table, view) => {
    const has = {
      site: (value) => table.groups.some((one) => one.site === value), basis: (value) => table.groups.some((one) => one.basis === value),
      detects: (value) => (value.startsWith("kind:") ? table.kinds.includes(value.slice(5)) : value.startsWith("name:") && table.names.includes(value.slice(5))),
      phone: (value) => table.phones.includes(value), polysemantic: (value) => value === "0" || value === "1", sign: (value) => value === "1" || value === "-1",
      baselines: (value) => value === "1", view: (value) => value === "tiles" && table.phones.length > 0,
    };
    const found = { ...view };
    for (const [key, test] of Object.entries(has)) if (found[key] && !test(found[key])) found[key] = "";
    return found;
  };
})();
