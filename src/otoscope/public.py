"""The public names of otoscope and the modules they live in; those of experiments follow from the catalogue."""

from __future__ import annotations

from otoscope.study.catalogue import EXPERIMENTS

HOMES: dict[str, str] = {
    **dict.fromkeys(("Clip", "Span", "as_clip", "read_clip"), "otoscope.audio.clip"),
    "nonspeech": "otoscope.audio.nonspeech",
    **dict.fromkeys(
        ("AudioError", "InputError", "ModelError", "OtoscopeError", "OutputError", "SiteError"), "otoscope.base.errors"
    ),
    **dict.fromkeys(("Corpus", "open_corpus"), "otoscope.corpus"),
    "load": "otoscope.model.load",
    "untrained": "otoscope.model.untrained",
    "Transcription": "otoscope.model.transcription",
    "Whisper": "otoscope.model.whisper",
    "align_words": "otoscope.study.alignment.word_times",
    **dict.fromkeys(("Feature", "feature_named"), "otoscope.study.feature"),
    "scaled_features": "otoscope.study.feature_edit",
    **{name: module for experiment in EXPERIMENTS for name, module in experiment.public.items()},
}
