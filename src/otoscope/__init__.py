"""otoscope looks inside OpenAI's Whisper: which sound each part hears, and how far each part listens.

The public names are loaded when they are first asked for: `import otoscope` imports neither torch nor transformers.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from otoscope.base.version import __version__

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip, Span, as_clip, read_clip
    from otoscope.base.errors import AudioError, InputError, ModelError, OtoscopeError, OutputError, SiteError
    from otoscope.corpus import Corpus, corpus
    from otoscope.harvest.opened import HarvestRun, open_run
    from otoscope.harvest.run import harvest
    from otoscope.harvest.settings import HarvestSettings
    from otoscope.model.load import load
    from otoscope.model.transcription import Transcription
    from otoscope.model.whisper import Whisper
    from otoscope.study.examples import Examples, examples
    from otoscope.study.locality import Locality, locality
    from otoscope.study.phones import PhoneSettings, PhoneStudy, phones
    from otoscope.study.relevance import Relevance, relevance
    from otoscope.study.splice import Splice, splice
    from otoscope.study.splice_words import SpliceWords, splice_words
    from otoscope.study.window import WindowStudy, window
    from otoscope.study.word_times import align_words

__all__ = [
    "AudioError",
    "Clip",
    "Corpus",
    "Examples",
    "HarvestRun",
    "HarvestSettings",
    "InputError",
    "Locality",
    "ModelError",
    "OtoscopeError",
    "OutputError",
    "PhoneSettings",
    "PhoneStudy",
    "Relevance",
    "SiteError",
    "Span",
    "Splice",
    "SpliceWords",
    "Transcription",
    "Whisper",
    "WindowStudy",
    "__version__",
    "align_words",
    "as_clip",
    "corpus",
    "examples",
    "harvest",
    "load",
    "locality",
    "open_run",
    "phones",
    "read_clip",
    "relevance",
    "splice",
    "splice_words",
    "window",
]

_HOME_OF = {
    "AudioError": "otoscope.base.errors",
    "Clip": "otoscope.audio.clip",
    "Corpus": "otoscope.corpus",
    "Examples": "otoscope.study.examples",
    "HarvestRun": "otoscope.harvest.opened",
    "HarvestSettings": "otoscope.harvest.settings",
    "InputError": "otoscope.base.errors",
    "Locality": "otoscope.study.locality",
    "ModelError": "otoscope.base.errors",
    "OtoscopeError": "otoscope.base.errors",
    "OutputError": "otoscope.base.errors",
    "PhoneSettings": "otoscope.study.phones",
    "PhoneStudy": "otoscope.study.phones",
    "Relevance": "otoscope.study.relevance",
    "SiteError": "otoscope.base.errors",
    "Span": "otoscope.audio.clip",
    "Splice": "otoscope.study.splice",
    "SpliceWords": "otoscope.study.splice_words",
    "Transcription": "otoscope.model.transcription",
    "Whisper": "otoscope.model.whisper",
    "WindowStudy": "otoscope.study.window",
    "align_words": "otoscope.study.word_times",
    "as_clip": "otoscope.audio.clip",
    "corpus": "otoscope",
    "examples": "otoscope.study.examples",
    "harvest": "otoscope",
    "load": "otoscope.model.load",
    "locality": "otoscope.study.locality",
    "open_run": "otoscope.harvest.opened",
    "phones": "otoscope.study.phones",
    "read_clip": "otoscope.audio.clip",
    "relevance": "otoscope.study.relevance",
    "splice": "otoscope.study.splice",
    "splice_words": "otoscope.study.splice_words",
    "window": "otoscope.study.window",
}


_CALLABLE_ROOMS = {"corpus": "otoscope.corpus.corpus", "harvest": "otoscope.harvest.run"}
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
