"""Where clips come from: the demo clips, one recording, or a folder of recordings. Knows nothing of models."""

from otoscope.corpus.corpus import Corpus, Problem, open_corpus

__all__ = ["Corpus", "Problem", "open_corpus"]
