"""otoscope looks inside OpenAI's Whisper: which sound each part hears, and how far each part listens.

The public names are loaded when they are first asked for: `import otoscope` imports neither torch nor transformers.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from otoscope.base.version import __version__
from otoscope.base.waiting import wait_without_spinning

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip, Span, as_clip, read_clip
    from otoscope.audio.nonspeech import nonspeech
    from otoscope.base.errors import AudioError, InputError, ModelError, OtoscopeError, OutputError, SiteError
    from otoscope.corpus import Corpus, corpus
    from otoscope.harvest.opened import HarvestRun, open_run
    from otoscope.harvest.run import harvest
    from otoscope.harvest.settings import HarvestSettings
    from otoscope.model.load import load
    from otoscope.model.transcription import Transcription
    from otoscope.model.whisper import Whisper
    from otoscope.study.alignment.word_times import align_words
    from otoscope.study.bigrams.agreement import BigramAgreement, bigram_agreement
    from otoscope.study.bigrams.experiment import Bigrams, bigrams
    from otoscope.study.bigrams.known import KnownBigrams, bigrams_of_text, bigrams_of_words
    from otoscope.study.direction import Direction
    from otoscope.study.dream.experiment import dream
    from otoscope.study.dream.result import Dream
    from otoscope.study.examples.experiment import Examples, examples
    from otoscope.study.lens.curve import LensCurve, lens_curve
    from otoscope.study.lens.encoder import EncoderLens, encoder_lens
    from otoscope.study.lens.experiment import Lens, lens
    from otoscope.study.lens.heads import HeadLens, head_lens
    from otoscope.study.lens.heads_mean import HeadLensMean, head_lens_mean
    from otoscope.study.lens.languages import LanguageLens, language_lens
    from otoscope.study.listening.experiment import Listening, listen
    from otoscope.study.locality.experiment import Locality, locality
    from otoscope.study.neighbours.experiment import Neighbours, neighbours
    from otoscope.study.neighbours.sounds_alike import SoundsAlike, sounds_alike
    from otoscope.study.phones.experiment import PhoneSettings, PhoneStudy, phones
    from otoscope.study.probe.experiment import probe, probe_saved
    from otoscope.study.probe.result import Probe
    from otoscope.study.relevance.experiment import Relevance, relevance
    from otoscope.study.segments.experiment import segments
    from otoscope.study.segments.pushed import PushedUp, pushed_up
    from otoscope.study.segments.result import Segments
    from otoscope.study.splice.experiment import Splice, splice
    from otoscope.study.splice.words import SpliceWords, splice_words
    from otoscope.study.steer.class_means import ClassMeans, class_means
    from otoscope.study.steer.experiment import Steer, steer
    from otoscope.study.steer.head_ablation import HeadAblation, ablate_heads
    from otoscope.study.steer.phones import PhoneSwaps, steer_phones
    from otoscope.study.steer.sounds import SteerSounds, steer_sounds
    from otoscope.study.whole.experiment import Study, study
    from otoscope.study.whole.settings import StudySettings
    from otoscope.study.window.experiment import WindowStudy, window
    from otoscope.study.words.experiment import WordSources, words
    from otoscope.study.words.scores import WordScores, word_sources

__all__ = [
    "AudioError",
    "BigramAgreement",
    "Bigrams",
    "ClassMeans",
    "Clip",
    "Corpus",
    "Direction",
    "Dream",
    "EncoderLens",
    "Examples",
    "HarvestRun",
    "HarvestSettings",
    "HeadAblation",
    "HeadLens",
    "HeadLensMean",
    "InputError",
    "KnownBigrams",
    "LanguageLens",
    "Lens",
    "LensCurve",
    "Listening",
    "Locality",
    "ModelError",
    "Neighbours",
    "OtoscopeError",
    "OutputError",
    "PhoneSettings",
    "PhoneStudy",
    "PhoneSwaps",
    "Probe",
    "PushedUp",
    "Relevance",
    "Segments",
    "SiteError",
    "SoundsAlike",
    "Span",
    "Splice",
    "SpliceWords",
    "Steer",
    "SteerSounds",
    "Study",
    "StudySettings",
    "Transcription",
    "Whisper",
    "WindowStudy",
    "WordScores",
    "WordSources",
    "__version__",
    "ablate_heads",
    "align_words",
    "as_clip",
    "bigram_agreement",
    "bigrams",
    "bigrams_of_text",
    "bigrams_of_words",
    "class_means",
    "corpus",
    "dream",
    "encoder_lens",
    "examples",
    "harvest",
    "head_lens",
    "head_lens_mean",
    "language_lens",
    "lens",
    "lens_curve",
    "listen",
    "load",
    "locality",
    "neighbours",
    "nonspeech",
    "open_run",
    "phones",
    "probe",
    "probe_saved",
    "pushed_up",
    "read_clip",
    "relevance",
    "segments",
    "sounds_alike",
    "splice",
    "splice_words",
    "steer",
    "steer_phones",
    "steer_sounds",
    "study",
    "window",
    "word_sources",
    "words",
]

_HOME_OF = {
    "AudioError": "otoscope.base.errors",
    "BigramAgreement": "otoscope.study.bigrams.agreement",
    "Bigrams": "otoscope.study.bigrams.experiment",
    "ClassMeans": "otoscope.study.steer.class_means",
    "Clip": "otoscope.audio.clip",
    "Corpus": "otoscope.corpus",
    "Direction": "otoscope.study.direction",
    "Dream": "otoscope.study.dream.result",
    "EncoderLens": "otoscope.study.lens.encoder",
    "Examples": "otoscope.study.examples.experiment",
    "HarvestRun": "otoscope.harvest.opened",
    "HarvestSettings": "otoscope.harvest.settings",
    "HeadAblation": "otoscope.study.steer.head_ablation",
    "HeadLens": "otoscope.study.lens.heads",
    "HeadLensMean": "otoscope.study.lens.heads_mean",
    "InputError": "otoscope.base.errors",
    "KnownBigrams": "otoscope.study.bigrams.known",
    "LanguageLens": "otoscope.study.lens.languages",
    "Lens": "otoscope.study.lens.experiment",
    "LensCurve": "otoscope.study.lens.curve",
    "Listening": "otoscope.study.listening.experiment",
    "Locality": "otoscope.study.locality.experiment",
    "ModelError": "otoscope.base.errors",
    "Neighbours": "otoscope.study.neighbours.experiment",
    "OtoscopeError": "otoscope.base.errors",
    "OutputError": "otoscope.base.errors",
    "PhoneSettings": "otoscope.study.phones.experiment",
    "PhoneStudy": "otoscope.study.phones.experiment",
    "PhoneSwaps": "otoscope.study.steer.phones",
    "Probe": "otoscope.study.probe.result",
    "PushedUp": "otoscope.study.segments.pushed",
    "Relevance": "otoscope.study.relevance.experiment",
    "Segments": "otoscope.study.segments.result",
    "SiteError": "otoscope.base.errors",
    "SoundsAlike": "otoscope.study.neighbours.sounds_alike",
    "Span": "otoscope.audio.clip",
    "Splice": "otoscope.study.splice.experiment",
    "SpliceWords": "otoscope.study.splice.words",
    "Steer": "otoscope.study.steer.experiment",
    "SteerSounds": "otoscope.study.steer.sounds",
    "Study": "otoscope.study.whole.experiment",
    "StudySettings": "otoscope.study.whole.settings",
    "Transcription": "otoscope.model.transcription",
    "Whisper": "otoscope.model.whisper",
    "WindowStudy": "otoscope.study.window.experiment",
    "WordScores": "otoscope.study.words.scores",
    "WordSources": "otoscope.study.words.experiment",
    "ablate_heads": "otoscope.study.steer.head_ablation",
    "align_words": "otoscope.study.alignment.word_times",
    "as_clip": "otoscope.audio.clip",
    "bigram_agreement": "otoscope.study.bigrams.agreement",
    "bigrams": "otoscope.study.bigrams.experiment",
    "bigrams_of_text": "otoscope.study.bigrams.known",
    "bigrams_of_words": "otoscope.study.bigrams.known",
    "class_means": "otoscope.study.steer.class_means",
    "corpus": "otoscope",
    "dream": "otoscope.study.dream.experiment",
    "encoder_lens": "otoscope.study.lens.encoder",
    "examples": "otoscope.study.examples.experiment",
    "harvest": "otoscope",
    "head_lens": "otoscope.study.lens.heads",
    "head_lens_mean": "otoscope.study.lens.heads_mean",
    "language_lens": "otoscope.study.lens.languages",
    "lens": "otoscope.study.lens.experiment",
    "lens_curve": "otoscope.study.lens.curve",
    "listen": "otoscope.study.listening.experiment",
    "load": "otoscope.model.load",
    "locality": "otoscope.study.locality.experiment",
    "neighbours": "otoscope.study.neighbours.experiment",
    "nonspeech": "otoscope.audio.nonspeech",
    "open_run": "otoscope.harvest.opened",
    "phones": "otoscope.study.phones.experiment",
    "probe": "otoscope.study.probe.experiment",
    "probe_saved": "otoscope.study.probe.experiment",
    "pushed_up": "otoscope.study.segments.pushed",
    "read_clip": "otoscope.audio.clip",
    "relevance": "otoscope.study.relevance.experiment",
    "segments": "otoscope.study.segments.experiment",
    "sounds_alike": "otoscope.study.neighbours.sounds_alike",
    "splice": "otoscope.study.splice.experiment",
    "splice_words": "otoscope.study.splice.words",
    "steer": "otoscope.study.steer.experiment",
    "steer_phones": "otoscope.study.steer.phones",
    "steer_sounds": "otoscope.study.steer.sounds",
    "study": "otoscope",
    "window": "otoscope.study.window.experiment",
    "word_sources": "otoscope.study.words.scores",
    "words": "otoscope.study.words.experiment",
}


_CALLABLE_ROOMS = {
    "corpus": "otoscope.corpus.corpus",
    "harvest": "otoscope.harvest.run",
    "study": "otoscope.study.whole.experiment",
}
"""Rooms that share their name with a public function, and where that function is."""


class _CallableRoom(ModuleType):
    """A room that can also be called: a room and a function share its name."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(_CALLABLE_ROOMS[name]), name)(*args, **settings)


class _Package(ModuleType):
    """This package: when Python hangs such a room into it, the room becomes callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _CALLABLE_ROOMS and type(value) is ModuleType:
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
wait_without_spinning()


def __getattr__(name: str) -> Any:
    """Fetch a public name from its room when it is first asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'otoscope' has no attribute {name!r}; see otoscope.__all__")
    if name in _CALLABLE_ROOMS:
        return importlib.import_module(f"otoscope.{name}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return list(__all__)
