"""Where clips come from: demo clips, folders, LibriSpeech trees, manifests, Hugging Face. Knows nothing of models."""

from otoscope.corpus.corpus import Corpus, Problem, open_corpus

__all__ = ["Corpus", "Problem", "open_corpus"]
