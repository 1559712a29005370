"""The whole study of a model over a corpus: every experiment, one after the other, and a verdict on each claim.

A study that was stopped continues where it was when it is run again: parts that are done are kept, and a harvest or a
training resumes inside. It takes the time of all its parts and the memory of the largest.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from otoscope.base import html
from otoscope.base.errors import InputError, TrainingDivergedError
from otoscope.base.files import name_in, output_errors, write_json, write_text
from otoscope.base.named import on_corpus
from otoscope.base.results import MANIFEST, full_manifest, result_folder
from otoscope.base.version import __version__
from otoscope.corpus import Corpus, Problem
from otoscope.corpus.info import CorpusInfo, describe
from otoscope.harvest.activity import check_sites
from otoscope.harvest.bases import check_names
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.no_sound import check_sounds
from otoscope.study.catalogue import PRESETS, Part, part_names, parts
from otoscope.study.dictionaries.settings import CoderChoice
from otoscope.study.rich import Rich
from otoscope.study.whole import feature_parts
from otoscope.study.whole.context import Context, NotHereError, Progress, check_parts, settings_of_part
from otoscope.study.whole.feature_parts import OWN
from otoscope.study.whole.folder import (
    DONE,
    FAILED,
    LEFT_OUT,
    NOT_REQUESTED,
    SETTINGS,
    STUDY,
    VERDICTS,
    begin,
    drop_activity,
    is_finished,
    locked,
)
from otoscope.study.whole.settings import StudySettings, with_general
from otoscope.study.whole.settings import preset as preset_settings
from otoscope.study.whole.shown import shown
from otoscope.study.whole.stretches import measured
from otoscope.study.whole.verdicts import verdicts
from otoscope.study.whole.watch import Watch

KIND, VERSION = "study", 1
SIZES = ("n_mels", "window_s", "n_frames", "d_model", "n_heads", "n_encoder_blocks", "n_decoder_blocks", "vocab_size")


@dataclass(frozen=True, eq=False, repr=False)
class Study(Rich):
    """A finished study."""

    folder: Path  # where all of it lies
    about: Mapping[str, Any]  # its study.json: model, corpus, parts
    verdicts: Mapping[str, Any]  # its verdicts.json: claims and findings
    problems: tuple[Problem, ...] = ()  # clips that could not be used by some part

    @property
    def failed(self) -> tuple[str, ...]:
        """The parts that failed."""
        return tuple(part["name"] for part in self.about["parts"] if part["state"] == FAILED)

    def to_json(self) -> dict[str, Any]:
        """Return what was studied, and the verdicts."""
        return {**self.about, "claims": self.verdicts["claims"]}

    def _shown(self) -> html.Shown:
        return shown(self.folder, self.about, self.verdicts)

    def __repr__(self) -> str:
        """Name model and corpus, and each verdict."""
        said = ", ".join(f"{claim['id']}: {claim['verdict']}" for claim in self.verdicts["claims"])
        subject = on_corpus(name_in(self.about["model"]), self.about["corpus"]["name"])
        return f"Study({subject}; {said}; {str(self.folder)!r})"


def run_study(
    model: Whisper,
    corpus: Corpus,
    settings: StudySettings | None = None,
    out: str | Path = "study",
    *,
    preset: str = "",
    without: Iterable[str] = (),
    overwrite: bool = False,
    progress: Progress = lambda part, done, n_all: None,
    watch: Watch | None = None,
) -> Study:
    """Run every experiment on a model and a corpus, and say which of the three claims hold.

    Args:
        model: Any Whisper.
        corpus: The clips; their labels decide which parts can be done.
        settings: Settings of every part; those of `preset` by default.
        out: The study's folder. A study that was stopped there continues.
        preset: `quick`, `standard`, `full` or `demo`: how large the samples are; `standard` by default. With
            `settings`, only a name for them.
        without: Parts to leave out, such as `dictionaries`; `otoscope.study.catalogue.part_names()` lists all.
        overwrite: Whether another study in the folder may be replaced.
        progress: Called with a part, the amount of it that is done, and the amount in all.
        watch: Told when the parts begin, and after each of them.

    Returns:
        The finished study.

    Raises:
        InputError: The settings are wrong, no clip can be used, or the folder holds another study.
        OutputError: The folder cannot be written.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), whose three claims it tests.
    """
    settings = _settings(settings, preset, tuple(without))
    _check_request(model, settings)
    folder = Path(out)
    with locked(folder):
        began = begin(folder, _fingerprint(model, corpus, settings), part_names(), overwrite=overwrite)
        if is_finished(folder) and _is_settled(folder, began["parts"], settings):
            return _opened(folder)
        (folder / MANIFEST).unlink(missing_ok=True)
        context = prepared(model, corpus, settings, folder, progress)
        return _run_all(context, {**_about(context, preset), **began}, watch or Watch())


def _settings(given: StudySettings | None, preset: str, without: tuple[str, ...]) -> StudySettings:
    """Settle the settings of a study: those given or those of a preset, and without some parts."""
    if given is None:
        if preset and preset not in PRESETS:
            raise InputError(f"the preset is {preset!r}: give one of {', '.join(PRESETS)}.")
        given = preset_settings(preset or "standard")
    return with_general(given, without=without) if without else given


def prepared(
    model: Whisper,
    corpus: Corpus,
    settings: StudySettings,
    folder: Path,
    progress: Progress = lambda part, done, n_all: None,
) -> Context:
    """Survey a corpus, and make the context that every part gets."""
    _check_request(model, settings)
    clips = measured(corpus)
    info = _survey(clips, progress)
    return Context(model, corpus, info, clips.lengths_s, settings, folder, progress, list(info.problems))


def _run_all(context: Context, about: dict[str, Any], watch: Watch) -> Study:
    """Do every part that is not done yet, and record after each how far the study is."""
    folder = context.folder
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in about["parts"]}
    watch.begins(context, tuple(rows))
    with output_errors(folder):
        write_text(folder / SETTINGS, context.settings.to_toml())
        write_json(folder / STUDY, about)
        for part in parts():
            if part.name not in rows:
                rows[part.name] = _run(part, context)
                about["parts"] = [rows[name] for name in part_names() if name in rows]
                write_json(folder / STUDY, about)
                watch.ends(rows[part.name])
        drop_activity(folder)
        about["minutes"] = sum(row["seconds"] for row in rows.values()) / 60
        about["problems"] = [{"clip": problem.clip, "message": problem.message} for problem in context.problems]
        groups = _json(folder / "transcripts" / "transcripts.json").get("groups")
        if groups:
            about["corpus"]["groups"] = groups
        write_json(folder / STUDY, about)
        judged = verdicts(folder)
        write_json(folder / VERDICTS, judged)
        write_json(folder / MANIFEST, full_manifest({"kind": KIND, "settings": context.settings.to_json()}, folder))
    return Study(folder, about, judged, tuple(context.problems))


def _opened(folder: Path) -> Study:
    """Read a finished study."""
    about = _json(folder / STUDY)
    problems = tuple(Problem(**problem) for problem in about.get("problems", ()))
    return Study(folder, about, _json(folder / VERDICTS), problems)


def _is_settled(folder: Path, done: Sequence[Mapping[str, Any]], settings: StudySettings) -> bool:
    """Whether a finished study is complete: what it left out is not requested, or the corpus cannot give it."""
    names = {row["name"] for row in done}
    return all(
        row["name"] in names
        or (row["state"] == LEFT_OUT and (row["why"] != NOT_REQUESTED or row["name"] in settings.study.without))
        for row in _json(folder / STUDY)["parts"]
    )


def _check_request(model: Whisper, settings: StudySettings) -> None:
    """Refuse settings that a part could not use, before any work."""
    check_parts(settings.study.without, part_names())
    model.vocabulary.check_language(settings.study.language)
    check_sites(model, settings.dictionaries.sites)
    check_sites(model, settings.harvest.sites)
    check_names([basis for basis in settings.harvest.bases if basis != OWN])
    feature_parts.harvest_settings(settings, settings.harvest.bases)
    feature_parts.phone_settings(settings)
    check_sounds(settings.bigrams.sounds)
    CoderChoice(settings.dictionaries.coder, settings.dictionaries.expansion, k=settings.dictionaries.k)


def _fingerprint(model: Whisper, corpus: Corpus, settings: StudySettings) -> dict[str, Any]:
    """Return what must be the same for a study to continue; which parts are left out may change."""
    tables = settings.to_json()
    tables["study"].pop("without")
    return {
        "model": {name: value for name, value in model.about().items() if name not in ("device", "name")},
        "corpus": corpus.about(),
        "settings": tables,
    }


def _json(path: Path) -> dict[str, Any]:
    """Read a table that a part wrote; an empty one where it wrote none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _survey(corpus: Corpus, progress: Progress) -> CorpusInfo:
    """Read through the corpus once, to know what is in it."""
    n = len(corpus.sources)
    info = describe(corpus, progress=lambda done: progress("survey", done, n))
    if info.all.n_clips == 0:
        why = f" The first: {info.problems[0].message}" if info.problems else " Name a folder of recordings."
        raise InputError(f"no clip of {corpus.name!r} can be used.{why}")
    return info


