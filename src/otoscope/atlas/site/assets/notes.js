/* Notes on features, and names of one's own. A server keeps them beside the study; pages opened from disk keep them in
   this browser, for each study by itself. Both write and read the same file. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el } = otoscope;
  const notes = (otoscope.notes = {});
  const KIND = "otoscope notes", PREFIX = "otoscope-notes ";
  const MOST_NAME = 200, MOST_NOTE = 20000, MOST_NOTES = 50000; // the server's own limits
  const EMPTY = Object.freeze({ name: "", note: "", version: 0, changed: "" });
  const listeners = [];
  let study = null; // what tells this study from others
  let kept = new Map(); // address of a feature to note
  let is_lost = false; // this browser keeps nothing
  let asked = null;

  notes.MOST_NAME = MOST_NAME;
  notes.MOST_NOTE = MOST_NOTE;
  notes.key = (site, basis, index) => `${site}/${basis}/${index}`;
  notes.get = (key) => kept.get(key) || EMPTY;
  notes.all = () => kept;
  notes.is_lost = () => is_lost;
  notes.on_change = (act) => listeners.push(act);
  const tell = () => listeners.forEach((act) => act());

  // ---- reading -------------------------------------------------------------------------------------------------

  // A note from what a file or a server says; null where it is none.
  function as_note(row) {
    if (typeof row !== "object" || row === null) return null;
    const { name = "", note = "", version = 0, changed = "" } = row;
    if (typeof name !== "string" || typeof note !== "string" || name.length > MOST_NAME || note.length > MOST_NOTE) return null;
    return { name, note, version: Number.isSafeInteger(version) && version >= 0 ? version : 0, changed: typeof changed === "string" ? changed : "" };
  }

  // Notes of an export, and how many entries of it are none.
  function of_export(given) {
    if (typeof given !== "object" || given === null || given.kind !== KIND || typeof given.notes !== "object" || given.notes === null) {
      throw new Error("This file holds no otoscope notes: choose one that was exported from these pages.");
    }
    const found = new Map();
    let n_bad = 0;
    for (const [key, row] of Object.entries(given.notes)) {
      const note = /^[^]+\/[^/]+\/\d{1,9}$/.test(key) && key.length <= 2000 ? as_note(row) : null;
      if (note) found.set(key, note);
      else n_bad += 1;
    }
    return { found, n_bad };
  }

  const as_export = () => ({ kind: KIND, notes: Object.fromEntries([...kept].sort(([a], [b]) => (a < b ? -1 : 1))) });

  // What this browser keeps of the study, read again each time: another tab may have written.
  function from_browser() {
    if (is_lost) return;
    try {
      const text = localStorage.getItem(PREFIX + study);
      kept = text === null ? new Map() : of_export(JSON.parse(text)).found;
    } catch { /* nothing is kept here, or what is kept is no notes: what this page holds stays */ }
  }

  function to_browser() {
    try {
      localStorage.setItem(PREFIX + study, JSON.stringify(as_export()));
      is_lost = false;
    } catch { is_lost = true; }
  }

  // Ask a server, and give what it says, or why it did not.
  async function ask(address, wish = {}) {
    let answer;
    try {
      answer = await fetch(address, { headers: wish.body ? { "Content-Type": "application/json" } : {}, ...wish });
    } catch {
      throw new Error("The server does not answer: is otoscope atlas serve still running? What you wrote is still here.");
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok && answer.status !== 409) throw new Error(said.error || `The server refused (status ${answer.status}).`);
    return { is_old: answer.status === 409, said };
  }

  // Read all notes of a study, once; `which` tells it from others.
  notes.open = (which) => {
    study = which;
    asked = asked || (async () => {
      if (otoscope.served) kept = of_export((await ask("notes.json")).said).found;
      else from_browser();
    })();
    return asked;
  };

  // ---- writing -------------------------------------------------------------------------------------------------

  // Save a note over the version that was seen: {saved}, or {theirs} where someone else saved meanwhile.
  notes.save = async (key, { name, note, version }) => {
    const found = otoscope.served ? await save_served(key, { name, note, version }) : save_here(key, { name, note, version });
    if (found.saved) { kept.set(key, found.saved); tell(); }
    return found;
  };

  async function save_served(key, wish) {
    const cut = key.split("/"), index = cut.pop(), basis = cut.pop();
    const address = `notes/${[cut.join("/"), basis, index].map(encodeURIComponent).join("/")}`;
    const { is_old, said } = await ask(address, { method: "PUT", body: JSON.stringify(wish), keepalive: wish.note.length < 15000 });
    return is_old ? { theirs: as_note(said) || EMPTY } : { saved: as_note(said) || { ...wish, version: wish.version + 1 } };
  }

  function save_here(key, { name, note, version }) {
    from_browser();
    if (notes.get(key).version !== version) return { theirs: notes.get(key) };
    if (!kept.has(key) && kept.size >= MOST_NOTES) throw new Error(`There are ${kept.size} notes already, and no more are kept.`);
    const saved = { name, note, version: version + 1, changed: new Date().toISOString() };
    kept.set(key, saved);
    to_browser();
    return { saved };
  }

  // Take in an export: where both have a note on a feature, the newer one stays. Gives how many were what.
  notes.merge = async (given) => {
    const { found, n_bad } = of_export(given);
    if (otoscope.served) {
      const sent = { kind: KIND, notes: Object.fromEntries(found) };
      const { said } = await ask("notes.json", { method: "POST", body: JSON.stringify(sent) });
      kept = of_export(said).found;
      tell();
      return { added: said.added, changed: said.changed, kept: said.kept, refused: n_bad };
    }
    from_browser();
    const counts = merged(found);
    if (kept.size > MOST_NOTES) { from_browser(); throw new Error(`No more than ${MOST_NOTES} notes are kept.`); }
    to_browser();
    tell();
    return { ...counts, refused: n_bad };
  };

  const moment = (text) => { const found = Date.parse(text); return Number.isNaN(found) ? -Infinity : found; };

  function merged(found) {
    const counts = { added: 0, changed: 0, kept: 0 };
    for (const [key, note] of found) {
      const there = kept.get(key), is_same = there && there.name === note.name && there.note === note.note;
      if (there && (is_same || moment(note.changed) <= moment(there.changed))) { counts.kept += 1; continue; }
      counts[there ? "changed" : "added"] += 1;
      kept.set(key, { ...note, version: there ? there.version + 1 : 1, changed: note.changed || new Date().toISOString() });
    }
    return counts;
  }

  // ---- a file of notes -----------------------------------------------------------------------------------------

  // Hand the notes over as a file.
  function download() {
    const url = URL.createObjectURL(new Blob([JSON.stringify(as_export(), null, 1)], { type: "application/json" }));
    el("a", { href: url, download: "otoscope-notes.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  const counted = (of) => `${of.added} new, ${of.changed} newer than here, ${of.kept} left as they were${of.refused ? `, ${of.refused} not understood` : ""}.`;

  // Buttons that export and import, and what came of it.
  notes.tools = () => {
    const told = el("span", { role: "status", class: "quiet-text notes-told" });
    const input = el("input", { type: "file", accept: ".json,application/json", "aria-label": "File of notes to import", class: "visually-hidden", tabindex: "-1" });
    const take = async () => {
      const [file] = input.files;
      if (!file) return;
      try {
        const text = await file.text();
        let given;
        try { given = JSON.parse(text); } catch { given = null; }
        told.textContent = `Imported: ${counted(await notes.merge(given))}`;
      } catch (error) { told.textContent = error.message; }
      input.value = "";
    };
    input.addEventListener("change", take);
    const save = el("button", { type: "button", on: { click: () => { if (!otoscope.served) from_browser(); download(); told.textContent = `Exported ${otoscope.count(kept.size, "note")}.`; } } }, "Export notes");
    const open = el("button", { type: "button", on: { click: () => input.click() } }, "Import notes");
    return el("div", { class: "row notes-tools" }, save, open, input, told);
  };
})();
