"""The record of the Methods page: every setting, version and hash, every table, how to reproduce and cite the study."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from otoscope.atlas.published import without_paths
from otoscope.atlas.records.shared import dicts
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.files import name_in
from otoscope.base.named import on_corpus
from otoscope.base.version import __version__

NAME = "methods"
SETTINGS = "study.toml"
TABLES = (".parquet", ".json", ".toml", ".npz", ".safetensors")
"""Types of files to download; sounds and pictures are on the other pages."""
_OF_RECORDING = re.compile("listening/[0-9]+/")
WHAT = (
    ("*manifest.json", "what made this part: settings, versions, files"),
    ("study.json", "model, corpus, parts and problems of the study"),
    ("study.toml", "every setting, to run the study again"),
    ("verdicts.json", "the claims, with every finding, interval, baseline and rule"),
    ("transcripts/transcripts.json", "what was said and what was heard, clip by clip"),
    ("relevance/relevance.json", "the relevance map of one clip: settings and summary"),
    ("relevance/relevance.npz", "the relevance map of one clip, frame by frame"),
    ("relevance/relevance_shares.json", "share of the relevance that comes from nearby frames, clip by clip"),
    ("locality/locality.json", "how far each encoder head listens"),
    ("locality/locality.npz", "attention by distance, for each encoder head"),
    ("window/window.json", "transcripts and error rates at each attention window"),
    ("splice/*.json", "each word that was spliced out, and the transcript without it"),
    ("words/word_scores.json", "how well each method finds the sound of each word"),
    ("bigrams/bigrams.json", "what the decoder says next with no sound"),
    ("bigrams/bigram_agreement.json", "its agreement with the bigrams of the corpus, word by word"),
    ("neighbours/neighbours.json", "the tokens nearest to some words"),
    ("neighbours/sounds_alike.json", "how alike nearest tokens are in sound and spelling"),
    ("lens/lens_curve.json", "how likely the next token is after each decoder block"),
    ("lens/*.json", "what each decoder block or head would say"),
    ("dictionaries/training.json", "how the dictionaries were trained"),
    ("dictionaries/curves.parquet", "their training curves"),
    ("*/cfg.json", "settings of one dictionary"),
    ("*/sae_weights.safetensors", "weights of one dictionary"),
    ("harvest/features.parquet", "statistics of every feature"),
    ("harvest/examples.parquet", "the strongest moments of every feature"),
    ("harvest/ranges.parquet", "ranges of strength, and the moments drawn from them"),
    ("harvest/histograms.parquet", "strengths of every feature in speech, silence and padding"),
    ("harvest/phone_counts.parquet", "frames by phone and strength"),
    ("harvest/phone_means.parquet", "mean strength by phone"),
    ("harvest/speaker_means.parquet", "mean strength by speaker"),
    ("harvest/language_means.parquet", "mean strength by language"),
    ("harvest/clips.parquet", "the clips, with their labels"),
    ("phones/feature_scores.parquet", "which phone, pair or class each feature detects, and how well"),
    ("phones/detect_counts.parquet", "how many features detect each phone, by site and basis"),
    ("phones/phones.json", "features that detect a phone, by site and basis, beside baselines"),
    ("scores/scores.*", "scores of the dictionaries beside their baselines"),
    ("scores/density.parquet", "how often each dictionary feature is active"),
    ("scores/transcripts.json", "what was heard with each dictionary in place"),
    ("sweep/*", "scores of dictionaries of many sizes"),
    ("traces/traces.parquet", "strength over time around every example"),
    ("sounds/pieces.parquet", "which stretch of which clip each sound holds"),
    ("listening/index.json", "the recordings of the Listening page"),
)
"""What files hold; the first pattern that matches counts."""


def names(folder: StudyFolder) -> Iterator[str]:
    """Name the record."""
    yield NAME


def make(folder: StudyFolder, name: str) -> dict[str, Any]:
    """Make the record.

    Args:
        folder: The study.
        name: `methods`.

    Returns:
        `study` (study.json without its parts), `parts`, `problems`, `tables` with `file`, `bytes` and `what`, `toml`
        (every setting, to run the study again), and `cite`.

    Raises:
        KeyError: Another name.
    """
    if name != NAME:
        raise KeyError(name)
    about = {key: value for key, value in folder.study.items() if key not in {"parts", "problems", "fingerprint"}}
    return {
        "study": about,
        "parts": dicts(folder.study.get("parts")),
        "problems": dicts(folder.study.get("problems")),
        "tables": [
            {"file": file, "bytes": (folder.path / file).stat().st_size, "what": _what(file)}
            for file in folder.shared_files()
            if PurePosixPath(file).suffix in TABLES and not _OF_RECORDING.match(file)
        ],
        "toml": _text(folder),
        "cite": cite(folder),
    }


def cite(folder: StudyFolder) -> str:
    """Give BibTeX entries for this atlas and for the study that it reproduces."""
    model, corpus = (folder.study.get(key) or {} for key in ("model", "corpus"))
    created = str(folder.study.get("created") or "")
    title = f"An otoscope atlas: {on_corpus(name_in(model), name_in(corpus))}"
    lines = [
        "@misc{otoscope_atlas,",
        f"  title = {{{_plain(without_paths(title))}}},",
        f"  note = {{Made with otoscope {_plain(folder.study.get('otoscope') or __version__)}, "
        f"weights {_plain(model.get('weights_hash'))}}},",
        f"  year = {{{_plain(created[:4])}}},",
        "}",
        "@misc{reid2023interpreting,",
        "  title = {Interpreting OpenAI's Whisper},",
        "  author = {Reid, Ellena},",
        "  year = {2023},",
        "}",
    ]
    return "\n".join(lines)


def _text(folder: StudyFolder) -> str | None:
    path = folder.shared_file(SETTINGS)
    return None if path is None else path.read_text(encoding="utf-8", errors="replace")


def _plain(text: object) -> str:
    """Remove characters that would end a BibTeX field."""
    return re.sub(r"[{}\\\s]+", " ", str(text)).strip()


def _what(file: str) -> str:
    """Say what a table holds."""
    part = PurePosixPath(file).parts[0]
    fitting = (what for pattern, what in WHAT if fnmatchcase(file, pattern))
    return next(fitting, f"a file of the part {part}" if part != file else "a file of the study")
