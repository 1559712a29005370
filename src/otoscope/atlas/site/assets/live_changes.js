/* Changes to the model that a live question is asked again with: features and heads, each scaled or silenced. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const live = (otoscope.live_page = otoscope.live_page || {});
  const MOST_SCALE = 4;

  const same = (one, other) => ["kind", "site", "basis", "feature", "head"].every((key) => one[key] === other[key]);

  // What a change is called.
  const called = (change) => (change.kind === "head"
    ? `head ${change.head} of ${change.site}`
    : otoscope.feature_name(change.site, change.basis, change.feature));

  // A select with its label.
  function choice(label, options, on_change) {
    const select = el("select", { on: { change: on_change || (() => {}) } }, options.map(([value, text]) => el("option", { value }, text)));
    return { node: el("label", { class: "choice" }, label, select), select };
  }

  // Choose a head: which attention, which block, which head.
  function heads(sizes, add) {
    const rooms = [["encoder", "attn", "encoder, over the sound"], ["decoder", "attn", "decoder, over the text"], ["decoder", "cross_attn", "decoder, over the sound"]];
    const range = (n) => Array.from({ length: n || 0 }, (_, i) => [String(i), String(i)]);
    const n_blocks = (place) => (place < 1 ? sizes.n_encoder_blocks : sizes.n_decoder_blocks);
    const fill = () => block.select.replaceChildren(...range(n_blocks(Number(room.select.value))).map(([value, text]) => el("option", { value }, text)));
    const room = choice("Attention", rooms.map((each, i) => [String(i), each[2]]), fill);
    const block = choice("Block", range(sizes.n_encoder_blocks));
    const head = choice("Head", range(sizes.n_heads));
    const press = () => {
      const [place, part] = rooms[Number(room.select.value)];
      add({ kind: "head", site: `${place}.blocks.${block.select.value}.${part}`, head: Number(head.select.value), scale: 0 });
    };
    return el("div", { class: "row" }, room.node, block.node, head.node, el("button", { type: "button", on: { click: press } }, "Add this head"));
  }

  // The list of changes, with a slider each: {node, add(change), changes()}.
  live.changes = (about, ask) => {
    let changes = [];
    const list = el("ul", { class: "changes" });
    const button = el("button", { type: "button", class: "go", disabled: true, on: { click: () => ask(changes) } }, "What is heard then?");
    const hint = el("p", { class: "hint" }, "Nothing is changed yet: add a feature above, or a head here.");
    const full = el("p", { class: "hint", hidden: true }, `No more than ${about.most_changes} changes at once.`);
    const item = (change) => {
      const shown = el("output", {}, "");
      const slider = el("input", { type: "range", min: 0, max: MOST_SCALE, step: 0.25, "aria-label": `Factor of ${called(change)}` });
      const tell = () => {
        change.scale = Number(slider.value);
        shown.textContent = change.scale === 0 ? "× 0: silenced" : `× ${change.scale}${change.scale === 1 ? ": unchanged" : ""}`;
      };
      slider.value = String(change.scale);
      slider.addEventListener("input", tell);
      tell();
      const remove = el("button", { type: "button", class: "quiet", "aria-label": `Leave ${called(change)} as it is`,
        on: { click: () => { changes = changes.filter((each) => each !== change); show(); } } }, "✕");
      return el("li", {}, el("span", { class: "called" }, otoscope.data_text(called(change))), slider, shown, remove);
    };
    const show = () => {
      list.replaceChildren(...changes.map(item));
      button.disabled = !changes.length;
      hint.hidden = changes.length > 0;
      full.hidden = changes.length < about.most_changes;
    };
    const add = (change) => {
      if (!changes.some((each) => same(each, change)) && changes.length < about.most_changes) changes.push(change);
      show();
      list.lastElementChild?.querySelector("input").focus();
    };
    return { node: el("div", {}, hint, list, full, heads(about.model, add), el("p", {}, button)), add };
  };

  // Both transcripts, and by how much less likely the one before became.
  live.outcome = (found, language) => {
    const is_same = found.before === found.heard;
    const { before, after } = found.log_probability;
    const ratio = before === null || after === null ? null : Math.exp(after - before);
    return el("div", { class: "outcome" },
      el("div", {}, el("h3", {}, "Before"), el("p", { class: "transcript" }, otoscope.data_text(found.before || "(nothing)"))),
      el("div", {}, el("h3", {}, "With the changes"),
        el("p", { class: "transcript" }, otoscope.listening.difference(found.before, found.heard, language), otoscope.listening.stopped(found)),
        el("p", { class: "quiet-text" }, is_same ? "The same words. " : "Removed words are crossed out, new ones are underlined. ",
          ratio === null ? null : `The words heard before are ${otoscope.number(ratio)} times as likely as they were.`)));
  };
})();
