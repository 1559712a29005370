"""One word of the corpus for each phone, to be heard on the Phones page."""

from __future__ import annotations

from typing import Any

import numpy as np

from otoscope.atlas.records.feature_tables import FeatureTables, feature_tables
from otoscope.atlas.study_folder import StudyFolder
from otoscope.audio.clip import Span
from otoscope.harvest.opened import RunClip
from otoscope.study.examples.pieces import places

LONG = 0.75
"""Of all the words with a phone, one is taken in which the phone is longer than in this share: it is easy to hear."""


def phone_sounds(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """Choose a word of the corpus for each phone, from sounds that the study kept.

    Returns:
        Phone to `word`, `piece` (name of its sound), and `start_s` and `stop_s` of the word in it; phones without a
        word in time, or without a sound, are left out.
    """
    tables = feature_tables(folder)
    if tables is None or not tables.pieces.name:
        return {}
    found: dict[str, list[tuple[float, int, Span]]] = {}
    for clip in tables.run.clips:
        for phone, word in _phones_in_words(clip):
            found.setdefault(phone.text, []).append((phone.end_s - phone.start_s, clip.clip, word))
    sounds = {}
    for name, instances in found.items():
        instances.sort(key=lambda instance: instance[:2])
        for _, clip_number, word in instances[int(LONG * len(instances)) :]:
            sound = _sound(tables, clip_number, word)
            if sound is not None:
                sounds[name] = sound
                break
    return sounds


def _phones_in_words(clip: RunClip) -> list[tuple[Span, Span]]:
    """Pair each phone of a clip with the word that its middle lies in."""
    words, phones = clip.words or (), clip.phones or ()
    starts = np.array([word.start_s for word in words])
    pairs = []
    for phone in phones:
        middle = (phone.start_s + phone.end_s) / 2
        at = int(np.searchsorted(starts, middle, side="right")) - 1
        if at >= 0 and middle < words[at].end_s:
            pairs.append((phone, words[at]))
    return pairs


def _sound(tables: FeatureTables, clip: int, word: Span) -> dict[str, Any] | None:
    clips, middle = np.array([clip]), np.array([(word.start_s + word.end_s) / 2])
    piece = int(tables.pieces.find(clips, places(tables.durations[clips], middle).piece)[0])
    if piece < 0:
        return None
    start_s = float(tables.pieces.start_s[piece])
    return {
        "word": word.text,
        "piece": tables.pieces.name[piece],
        "start_s": round(word.start_s - start_s, 2),
        "stop_s": round(word.end_s - start_s, 2),
    }
