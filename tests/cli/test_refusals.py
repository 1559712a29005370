"""What cannot be asked of a command ends with status 2, a message that names it, and nothing written or printed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.places import Places, takes_model

SITE = "encoder.blocks.1"
NEURON = f"{SITE}.mlp.1:3"
QUICK_SWEEP = f"sae sweep demo --site {SITE} --clips 4 --batch 64 --frames 320 --features 48"

HARVEST = [
    ("--site encoder.blocks.9", "encoder.blocks.9"),
    ("--site decoder.blocks.0", "a harvest reads sites of the encoder that hold one row for each frame"),
    ("--basis ica", "there is no basis 'ica': give neuron, random, pca, untrained, or sae:DIR"),
    ("--basis sae:nowhere", "dictionary 'nowhere' does not exist"),
    ("--sign negative", "'negative' is not one of 'both', 'positive'"),
    ("--ranges 0", "ranges is 0: give a whole number from 1 to 32"),
    ("--lag 99", "a lag of 99 frames"),
    ("--phone-set klingon", "klingon"),
    ("--workers 0", "the number of workers is 0: give 1 or more"),
    ("--workers 2 --save-activations float16", "activations are saved by one process"),
    ("--save-activations float8", "'float8' is not one of 'float16', 'float32'"),
    ("--clips 0", "number of clips is 0"),
]
TRAINING = [
    ("--site encoder.blocks.9", "encoder.blocks.9"),
    ("--coder pca", "'pca' is not one of 'batchtopk'"),
    ("--k 1000", "k is 1000, with 256 features in the dictionary"),
    ("--k 0", "k is 0"),
    ("--features 0", "n_features is 0: give a whole number of 1 or more"),
    ("--expansion nan", "expansion is nan"),
    ("--frames 10", "do not fill a batch of 32"),
    ("--batch 0", "batch_frames is 0: give a whole number of 1 or more"),
    ("--lr -1", "learning_rate is -1"),
    ("--lr nan", "learning_rate is nan"),
    ("--lr 1 --lr 2", "Invalid value for '--lr': it takes one value and is given more than once"),
    ("--sparsity nan --coder standard", "sparsity is nan"),
    ("--kinds music", "there is no kind of frame 'music': choose one of speech, silence, padding"),
    ("--normalise layer", "'layer' is not one of 'median_length'"),
    ("--train-dtype float16", "'float16' is not one of 'float32', 'bfloat16'"),
    ("--checkpoint-minutes -1", "checkpoint_minutes is -1.0: give a number of 0 or more"),
]

REFUSED: dict[str, list[tuple[str, str]]] = {
    "transcribe {folder}": [
        ("--alignment-head 3", "--alignment-head '3' is not a head: give block and head from 0, such as 3.1"),
        ("--alignment-head 7.0", "alignment head (7, 0) is not in"),
        ("--beams 0", "beams is 0: give a whole number of 1 or more"),
        ("--beams 1 --beams 2", "Invalid value for '--beams': it takes one value and is given more than once"),
        ("--language klingon", "klingon"),
        ("--attention-window -1", "attention window is -1"),
        ("--scale 3=0", "--sae DIR and --scale FEATURE=FACTOR go together"),
        ("--sae {sae}", "--sae DIR and --scale FEATURE=FACTOR go together"),
        ("--sae {sae} --scale 3", "--scale '3' is not a feature with a factor: give a whole number, = and a"),
        ("--sae {sae} --scale x=1", "--scale 'x=1' is not a feature with a factor"),
        ("--sae {sae} --scale 1.5=1", "--scale '1.5=1' is not a feature with a factor"),
        ("--sae {sae} --scale 3=off", "--scale '3=off' is not a feature with a factor"),
        ("--sae {sae} --scale 3=nan", "the factor of feature 3 is nan: give a finite number"),
        ("--sae {sae} --scale 50=0", "feature 50 is not in the dictionary, which has 50"),
        ("--sae {sae} --scale -1=0", "feature -1 is not in the dictionary"),
        ("--sae {sae} --scale 3=0 --scale 3=1", "--scale names feature 3 twice"),
        ("--sae {sae}/none --scale 3=0", "none' does not exist: give a folder in SAELens's layout"),
    ],
    "activations {recording}": [("", "--site")],
    "relevance {recording}": [
        ("--target frame:100", "not in the window"),
        ("--target frames:9:3", "the first comes before the last"),
        ("--target word:zebra", "'zebra'"),
        ("--window 2", "window 2 is not in"),
    ],
    "window {recording}": [
        ("--each-head --k 10,20", "give one --k, such as 10"),
        ("--each-head --k 100,75,50,20,10", "give one --k, such as 10"),
        ("--each-head --block 1", "neither --block nor --head"),
        ("--k -1", "ks is -1: give a whole number of 0 or more"),
        ("--k ten", "--k 'ten' is not a whole number"),
        ("--block 7", "block 7 is not in"),
        ("--head -1", "head -1 is not in"),
        ("--clips 0", "number of clips is 0"),
    ],
    "splice {recording}": [
        ("", "no stretch was given: give --start and --stop, or --words"),
        ("--start 3", "no stretch was given"),
        ("--words --start 3", "leave out --start, --stop and --seconds"),
        ("--words", "none of 1 clips has words in time"),
        ("--start 60 --stop 10", "frames 60 to 10 are not a stretch"),
        ("--start -1 --stop 10", "are not a stretch"),
        ("--start 0 --stop 101", "go past the end: the windows of this clip hold 100 frames"),
        ("--start 0.5 --stop 10", "are not whole frames"),
    ],
    "harvest {folder}": HARVEST,
    "harvest {folder} --dry-run": HARVEST,
    "phones {phones_run}": [
        ("--auroc 2", "auroc is 2.0"),
        ("--top 99", "keeps 20 examples"),
        ("--feature 7", "is not named SITE:BASIS:INDEX"),
    ],
    "examples {examples_run}": [
        ("--site encoder.blocks.7", "site 'encoder.blocks.7' is not in the run"),
        ("--basis pca", "basis 'pca' is not in the run"),
        ("--feature 0-99", "feature 6 is not in encoder.blocks.1.mlp.1 (neuron basis): its features are 0-5"),
        ("--feature one", "--feature 'one' is no feature"),
        ("--top 4", "top is 4: the run"),
        ("--length 0", "an excerpt of 0.0 s cannot be heard"),
        ("--workers 0", "--workers is 0: give 1 or more"),
    ],
    "sae train {folder} --batch 32": TRAINING,
    "sae train {activations} --batch 32": TRAINING,
    "sae train {folder}": [
        ("--site decoder.blocks.0", "a harvest reads sites of the encoder"),
        ("--clips 0", "number of clips is 0"),
        ("--frames 100000 --batch 5000", "and a batch takes 5,000"),
        ("--batch 4096", "frames of speech, and a batch takes 4,096"),
    ],
    "sae score --clips 2": [
        ("{nameless} demo", "does not say of which site"),
        ("{nameless} demo --site encoder.blocks.9", "encoder.blocks.9"),
        ("{trained} demo --site encoder.blocks.0", "holds 2 dictionaries"),
        ("nowhere demo", "nowhere"),
        ("{trained} demo --second {nameless} --site encoder.blocks.0", "holds 2 dictionaries"),
        ("{trained}/encoder.blocks.0 demo --second {trained}/encoder.blocks.1", "none of encoder.blocks.0"),
        ("{trained} demo --replace vowels", "'vowels' is not one of 'trained', 'speech', 'all'"),
        ("{trained} demo --baseline-frames -1", "baseline_frames is -1"),
        ("{trained} nothing", "nothing"),
    ],
    QUICK_SWEEP: [
        ("--coder batchtop", "'batchtop'"),
        ("--k two", "--k 'two' is not a whole number"),
        ("--k 99", "k is 99"),
        ("--coder standard", "--sparsity"),
        ("--coder standard --sparsity much", "--sparsity 'much' is not a number"),
        ("--coder standard --sparsity -1", "sparsities is -1.0: give a number above 0"),
        ("--site encoder.blocks.*", "a sweep is of one site"),
        ("--replace vowels", "'vowels'"),
        ("--test nowhere", "nowhere"),
    ],
    "sae convert": [
        ("{theirs} --to pt", "--to 'pt' is no layout that is written: give saelens"),
        ("{trained}/encoder.blocks.0 --site b", "its site is 'encoder.blocks.0', and 'b' was given. Leave the option"),
        ("{their_class}", "has dict_class 'CrossCoder'"),
        ("{their_size}", "encoder.weight is [20, 6], not [21, 6]"),
        ("nowhere", "nowhere"),
    ],
    f"dream {NEURON} --corpus none": [
        (NEURON, "named twice"),
        ("--frames 90-120", "go past the end"),
        ("--frames 9-3", "frames 9-3 are no stretch"),
        ("--frames a-b", "is no stretch"),
        ("--lr nan", "learning_rate is nan"),
        ("--steps 0", "steps is 0"),
        ("--smooth -1", "smooth is -1"),
        ("--length 60", "does not fit"),
        ("--basis pca", "is not available here"),
        ("--basis sae:nowhere", "nowhere"),
        ("--from nowhere.wav", "nowhere.wav"),
        ("--from demo", "takes one recording"),
    ],
    "dream": [
        ("decoder.blocks.0.mlp.1:3 --corpus none", "dreams are of the encoder"),
        ("encoder.blocks.7.mlp.1:3 --corpus none", "is not in"),
        ("encoder.blocks.0.mlp.1:100000 --corpus none", "Give a number from 0 to"),
        ("encoder.blocks.0.mlp.1 --corpus none", "give SITE:INDEX"),
        (f"{NEURON} --run nowhere", "is not a harvest run"),
        (f"{NEURON} --corpus nowhere", "nowhere"),
    ],
    "probe {labelled}": [
        ("phone", "no clip has phones in time"),
        ("side", "task 'side' is not one that clips have labels for"),
        ("side --labels nowhere.csv", "there are no labels 'nowhere.csv'"),
        ("side --labels {labelled} --test {labelled}", "4 speakers are in both parts"),
        ("speech --site decoder.blocks.0", "has one vector for each token"),
        ("speaker --site encoder.blocks.7", "site 'encoder.blocks.7' is not in"),
        ("speaker --rows 2", "rows is 2"),
        ("speaker --classifier deep", "'deep' is not one of 'logistic', 'ridge'"),
        ("language", "no clip has a language"),
    ],
    "bigrams": [
        ("", "nothing was asked: give prompts"),
        ("dog --grammar", "prompts, --text and --grammar exclude each other"),
        ("dog --in-sentences", "--in-sentences goes with --text or --grammar"),
        ("--grammar --least 3", "--least goes with --text"),
        ("--text nowhere.txt", "there is no text file 'nowhere.txt'"),
        ("--text {not_utf8}", "is not UTF-8 text"),
        ("--text {empty}", "of 0 token pairs"),
        ("--text {short}", "occurs 10 times or more"),
        ("''", "prompt '' is empty"),
        (f"'{'dog ' * 40}'", "has room for"),
        ("'<|endoftext|>'", "holds a special token"),
        ("dog --sound hush", "sound 'hush' is not known"),
        ("dog --sound noise --level 9", "level_dbfs is 9.0: give a number from -120 to 0"),
        ("dog --top 0", "n_next is 0: give a whole number of 1 or more"),
        ("dog --language xx", "language 'xx' is not one of"),
        ("--grammar --language de", "the demo language is English"),
        ("dog --sound mean --corpus nowhere", "nowhere"),
    ],
    "neighbours": [
        ("", "no word was given: give one word or more"),
        ("the --all", "words were given with --all"),
        ("--all --special", "--special does not go with --all"),
        ("the --text t.txt", "--text 't.txt' gives word frequencies"),
        ("the --lexicon none.dict", "the lexicon 'none.dict' cannot be read"),
        ("the --lexicon {lexicon}", "lexicon, line 2: 'TEA' has no phones"),
        ("the --lexicon spelling --vectors none.txt", "the vectors 'none.txt' cannot be read"),
        ("--all --lexicon spelling --text none.txt", "the text 'none.txt' cannot be read"),
        ("the --lexicon spelling --k 0", "k is 0: give a whole number of 1 or more"),
        ("'' --lexicon spelling", "word '' is empty"),
        ("🦻 --lexicon spelling", "has no token for '🦻'"),
        ("--all --lexicon spelling --k 1000", "words are left to compare"),
    ],
    "lens {recording}": [
        ("--heads --encoder", "--heads and --encoder are different experiments: give one at a time"),
        ("--encoder --text dog", "--text and --window are for the blocks or --heads of one recording"),
        ("--languages --window 0", "--text and --window are for the blocks or --heads of one recording"),
        ("--languages --language en", "leave out --language"),
        ("--heads --top 3", "--top is for the blocks of one recording"),
        ("--clips 3", "--clips counts the recordings of a corpus"),
        ("--text ' '", "the text is ' '"),
        ("--text 'the <|en|> dog'", "holds a special token"),
        (f"--text '{'dog ' * 99}'", "has room for"),
        ("--window 3", "window 3 is not in talk: it has window 0 alone"),
        ("--top 0", "top is 0"),
        ("--language klingon", "language 'klingon'"),
    ],
    "lens demo": [("--text dog", "name one recording")],
    "words {recording}": [
        ("--word xylophone", "word 'xylophone' is not in the transcript"),
        ("--word '#x'", "--word '#x' is not a number"),
        ("--word '#99'", "word 99 is not in the transcript"),
        ("--window 3", "window 3 is not in this clip"),
        ("--silence 0", "stretch_s is 0.0: give a number of 0.02 or more"),
        ("--step 0.5", "step_s=0.5 is more than stretch_s=0.2"),
        ("--batch-size 0", "batch_size is 0: give a whole number of 1 or more"),
        ("--alignment-head 9.0", "alignment head (9, 0) is not in"),
        ("--alignment-head x", "--alignment-head 'x' is not a head"),
    ],
    "words demo --clips 1": [
        ("--word show", "--word and --window are for one recording"),
        ("--window 0", "--word and --window are for one recording"),
        ("--tolerance -1", "tolerance_s is -1.0: give a number of 0 or more"),
    ],
    "words {folder}": [("", "none of 2 clips has words in time")],
    "segments {recording}": [
        ("", "no word was given"),
        ("--at 1-0.5", "--at '1-0.5' is not a stretch"),
        ("--at soon", "--at 'soon' is not a stretch: give START-STOP"),
        ("dog --at 0-1", "leave out WORD and --clips"),
        ("--at 0-9", "go past the end"),
        ("dog --length 5", "length_s is 5.0"),
        ("dog --top 0", "top is 0"),
        ("'<|en|>'", "unknown to the tokenizer"),
    ],
    "steer {recording}": [
        ("", "no change was given"),
        ("--preset hallucinations", "no change was given"),
        ("--preset heads --head encoder.0.0", "has changes of its own"),
        ("--preset heads --frames 1-2", "presets choose their frames"),
        ("--preset phones", "needs sites"),
        ("--preset phones --site decoder.blocks.0", "sites of the encoder"),
        ("--head decoder.0.3", "give ROOM.BLOCK.PART.HEAD"),
        ("--head decoder.5.attn.0", "blocks 0-1"),
        ("--head encoder.0.0=much", "has no number as its factor"),
        (f"--scale {SITE}:3", "has no number as its factor"),
        (f"--scale {SITE}:99=0", "Give a number from 0 to 31"),
        ("--scale encoder.blocks.8:9=0", "Nearest"),
        (f"--scale {SITE}:3=nan", "give a finite number"),
        (f"--scale {SITE}:3=0 --basis pca", "basis 'pca' is not available here"),
        ("--add nowhere.safetensors", "is neither a vector nor an existing file"),
        ("--add {vectors}/five.safetensors", "has 5 values, and site"),
        ("--add {vectors}/nan.safetensors", "not finite"),
        ("--add {vectors}/zero.safetensors", "points nowhere"),
        ("--add {vectors}/huge.safetensors", "Give a smaller strength"),
        ("--add phone:AA-phone:AE", "give one, such as --site"),
        ("--add phone:AA-phone:AE --site encoder.blocks.*", "is 2 sites"),
        (f"--add phone:AA-phone:AE --site {SITE}", "has no phone labels"),
        ("--add phone:AA-phone:AE --site encoder.blocks.7", "Nearest"),
        (f"--add language:en-de --site {SITE} --run nowhere", "is not a harvest run"),
        ("--head encoder.0.0 --strength a,b", "is not a list of numbers"),
        ("--head encoder.0.0 --strength nan", "one or more finite numbers"),
        ("--head encoder.0.0 --strength 1e9", "give a finite number"),
        (f"--add {SITE}:3 --strength 1e9", "Give a smaller strength"),
        ("--head encoder.0.0 --frames 9", "give FIRST-LAST"),
        ("--head encoder.0.0 --frames 9-3", "are no stretch"),
        ("--head encoder.0.0 --kinds noise", "give speech, silence, padding"),
        ("--head encoder.0.0 --phone AA", "has a frame to steer"),
        ("--head decoder.0.attn.0 --frames 1-2", "goes by tokens"),
        ("--head encoder.0.0 --draws -1", "draws is -1"),
        ("--preset heads --sounds 0", "n_sounds is 0"),
    ],
    "study {folder}": [
        ("--quick --full", "--quick and --full are two sizes"),
        ("--only windw", "a study has no part 'windw'. Did you mean 'window'?"),
        ("--without listen", "Did you mean 'listening'?"),
        ("--settings none.toml", "cannot be read"),
        ("--only window --without window", "every part of the study is left out"),
        ("--clips 0", "the number of clips is 0"),
    ],
    "corpus info {folder}": [("--phone-set klingon", "klingon")],
    "corpus align {recording}": [("--language en", "can be aligned (1 failed)")],
    "corpus align demo": [("--compare", "--compare")],
}
ALL = [(command, words, message) for command, rows in REFUSED.items() for words, message in rows]
WITHOUT_FOLDER = [
    ("transcribe {folder}", "--format all", "--format all writes four files"),
    ("transcribe {folder}", "--format srt", "2 recordings as srt make 2 files"),
    ("transcribe {folder}", "--format srt --json", "--json and --format srt both write to stdout"),
    ("harvest {folder}", "", "a harvest needs a folder for its tables: give --out DIR"),
    ("sae train {folder}", "", "give --out DIR"),
    (QUICK_SWEEP, "", "--out DIR"),
    ("corpus align {folder}", "", "--out"),
    ("sites", "--site encoder.blocks.0.mpl.1", "site 'encoder.blocks.0.mpl.1' is not in"),
    ("sites", "--site encoder.blocks.0.mpl.1", "Nearest: encoder.blocks.0.mlp.1"),
    ("sites", "tiny", "two models were named, 'tiny' and --model"),
]


def _without(command: list[str], words: str) -> list[str]:
    """Leave out the options of a command that the case gives itself."""
    given = {word for word in shlex.split(words)[:1] if word.startswith("--")}
    at = {place for place, word in enumerate(command) if word in given}
    return [word for place, word in enumerate(command) if place not in at and place - 1 not in at]


@pytest.mark.parametrize(("command", "words", "message"), ALL)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing(
    command: str, words: str, message: str, run: Run, places: Places, tmp_path: Path
) -> None:
    line = _without(shlex.split(command), words) + shlex.split(words)
    ran = run(*(word.format_map(places) for word in line), "--out", tmp_path / "out", model=takes_model(command))
    assert ran.status == 2 and ran.out == "" and message in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "words", "message"), WITHOUT_FOLDER)
def test_what_needs_a_folder_is_refused_without_one(
    command: str, words: str, message: str, run: Run, places: Places
) -> None:
    ran = run(*shlex.split(f"{command} {words}".format_map(places)))
    assert ran.status == 2 and ran.out == "" and message in ran.err
