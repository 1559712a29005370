"""The commands whose JSON is frozen.

In a command line `{out}` is the folder for its results, `{inputs}` the folder that `write_inputs` fills,
`{voices}` the labelled corpus in it, and the name of another command the results of that one.
"""

from __future__ import annotations

_SITE = "encoder.blocks.1"
_TRAIN = "--site encoder.blocks.1 --frames 512 --batch 64 --features 48"
_DREAM = "--steps 4 --length 0.6"

COMMANDS = {
    # model
    "models": "models",
    "sites": "sites demo",
    "sites_of_pattern": "sites --site encoder.blocks.*.mlp.1 --site logits",
    "transcribe": "transcribe demo:en-us-f2-4 --word-times --timestamps",
    "transcribe_corpus": "transcribe {inputs}/mixed --format all --beams 2 --out {out}",
    "transcribe_long": "transcribe {inputs}/long.wav --word-times --attention-window 75 --out {out} --format json",
    "transcribe_with_dictionary": (
        "transcribe demo:en-us-f2-1 --sae {sae_train}/encoder.blocks.1 --scale 3=0 --out {out} --format json"
    ),
    "activations": "activations demo:en-us-f2-1 --site encoder.ln_post --site logits --text hello --out {out}",
    "activations_corpus": "activations {inputs}/mixed --site encoder.blocks.*.mlp.1 --out {out}",
    # encoder
    "relevance": "relevance demo:en-us-f2-1 --out {out}",
    "relevance_of_word": "relevance {inputs}/long.wav --target word:#1 --window 1 --out {out}",
    "locality": "locality demo --clips 2 --out {out}",
    "window": "window demo:en-us-f2-1 --k 50,5 --out {out}",
    "window_corpus": "window {inputs}/mixed --k 10 --block 0,1 --head 0,2 --out {out}",
    "window_heads": "window demo:en-us-f2-1 --each-head --k 5 --out {out}",
    "splice": "splice demo:en-us-f2-4 --start 0 --stop 1 --seconds --out {out}",
    "splice_words": "splice demo --words --clips 2 --margin 2 --out {out}",
    # features
    "harvest": (
        "harvest {voices} --site encoder.blocks.0.mlp.1 --site encoder.blocks.1"
        " --basis neuron --basis random --save-activations float32"
        " --top 5 --samples 3 --ranges 4 --out {out}"
    ),
    "harvest_untrained": (
        "harvest demo --clips 3 --site encoder.blocks.1 --basis untrained --basis sae:{sae_train}/encoder.blocks.1"
        " --sign positive --lag 1 --out {out}"
    ),
    "harvest_components": "harvest demo --clips 12 --site encoder.blocks.1 --basis pca --top 3 --out {out}",
    "phones": (
        "phones {harvest} --baseline {harvest_untrained} --auroc 0.7 --purity 0.4 --min-frames 3 --min-examples 3"
        " --feature encoder.blocks.0.mlp.1:neuron:533 --out {out}"
    ),
    "examples": (
        "examples {harvest} --site encoder.blocks.1 --basis neuron --feature 3,5 --top 2 --ranges --workers 1"
        " --out {out}"
    ),
    "examples_table": "examples {harvest} --site encoder.blocks.0.mlp.1 --basis neuron --feature 533 --sign positive",
    "sae_train": f"sae train {{voices}} {_TRAIN} --k 6 --out {{out}}",
    "sae_train_coders": f"sae train {{harvest}} {_TRAIN} --coder jumprelu --tensorboard --seed 2 --out {{out}}",
    "sae_score": (
        "sae score {sae_train} demo --clips 12 --second {sae_train_coders} --baseline-frames 256 --out {out}"
    ),
    "sae_sweep": (
        f"sae sweep {{voices}} {_TRAIN} --coder batchtopk,standard --k 4 --sparsity 0.2"
        " --test demo:en-us-f2-1 --out {out}"
    ),
    "sae_sweep_of_shards": f"sae sweep {{harvest}} {_TRAIN} --k 2,4 --no-transcripts --out {{out}}",
    "sae_convert": "sae convert {sae_train}/encoder.blocks.1 --out {out}",
    "dream": f"dream encoder.blocks.0.mlp.1:533 {_DREAM} --corpus demo --clips 2 --out {{out}}",
    "dream_of_run": f"dream encoder.blocks.1:3 encoder.blocks.1:5 {_DREAM} --run {{harvest}} --no-sound --out {{out}}",
    "dream_from_recording": (
        f"dream {_SITE}:3 --steps 4 --from demo:en-us-f2-1 --frames 20-30 --corpus none --stay 0.5 --out {{out}}"
    ),
    "probe": "probe {voices} phone --site encoder.blocks.1 --rows 200 --folds 3 --out {out}",
    "probe_of_run": "probe {harvest} speech --rows 200 --folds 3 --classifier ridge --out {out}",
    "probe_of_clips": ("probe {voices} half --labels {inputs}/halves.csv --site encoder.ln_post --folds 2 --out {out}"),
    # decoder
    "bigrams": "bigrams 'The traffic' Thank --sound padding,noise --top 5 --out {out}",
    "bigrams_mean": "bigrams very --sound mean,music --clips 2 --top 3 --only-text --out {out}",
    "bigrams_text": "bigrams --text {inputs}/sentences.txt --least 3 --in-sentences --out {out}",
    "bigrams_grammar": "bigrams --grammar --out {out}",
    "neighbours": (
        "neighbours rug mug rugged --k 4 --lexicon {inputs}/words.dict --vectors {inputs}/vectors.txt --raw --out {out}"
    ),
    "neighbours_special": "neighbours '<|en|>' --k 3 --lexicon spelling --special",
    "neighbours_all": ("neighbours --all --k 3 --lexicon {voices} --text {inputs}/text.txt --out {out}"),
    "lens": "lens demo:en-us-f2-1 --top 2 --out {out}",
    "lens_corpus": "lens demo --clips 2 --out {out}",
    "lens_encoder": "lens demo:en-us-f2-1 --encoder --out {out}",
    "lens_encoder_corpus": "lens {inputs}/mixed --encoder --out {out}",
    "lens_heads": "lens demo:en-us-f2-1 --heads --text 'My boss was cold.' --out {out}",
    "lens_heads_corpus": "lens demo --heads --clips 2 --out {out}",
    "lens_languages": "lens demo:en-us-f2-1 --languages --out {out}",
    "lens_languages_corpus": "lens demo --languages --clips 2 --out {out}",
    "words": "words demo:en-us-f2-1 --step 0.2 --word cold --out {out}",
    "words_corpus": "words demo --clips 1 --step 0.2 --out {out}",
    "segments": "segments demo very boss --clips 2 --top 2 --out {out}",
    "segments_at": "segments demo:en-us-f2-1 --at 0.3-0.8 --top 3 --out {out}",
    "steer": (f"steer {{voices}} --site {_SITE} --add phone:S-phone:IY --strength 1,20 --kinds speech --out {{out}}"),
    "steer_feature": (
        f"steer demo:en-us-f2-1 --add {_SITE}:3 --scale {_SITE}:5=0 --head decoder.0.cross_attn.2=0 --frames 10-40"
        " --draws 2 --out {out}"
    ),
    "steer_heads": "steer demo:en-us-f2-1 --preset heads --sounds 1 --sound-s 1 --out {out}",
    "steer_hallucinations": (
        "steer demo:en-us-f2-1 --preset hallucinations --head decoder.0.cross_attn.2=0 --sounds 2 --sound-s 1"
        " --out {out}"
    ),
    "steer_phones": "steer demo --clips 40 --preset phones --site encoder.ln_post --pairs 2 --out {out}",
    # corpora
    "corpus_info": "corpus info {voices} --out {out}",
    "corpus_info_mixed": "corpus info {inputs}/mixed --out {out}",
    "corpus_align": "corpus align {inputs}/talks --out {out}",
    "corpus_align_phones": "corpus align {voices} --clips 2 --phones --compare --out {out}",
    # all of it
    "study_plan": "study {voices} --settings {inputs}/study.toml --dry-run --out {out}",
    "study": "study demo --clips 12 --settings {inputs}/study.toml --no-atlas --out {out}",
    "atlas_build": "atlas build {study} --out {out}",
}
SLOW = {"study", "atlas_build"}
