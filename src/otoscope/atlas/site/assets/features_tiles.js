/* Features as tiles, by the phone that most of their strongest peaks lie in: what a phone's features look and sound like. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const MOST = 6, STEP = 24; // tiles of a phone, and more of them at a time

  // One feature.
  function tile(table, row) {
    const { site, basis } = table.groups[table.group[row]], index = table.feature[row], group = table.group[row];
    return el("li", { class: "card tile" },
      el("a", { href: otoscope.feature_href(site, basis, index) }, otoscope.data_text(otoscope.feature_name(site, basis, index))),
      otoscope.features_rows.sound(group, index), otoscope.features_rows.words(group, index),
      el("span", { class: "hint" }, `purity ${otoscope.percent(table.purity[row])}, AUROC ${otoscope.number(table.auroc[row])}`));
  }

  // The first few features of a phone, the others when they are asked for.
  function tiles(table, rows) {
    const box = el("ul", {}, Array.from(rows.slice(0, MOST), (row) => tile(table, row)));
    if (rows.length <= MOST) return box;
    const more = () => {
      const shown = box.children.length;
      box.append(...rows.slice(shown, shown + STEP).map((row) => tile(table, row)));
      button.hidden = box.children.length === rows.length;
    };
    const button = el("button", { type: "button", on: { click: more } }, "More");
    return [box, el("p", {}, button)];
  }

  // The chosen rows by phone, the first few of each in their order, and how many there are.
  otoscope.features_tiles = (table, rows) => {
    const by_phone = table.phones.map(() => []);
    for (const row of rows) if (table.purity_phone[row] >= 0) by_phone[table.purity_phone[row]].push(row);
    return by_phone.map((some, phone) => {
      const name = table.phones[phone], words = otoscope.phone_words(name);
      return some.length ? el("section", { class: "tiles" },
        el("h2", {}, otoscope.phone_text(name), words.length ? el("span", { class: "as" }, " as in ", el("i", {}, words.join(", "))) : null,
          el("span", { class: "as hint" }, ` ${otoscope.count(some.length, "feature")}`)),
        tiles(table, some)) : null;
    }).filter(Boolean);
  };
})();
