/* Where a note on a feature is written: a name of one's own, a note, and both texts where someone else saved first. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const notes = otoscope.notes;

  // A text as it was written, under a heading.
  const shown = (title, note) =>
    el("div", { class: "card" }, el("h4", {}, title), el("p", {}, el("strong", {}, otoscope.data_text(note.name || "(no name)"))),
      el("p", {}, otoscope.data_text(note.note || "(no note)")));

  // Fields of a note: they save when they are left, or when asked to.
  notes.editor = (key) => {
    const start = notes.get(key);
    let seen = start, saving = null, is_again = false, is_asking = false, show_mine = null;
    const name = el("input", { type: "text", maxlength: notes.MOST_NAME, value: start.name, autocomplete: "off", dir: "auto" });
    const note = el("textarea", { rows: 4, maxlength: notes.MOST_NOTE, dir: "auto" });
    note.value = start.note;
    const told = el("p", { role: "status", class: "hint" }), choice = el("div", {});
    const is_new = () => name.value !== seen.name || note.value !== seen.note;

    const done = (saved) => {
      seen = saved;
      told.textContent = is_new() ? "Not saved yet." : notes.is_lost() ? "This browser stores nothing for these pages: export your notes before you leave."
        : otoscope.served ? "Saved beside the study." : "Saved in this browser.";
    };
    // Show both texts, and let the person choose.
    const differ = (theirs) => {
      const mine = el("div", {});
      show_mine = () => mine.replaceChildren(shown("Yours", { name: name.value, note: note.value }));
      show_mine();
      const close = (act) => () => { is_asking = false; choice.replaceChildren(); seen = theirs; told.textContent = ""; act(); name.focus(); };
      is_asking = true;
      told.textContent = "Someone else saved this note in the meantime. Which one do you want to keep?";
      choice.replaceChildren(el("div", { class: "grid" }, shown("Theirs", theirs), mine),
        el("div", { class: "row" },
          el("button", { type: "button", on: { click: close(save) } }, "Keep yours"),
          el("button", { type: "button", on: { click: close(() => { name.value = theirs.name; note.value = theirs.note; told.textContent = "Their note was kept."; }) } }, "Take theirs"),
          el("button", { type: "button", on: { click: close(() => { note.value = `${theirs.note}\n\n${note.value}`.trim(); save(); }) } }, "Join both notes")));
    };
    const once = async () => {
      try {
        const found = await notes.save(key, { name: name.value, note: note.value, version: seen.version });
        if (found.saved) done(found.saved); else differ(found.theirs);
      } catch (error) { told.textContent = error.message; }
      saving = null;
      if (is_again) { is_again = false; save(); }
    };
    // One save at a time, and another after it where one was asked for meanwhile; none where nothing changed.
    const save = () => {
      if (saving) is_again = true;
      else if (!is_asking && is_new()) saving = once();
    };

    // What is being written is shown as it grows, also while two texts wait to be chosen from.
    const typed = () => {
      if (is_asking) show_mine();
      else told.textContent = is_new() ? "Not saved yet." : "";
    };
    const button = el("button", { type: "submit" }, "Save");
    const form = el("form", { class: "note", on: { submit: (event) => { event.preventDefault(); save(); }, change: save, input: typed } },
      el("label", {}, "Your own name", name), el("label", {}, "Note", note), el("div", { class: "row" }, button, told), choice);
    form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(); });
    return form;
  };
})();
