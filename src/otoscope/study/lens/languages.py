"""Which language does each block of the decoder detect in a recording, and which heads decide it?

At the start of a transcript the decoder predicts the language. The logit lens is read there, among the languages
alone, and the last block's logits are taken apart. Costs one run of the encoder for each clip and one of the decoder
over a single token; of a long recording the first window is heard, as in transcribing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.base.errors import InputError
from otoscope.base.layout import count
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Fact, Report, Table
from otoscope.base.settings import takes
from otoscope.model.languages import Vocabulary
from otoscope.model.unembed import unembed
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import Progress
from otoscope.study.estimates import DRAWS, Means, grouped_means, wilson_interval
from otoscope.study.lens.curve import Counted
from otoscope.study.lens.experiment import stage_names
from otoscope.study.lens.head_parts import LogitPart, contributions, parts_of, run_stream
from otoscope.study.lens.languages_picture import languages_figure
from otoscope.study.lens.settings import LanguageLensSettings
from otoscope.study.results import Result

BATCH_SIZE = 16
N_NAMED = 5
"""Languages named for each stage in JSON."""

N_SHOWN = 3
"""Languages named for each stage in the report."""

N_HEADS = 8
"""Heads in the report."""


@dataclass(frozen=True, eq=False, repr=False)
class LanguageLens(Result):
    """The languages by block and by head."""

    name = "language_lens"

    model: str
    clip_ids: tuple[str, ...]
    labels: tuple[str | None, ...]  # each clip's labelled language; None where unknown, or unknown to the model
    languages: tuple[str, ...]  # the model's, as codes
    stages: tuple[str, ...]  # the embedding and every block of the decoder
    probabilities: np.ndarray  # among the languages, float32 [clip, stage, language]
    no_sound: np.ndarray  # the same with padding in place of sound, float32 [stage, language]
    parts: tuple[LogitPart, ...]  # what the last block's logits are made of
    found_contributions: np.ndarray  # of each part to the logit of the language found, less the mean logit of all
    # languages, float32 [clip, part]
    mean_contributions: np.ndarray  # the same for every language, mean over clips, float32 [part, language]
    no_sound_contributions: np.ndarray  # the same with padding only, float32 [part, language]
    seed: int  # seeds the bootstrap over clips

    @property
    def chosen(self) -> np.ndarray:
        """The index of the language that the last block finds in each clip, int64 [clip]."""
        return self.probabilities[:, -1].argmax(axis=-1)

    def found_probability(self) -> Means:
        """Average the probability of the language found, [sound or none, stage]."""
        heard = np.take_along_axis(self.probabilities, self.chosen[:, None, None], axis=2)[..., 0]
        return self._means(np.stack([heard, self.no_sound[:, self.chosen].T], axis=1))

    def agreement(self, stage: int) -> Interval | None:
        """Count how often a stage's first choice is the last block's."""
        return wilson_interval(int((self.probabilities[:, stage].argmax(-1) == self.chosen).sum()), len(self.clip_ids))

    def accuracy(self, stage: int) -> Interval | None:
        """Count how often a stage's first choice is the language as labelled; None where no label is known."""
        known = [(number, label) for number, label in enumerate(self.labels) if label is not None]
        choices = self.probabilities[:, stage].argmax(-1)
        right = sum(self.languages[choices[number]] == label for number, label in known)
        return wilson_interval(right, len(known))

    def contribution(self) -> Means:
        """Average what each part adds to the logit of the language found, [sound or none, part]."""
        return self._means(np.stack([self.found_contributions, self.no_sound_contributions[:, self.chosen].T], axis=1))

    def _means(self, values: np.ndarray) -> Means:
        return grouped_means(values, np.ones(len(values), int), seed=self.seed)

    def report(self) -> Report:
        """Report what each stage finds, what each part adds, and the language found in each clip."""
        n_labelled = sum(label is not None for label in self.labels)
        parts = self._parts()
        return Report(
            f"Where the language is found: {self.model}",
            f"{count(len(self.clip_ids), 'clip')}, {n_labelled:,} with their language; 95% intervals",
            {
                "model": self.model,
                "n_clips": len(self.clip_ids),
                "n_labelled": n_labelled,
                "n_languages": Fact(len(self.languages), "languages to choose from"),
                "chance": Fact(1 / len(self.languages), "each by chance", "share"),
                "parts": parts,
                "intervals": f"95%; means: bootstrap over clips, {DRAWS} draws; shares: Wilson",
                "seed": self.seed,
                "clips": [
                    {
                        "clip": clip_id,
                        "label": label,
                        "found": self.languages[chosen],
                        "probability": float(probabilities[-1, chosen]),
                    }
                    for clip_id, label, chosen, probabilities in zip(
                        self.clip_ids, self.labels, self.chosen, self.probabilities, strict=True
                    )
                ],
            },
            parts=[self._stages(), self._heads(parts)],
        )

    def _stages(self) -> Table:
        probability = self.found_probability()
        columns = [
            Column("stage", ""),
            Column(None, "likeliest"),
            Column("found_probability", "probability of the one found", "two digits"),
            Column("no_sound_found_probability", "without sound", "two digits"),
            Column("agrees_with_last", "agrees with the last block", "share"),
            Column("accuracy", "right by label", "share"),
            Column("likeliest"),
            Column("no_sound_likeliest"),
        ]
        rows = []
        for number, stage in enumerate(self.stages):
            likeliest = self._likeliest(self.probabilities[:, number].mean(axis=0))
            rows.append(
                (
                    stage,
                    ", ".join(f"{row['language']} {row['probability']:.2f}" for row in likeliest[:N_SHOWN]),
                    probability.at(0, number),
                    probability.at(1, number),
                    self.agreement(number),
                    self.accuracy(number),
                    likeliest,
                    self._likeliest(self.no_sound[number]),
                )
            )
        return Table(columns, rows, "Probabilities among the languages, and shares of clips", "stages", len(rows))

    def _likeliest(self, values: np.ndarray) -> list[dict[str, Any]]:
        order = np.argsort(-values, kind="stable")[:N_NAMED]
        return [{"language": self.languages[number], "probability": float(values[number])} for number in order]

    def _parts(self) -> list[dict[str, Any]]:
        means = self.contribution()
        return [
            {
                "part": part.name,
                "group": part.group,
                "block": part.block,
                "head": part.head,
                "to_found": means.at(0, number),
                "no_sound_to_found": means.at(1, number),
                "most_to": self.languages[int(values.argmax())],
                "most": float(values.max()),
            }
            for number, (part, values) in enumerate(zip(self.parts, self.mean_contributions, strict=True))
        ]

    def _heads(self, parts: list[dict[str, Any]]) -> Table:
        heads = sorted((part for part in parts if part["head"] is not None), key=lambda p: -abs(p["to_found"].value))
        labels = ("", "with the sound", "without", "adds most to")
        rows = [
            (head["part"], head["to_found"], head["no_sound_to_found"], f"{head['most_to']} {head['most']:.2f}")
            for head in heads
        ]
        caption = "Heads that add most to the logit of the language found, less the mean of all languages"
        return Table([Column(None, label, "two digits") for label in labels], rows, caption, most=N_HEADS)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all probabilities and contributions, with the names that they belong to."""
        return {
            **self.fields(
                "probabilities", "no_sound", "found_contributions", "mean_contributions", "no_sound_contributions"
            ),
            "languages": np.array(self.languages),
            "parts": np.array([part.name for part in self.parts]),
            "clips": np.array(self.clip_ids),
        }

    def figure(self) -> Figure:
        """Draw the likeliest languages by block, how sure each block is, and what each head adds."""
        note = f"{self.model}: {count(len(self.clip_ids), 'clip')}, {len(self.languages)} languages"
        return languages_figure(self, note)


@takes(LanguageLensSettings)
def language_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: LanguageLensSettings,
    progress: Progress | None = None,
) -> LanguageLens:
    """Measure which language each block and each head of the decoder detects in recordings.

    Args:
        model: A multilingual Whisper.
        clips: One clip or many.
        settings: The seed of the bootstrap over clips.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Probabilities by block and contributions by head, beside those with padding only.

    Raises:
        InputError: The model knows only one language, or there are no clips.

    Source:
        Languages by layer and head after "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), in the code it came
        with; found at the start of the transcript, Radford et al. 2022 (arXiv 2212.04356), section 2.3.
    """
    words = _multilingual(model)
    counted = Counted(clips, progress)
    labels: list[str | None] = []
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    windows = ((clip.language, next(iter(model.each_window(clip))).mel) for clip in counted)
    while waiting := list(islice(windows, BATCH_SIZE)):
        labels += [code if code in words.language_ids else None for code, _ in waiting]
        mels = torch.cat([mel for _, mel in waiting])
        rows.append(_heard(model, words, model.encode_mel(mels, batch_size=BATCH_SIZE)))
        counted.report(len(labels))
    counted.check()
    with model.reading_paused():
        silent = model.padded_encoding()
    no_sound, _, no_sound_parts = _heard(model, words, silent)
    return LanguageLens(
        model=model.name,
        clip_ids=tuple(counted.ids),
        labels=tuple(labels),
        languages=tuple(words.language_ids),
        stages=stage_names(model.n_decoder_blocks),
        probabilities=np.concatenate([row[0] for row in rows]),
        no_sound=no_sound[0],
        parts=parts_of(model),
        found_contributions=np.concatenate([row[1] for row in rows]),
        mean_contributions=(np.sum([row[2] for row in rows], axis=0) / len(labels)).astype(np.float32),
        no_sound_contributions=no_sound_parts.astype(np.float32),
        seed=settings.seed,
    )


def _multilingual(model: Whisper) -> Vocabulary:
    """Return the vocabulary of a model that has languages to choose from."""
    words = model.vocabulary
    if not words.is_multilingual or len(words.language_ids) < 2:
        raise InputError(
            f"{model.id} knows English alone, so there is no language to be found. Load a multilingual checkpoint."
            if not words.is_multilingual
            else f"{model.id} knows one language alone, so there is none to be found. Load a checkpoint with several."
        )
    return words


def _heard(model: Whisper, words: Vocabulary, encoded: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the languages in encoder outputs.

    Returns probabilities [window, stage, language]; what each part adds to the language found [window, part]; and to
    every language, summed over windows [part, language].
    """
    known = torch.tensor(list(words.language_ids.values()), device=model.device)
    start = torch.full((len(encoded), 1), words.start_id, device=model.device)
    run = run_stream(model, encoded, start, [slice(0, 1)] * len(encoded))
    rows = torch.stack([unembed(model, stage)[:, known].softmax(dim=-1) for stage in run.stages], dim=1)
    targets = known.expand(len(encoded), -1)
    added = contributions(model, run, targets, known.tolist()).parts
    chosen = rows[:, -1].argmax(dim=-1).cpu()
    added_to_chosen = added[:, torch.arange(len(chosen)), chosen].T
    return rows.cpu().numpy(), added_to_chosen.numpy(), added.sum(dim=1).double().numpy()
