"""Name models and corpora in sentences, so that a reader knows which is which."""

from __future__ import annotations

from pathlib import Path

DEMO = "demo"
"""Both the package's model and its clips are called this on a command line."""


def named_model(model: str) -> str:
    """Name a model in a sentence, without its folder: `the demo model`, `the model whisper-tiny`."""
    return "the demo model" if model == DEMO else f"the model {_short(model)}"


def named_corpus(corpus: str) -> str:
    """Name a corpus in a sentence, without its folder: `the demo clips`, `the corpus talks`."""
    return "the demo clips" if corpus == DEMO else f"the corpus {_short(corpus)}"


def on_corpus(model: str, corpus: str) -> str:
    """Name a model and what it heard: `the demo model, on the demo clips`."""
    return f"{named_model(model)}, on {named_corpus(corpus)}"


def _short(name: str) -> str:
    """Leave out the folder of a name that is a path; a name on the Hugging Face hub has a slash, too."""
    path = Path(name)
    return path.name if path.name and (path.is_absolute() or path.exists()) else name
