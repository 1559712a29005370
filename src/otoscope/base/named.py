"""Name models and corpora in sentences, so that a reader knows which is which."""

from __future__ import annotations

DEMO = "demo"
"""Both the package's model and its clips are called this on a command line."""


def named_model(model: str) -> str:
    """Name a model in a sentence: `the demo model`, `the model whisper-tiny`."""
    return "the demo model" if model == DEMO else f"the model {model}"


def named_corpus(corpus: str) -> str:
    """Name a corpus in a sentence: `the demo clips`, `the corpus talks`."""
    return "the demo clips" if corpus == DEMO else f"the corpus {corpus}"


def on_corpus(model: str, corpus: str) -> str:
    """Name a model and what it heard: `the demo model, on the demo clips`."""
    return f"{named_model(model)}, on {named_corpus(corpus)}"