def _about(context: Context, preset: str) -> dict[str, Any]:
    """Describe what is studied, for study.json."""
    model, info = context.model, context.info
    return {
        "kind": KIND,
        "study_version": VERSION,
        "otoscope": __version__,
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "preset": preset,
        "seed": context.seed,
        "settings": context.settings.to_json(),
        "versions": full_manifest({}, context.folder)["versions"],
        "model": {
            **model.about(),
            **{name: getattr(model, name) for name in SIZES},
        },
        "corpus": {
            "name": context.corpus.name,
            "n_clips": info.all.n_clips,
            "hours": info.all.duration_s / 3600,
            "n_speakers": len(info.speakers),
            "languages": sorted(info.languages),
            "phone_set": info.phone_set,
            "has_transcripts": info.transcripts.n_clips > 0,
            "has_words": info.words.n_clips > 0,
            "has_phones": info.phones.n_clips > 0,
            "sound_notes": [{"clip": note.clip, "message": note.message} for note in info.sound_notes],
        },
    }


def _run(part: Part, context: Context) -> dict[str, Any]:
    """Do one part, and return its row of study.json."""
    started = time.perf_counter()
    out = context.folder / part.name
    state, why = DONE, None
    if part.name in context.settings.study.without:
        state, why = LEFT_OUT, NOT_REQUESTED
    else:
        context.tell(part.name, 0, 0)
        try:
            if part.resumes:
                part.run(context, out)
            else:
                manifest = {"kind": part.name, "settings": settings_of_part(context.settings, part.name)}
                with result_folder(out, overwrite=True, manifest=manifest) as folder:
                    part.run(context, folder)
        except NotHereError as error:
            state, why = LEFT_OUT, str(error)
        except (InputError, TrainingDivergedError) as error:
            state, why = FAILED, str(error)
        except (MemoryError, torch.OutOfMemoryError) as error:
            state, why = FAILED, f"there was not enough memory ({error}). Ask for less of it in the settings."
    return {
        "name": part.name,
        "folder": part.name,
        "question": part.question,
        "state": state,
        "why": why,
        "seconds": round(time.perf_counter() - started, 2),
        "settings": settings_of_part(context.settings, part.name),
    }
