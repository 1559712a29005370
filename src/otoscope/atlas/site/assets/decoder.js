/* Decoder: what it says with no sound, which tokens it holds to be alike, at which block it knows what is due. */
"use strict";
(() => {
  const otoscope = window.otoscope;
  const { el, tables } = otoscope;
  let record = null;
  const chosen = { prompt: 0, sound: 0, word: 0, measure: "log_probability" };
  const SCORES = [
    ["kl_bits", "Divergence from the known bigrams", "bits, lower is better", "bits", true],
    ["rank_correlation", "Rank correlation", "Spearman's, over tokens that follow any context", "correlation", false],
    ["top_1", "Likeliest agrees", "share of contexts, by frequency", "share", false],
    ["top_5", "Known likeliest word in the first five", "share of contexts, by frequency", "share", false],
    ["possible_mass", "Probability of words that can follow", "share of the distribution", "share", false],
  ];
  const MEASURES = {
    log_probability: ["Log-probability of the next token", "natural logarithm, mean", "log"],
    reciprocal_rank: ["Reciprocal rank of the next token", "1: first choice, 0.5: second, ...; mean", "number"],
    is_likeliest: ["The next token is the first choice", "share of tokens", "share"],
    is_final_choice: ["First choice is that of the last block", "share of tokens", "share"],
  };
  const token = (text) => otoscope.data_text(tables.token(text));

  // ---- bigrams -------------------------------------------------------------------------------------------------

  function next_tokens() {
    const all = record.bigrams.continuations, prompts = [...new Set(all.map((one) => one.prompt))];
    const here = all.filter((one) => one.prompt === prompts[chosen.prompt]);
    return el("div", { class: "small-multiples" }, here.map((one) => {
      const likeliest = one.next.slice(0, 12);
      return el("div", {},
        tables.values({
          title: `After “${one.prompt}”, hearing ${one.sound_label ?? one.sound}`, labels: likeliest.map((next) => tables.token(next.text)),
          x_label: "Probability of the next token", y_label: "Token", bars: true,
          series: [{ label: "probability", values: likeliest.map((next) => ({ value: next.probability })) }],
        }),
        tables.facts([
          ["Prompt's tokens", el("span", {}, (one.pieces || []).map((piece) => ["[", token(piece), "] "]))], ["Entropy", `${otoscope.number(one.entropy_bits)} bits`],
          ["Says text after this prompt", otoscope.percent(one.text_probability, 1)], ["Ends here", otoscope.percent(one.end_probability, 1)]]));
    }));
  }

  function bigrams() {
    const found = record.bigrams;
    if (!found || !found.continuations.length) return tables.why_not(record.parts.bigrams, "bigrams");
    const prompts = [...new Set(found.continuations.map((one) => one.prompt))], box = el("div", {}, next_tokens());
    const choose = (at) => { chosen.prompt = Number(at); box.replaceChildren(next_tokens()); };
    return [
      el("p", {}, "The encoder hears no speech; the decoder reads a prompt and predicts the next token. These are the model's probabilities for one prompt, not estimates: ",
        "they have no interval. Special tokens, such as ", el("code", {}, "<|endoftext|>"), ", are among them. “␣” is the space that a token begins with."),
      el("div", { class: "choosers" }, tables.chooser("Prompt", prompts.map((prompt, at) => ({ value: at, text: prompt })), chosen.prompt, choose)),
      box,
    ];
  }

  // How the scores of one sound compare.
  function agreement_of(sound) {
    const guesses = ["model", "another context", "unigram"].filter((name) => sound.by_frequency[name]);
    const charts = SCORES.map(([key, title, x_label, unit]) => tables.values({
      title, labels: guesses, x_label, y_label: "Guess", unit, series: [{ label: title, values: guesses.map((name) => sound.by_frequency[name][key]) }],
    }));
    const told = (name, [key, , , unit, less]) => {
      const found = (sound.by_frequency[`model - ${name}`] || {})[key];
      return found ? `${otoscope.interval(found, unit === "share" ? "share" : "difference")}: ${tables.beats(found, less)}` : "–";
    };
    const beside = (name) => ({ label: `Model less ${name} (95%)`, numeric: true, render: (score) => told(name, score) });
    return [
      el("div", { class: "small-multiples" }, charts),
      tables.table({
        caption: `The model beside its baselines, over ${otoscope.count(record.agreement.n_contexts, "context")}`, rows: SCORES,
        columns: [{ label: "Score", render: ([, title]) => title }, beside("another context"), beside("unigram")],
      }),
      tables.table({ caption: "The contexts that predict the next word most strongly", rows: sound.contexts, columns: [
        { label: "After", render: (row) => token(row.context) }, { label: "Occurs", numeric: true, render: (row) => otoscope.number(row.weight) },
        { label: "Follows most", render: (row) => token(row.likeliest) },
        { label: "Known", numeric: true, render: (row) => otoscope.percent(row.known, 1) }, { label: "Model's probability", numeric: true, render: (row) => otoscope.percent(row.model, 1) },
        { label: "Share of all words", numeric: true, render: (row) => otoscope.percent(row.unigram, 1) }, { label: "The model says", render: (row) => token(row.says) }] }),
    ];
  }

  function agreement() {
    const found = record.agreement;
    if (!found || !found.sounds.length) {
      return [el("h3", {}, "Against the corpus's own bigrams"),
        el("p", { class: "none" }, "Not compared: the study has no transcripts, or too few for any word to occur often enough.")];
    }
    const box = el("div", {}, agreement_of(found.sounds[0]));
    const sounds = found.sounds.map((one, at) => ({ value: at, text: one.sound_label ?? one.sound }));
    const choose = (at) => box.replaceChildren(...agreement_of(found.sounds[Number(at)]));
    const says = (one) => ["Hearing ", otoscope.data_text(one.sound_label ?? one.sound), `, the model gives text a total probability of ${otoscope.percent(one.text_probability, 1)}, on average over these contexts. `];
    return [
      el("h3", {}, "Against known bigrams"),
      el("p", {}, "The known bigrams are those of ", otoscope.data_text(found.known),
        `: ${otoscope.count(found.n_contexts, "context")}, ${otoscope.percent(found.share_of_bigrams)} of all bigrams, ${otoscope.count(found.n_followers, "token")} that follow any context. `,
        `The entropy of the known bigrams is ${otoscope.number(found.floor_bits)} bits. Baselines: the model given another context, and the frequencies of all following words (unigram). Intervals: `,
        otoscope.data_text(found.intervals), "."),
      sounds.length > 1 ? el("div", { class: "choosers" }, tables.chooser("Hearing", sounds, 0, choose)) : null,
      el("p", { class: "quiet-text" }, found.sounds.map(says)),
      box,
    ];
  }

  // ---- neighbours ----------------------------------------------------------------------------------------------

  function nearest() {
    const word = record.neighbours.words[chosen.word], has = (key) => word.neighbours.some((one) => one[key] !== null);
    const columns = [
      { label: "Token", render: (one) => token(one.text) }, { label: "Cosine", numeric: true, render: (one) => otoscope.number(one.cosine) },
      has("phones") && { label: "Phones", render: (one) => otoscope.data_text(one.phones ?? "–") },
      has("phone_distance") && { label: "Sound: distance", title: "0: the same phones, 1: nothing in common", numeric: true, render: (one) => otoscope.number(one.phone_distance, 2) },
      { label: "Spelling: distance", title: "edits for each letter", numeric: true, render: (one) => otoscope.number(one.spelling_distance, 2) },
      has("meaning_cosine") && { label: "Meaning: cosine", numeric: true, render: (one) => otoscope.number(one.meaning_cosine, 2) },
    ].filter(Boolean);
    const spoken = word.phones ? [" (", otoscope.data_text(word.phones), ")"] : null;
    const form = word.form ? `${word.form} ` : "";
    const caption = ["Nearest to ", token(word.text), spoken, ` in the ${form}${word.space}, of ${otoscope.number(record.neighbours.n_tokens)} tokens`];
    const warning = word.is_trained === false ? el("p", { class: "hint" }, "Training hardly moved this token, so its neighbours mean nothing.") : null;
    return el("div", {}, warning, tables.long_table({ caption, columns, rows: word.neighbours, shown: 10 }));
  }

  // What all tokens have in common, and is taken away before they are compared; older studies do not tell.
  function in_common(spaces) {
    return Object.entries(spaces ?? {}).filter(([, common]) => common).map(([space, common]) => el("p", {},
      "In the ", otoscope.data_text(space), " the mean of all text tokens is ", `${otoscope.percent(common.mean_share, 1)} of a token's length, so that in the raw vectors all tokens are near each other. `,
      `Corrected vectors have that mean and the first principal component removed (${otoscope.percent(common.component_share, 1)} of the variance). `,
      `Left out: ${otoscope.count(common.n_hardly_trained, "token")} that training hardly moved.`));
  }

  function neighbours() {
    const found = record.neighbours;
    if (!found || !found.words.length) return tables.why_not(record.parts.neighbours, "neighbours");
    const box = el("div", {}, nearest());
    const words = found.words.map((word, at) => ({ value: at, text: `${tables.token(word.text)}${found.is_tied ? "" : `, ${word.space}`}${word.form === "raw" ? ", raw vectors" : ""}` }));
    const choose = (at) => { chosen.word = Number(at); box.replaceChildren(nearest()); };
    return [
      el("p", {}, `Nearest: of largest cosine in the decoder's token embedding${found.is_tied ? ", which is its unembedding, too" : ""}. Pronunciations: `,
        otoscope.data_text(found.pronunciations ?? "none, spelling only"), "."),
      ...in_common(found.common),
      el("div", { class: "choosers" }, tables.chooser("Word", words, chosen.word, choose)),
      box,
    ];
  }

  function sounds_alike() {
    const found = record.sounds_alike;
    if (!found || !found.contrasts.length) {
      return [el("h3", {}, "Do neighbours sound alike?"), el("p", { class: "none" }, "Not measured: too few whole words of this vocabulary could be compared.")];
    }
    const has_spaces = new Set(found.contrasts.map((one) => one.space)).size > 1;
    const name = (one) => `${one.measure}, ${one.pairs === "all" ? "all pairs" : "no word forms"}${has_spaces ? `, ${one.space}` : ""}${one.form ? `, ${one.form}` : ""}`;
    const alike = (one) => tables.beats(one.more_alike).replace("better", "more alike").replace("worse", "less alike");
    const series = (label) => ({ label, values: found.contrasts.map((one) => one[label]) });
    return [
      el("h3", {}, "Do neighbours sound alike?"),
      el("p", {}, `Each of ${otoscope.count(found.n_words, "word")} beside its ${found.k} nearest, and as many random words that are as frequent (${found.frequencies}). `,
        "A distance of 0 is the same, 1 nothing in common. Also counted without pairs that look like forms of one word. Intervals: ", otoscope.data_text(found.intervals), "."),
      tables.values({
        title: "Mean distance of the nearest words, and of random words of similar frequency", labels: found.contrasts.map(name), y_label: "Measure and pairs",
        x_label: "Mean distance (0: the same, 1: nothing in common)", unit: "distance", series: [series("nearest"), series("random")],
      }),
      tables.table({ caption: "How much more alike the nearest words are", rows: found.contrasts, columns: [
        { label: "Measure and pairs", render: name }, { label: "Words", numeric: true, render: (one) => otoscope.number(one.n_words) },
        { label: "Pairs", numeric: true, render: (one) => otoscope.number(one.n_pairs) },
        { label: "Nearer by (95%)", numeric: true, render: (one) => `${otoscope.interval(one.more_alike, "distance")}: ${alike(one)}` },
        { label: `At ${otoscope.number(found.close)} or less`, numeric: true,
          render: (one) => (one.near_nearest ? `${otoscope.interval(one.near_nearest)}, random ${otoscope.interval(one.near_random)}` : "–") }] }),
    ];
  }

  // ---- lens ----------------------------------------------------------------------------------------------------

  function stages() {
    const { stages: found, chance } = record.lens, [title, x_label, unit] = MEASURES[chosen.measure];
    const of = (key) => found.map((stage) => (stage[key] ? stage[key][chosen.measure] : null));
    const by_chance = chance ? chance[chosen.measure] : null;
    return tables.values({ title, labels: found.map((stage) => stage.stage), x_label, y_label: "After", unit,
      series: [{ label: "hearing the clip", values: of("sound") }, { label: "hearing padding only", values: of("no_sound") }],
      reference: typeof by_chance === "number" ? { label: `a uniform choice among all tokens: ${tables.write(unit)(by_chance)}`, value: by_chance } : null });
  }

  function lens() {
    const found = record.lens;
    if (!found || !found.stages.length) return tables.why_not(record.parts.lens, "lens over the decoder's blocks");
    const box = el("div", {}, stages());
    const choose = (measure) => { chosen.measure = measure; box.replaceChildren(stages()); };
    return [
      el("p", {}, "The final layer norm and the unembedding, applied after the embedding and after each block, at every position where a token is due: ",
        `${otoscope.count(found.n_tokens, "token")} of ${otoscope.count(found.n_clips, "clip")}. The transcript is the model's own, so the last block is right by construction. Intervals: `,
        otoscope.data_text(found.intervals), "."),
      el("div", { class: "choosers" }, tables.chooser("Measure", Object.entries(MEASURES).map(([value, [text]]) => ({ value, text })), chosen.measure, choose)),
      box,
    ];
  }

  // ---- heads ---------------------------------------------------------------------------------------------------

  // Heads of one kind, block by block, shaded by what they add to the next token more than to another.
  function head_table(group) {
    const parts = record.heads.parts.filter((one) => one.group === group && one.head !== null && one.block !== null);
    if (!parts.length) return null;
    const different = (key) => [...new Set(parts.map((one) => one[key]))].sort((a, b) => a - b), heads = different("head");
    const most = Math.max(1e-9, ...record.heads.parts.filter((one) => one.head !== null).map((one) => Math.abs(one.difference?.value ?? 0)));
    const cell = (block, head) => {
      const found = parts.find((one) => one.block === block && one.head === head)?.difference;
      if (!found || found.value === null) return "–";
      const told = found.low > 0 || found.high < 0;
      const style = { "--heat": (Math.abs(found.value) / most).toFixed(3), "--heat-colour": found.value < 0 ? "var(--c2)" : "var(--c1)" };
      return el("span", { class: told ? "heat reached" : "heat", title: otoscope.interval(found, "logits"), style },
        `${found.value > 0 ? "+" : ""}${otoscope.minus(found.value.toFixed(2))}`);
    };
    const caption = `${group}: mean logits that a head adds to the next token more than to another; bold and underlined if the 95% interval excludes 0`;
    return tables.table({ caption, rows: different("block"), columns: [
      { label: "Block", render: (block) => String(block) }, ...heads.map((head) => ({ label: `head ${head}`, numeric: true, render: (block) => cell(block, head) }))] });
  }

  function heads() {
    const found = record.heads;
    if (!found) return tables.why_not(record.parts.lens, "heads of the decoder");
    const groups = Object.keys(found.groups || {});
    const all = found.parts.filter((one) => one.head !== null);
    const strongest = [...all].sort((a, b) => Math.abs(b.difference?.value ?? 0) - Math.abs(a.difference?.value ?? 0));
    const added = (label, key) => ({ label, values: groups.map((name) => found.groups[name][key]) });
    const logits = (label, key) => ({ label: `${label} (95%)`, numeric: true, render: (one) => otoscope.interval(one[key], "logits") });
    return [
      el("p", {}, "What each part adds to the logit of the next token, beside what it adds to another token of the same window: ",
        `${otoscope.count(found.n_tokens, "token")} of ${otoscope.count(found.n_clips, "clip")}. Only direct contributions: effects of a head through later blocks count as theirs. Unit: `,
        otoscope.data_text(found.unit), ". Intervals: ", otoscope.data_text(found.intervals), "."),
      tables.values({
        title: "What each kind of part adds", labels: groups, x_label: "Logits", y_label: "Part", unit: "logits",
        series: [added("to the next token", "due"), added("to another", "another")], reference: { label: "nothing", value: 0 },
      }),
      ["cross-attention", "self-attention"].map(head_table),
      tables.long_table({ caption: "Heads by the size of the difference", rows: strongest, shown: 10, columns: [
        { label: "Head", render: (one) => otoscope.data_text(one.part) }, logits("Due token", "due"), logits("Another token", "another"), logits("Difference", "difference")] }),
    ];
  }

  // ---- the page ------------------------------------------------------------------------------------------------

  async function render(main) {
    record = await otoscope.data("decoder");
    const pictures = (name) => tables.pictures(record.pictures[name]);
    main.append(
      otoscope.section("bigrams", "Bigrams", bigrams(), record.bigrams ? agreement() : null, pictures("bigrams")),
      otoscope.section("neighbours", "Neighbours", neighbours(), record.neighbours ? sounds_alike() : null, pictures("neighbours")),
      otoscope.section("lens", "Lens", lens(), pictures("lens")),
      otoscope.section("heads", "Heads", heads(), pictures("heads")));
  }

  otoscope.page({
    name: "decoder", title: "Decoder", render,
    lead: "The decoder by itself: what it says without speech, which tokens it treats as similar, and from which block on it predicts the next token.",
  });
})();
