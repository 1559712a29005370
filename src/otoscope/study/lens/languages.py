"""Which language does each block of the decoder take a recording for, and which heads decide it?

At the start of a transcript the decoder foretells the language. The logit lens is read there, among the languages
alone, and the last block's logits are taken apart. Costs one run of the encoder for each clip and one of the decoder
over a single token; of a long recording the first window is heard, as in transcribing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.base import html
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.model.languages import Vocabulary
from otoscope.model.unembed import unembed
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.estimates import DRAWS, Means, grouped_means, wilson_interval
from otoscope.study.lens import languages_picture as language_lens_picture
from otoscope.study.lens.curve import Counted
from otoscope.study.lens.experiment import stage_names
from otoscope.study.lens.head_parts import Part, contributions, parts_of, run_stream
from otoscope.study.lens.heads import heads_of
from otoscope.study.result_files import drawn, write_arrays
from otoscope.study.rich import Rich

BATCH_SIZE = 16
N_NAMED = 5


@dataclass(frozen=True, eq=False, repr=False)
class LanguageLens(Rich):
    """The languages by block and by head.

    Attributes:
        model: The model's id.
        clip_ids: The clips.
        labels: The language of each as its source has it; None where it is not known or not one of the model's.
        languages: The model's languages, as codes.
        stages: The embedding and every block of the decoder.
        probabilities: Among the languages, float32 [clip, stage, language].
        no_sound: The same with padding alone for sound, float32 [stage, language].
        parts: What the last block's logits are made of.
        found_contributions: What each part adds to the logit of the language found, less the mean logit of all
            languages, float32 [clip, part].
        mean_contributions: The same for every language, mean over clips, float32 [part, language].
        no_sound_contributions: The same with padding alone, float32 [part, language].
        seed: Seeds the bootstrap over clips.
    """

    model: str
    clip_ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    languages: tuple[str, ...]
    stages: tuple[str, ...]
    probabilities: np.ndarray
    no_sound: np.ndarray
    parts: tuple[Part, ...]
    found_contributions: np.ndarray
    mean_contributions: np.ndarray
    no_sound_contributions: np.ndarray
    seed: int

    @property
    def found(self) -> np.ndarray:
        """The place of the language that the last block finds in each clip, int64 [clip]."""
        return self.probabilities[:, -1].argmax(axis=-1)

    def found_probability(self) -> Means:
        """Average the probability of the language found, [sound or none, stage]."""
        heard = np.take_along_axis(self.probabilities, self.found[:, None, None], axis=2)[..., 0]
        return self._means(np.stack([heard, self.no_sound[:, self.found].T], axis=1))

    def agreement(self, stage: int) -> Interval | None:
        """Count how often a stage's first choice is the last block's."""
        return wilson_interval(int((self.probabilities[:, stage].argmax(-1) == self.found).sum()), len(self.clip_ids))

    def accuracy(self, stage: int) -> Interval | None:
        """Count how often a stage's first choice is the language as labelled; None where no label is known."""
        known = [place for place, label in enumerate(self.labels) if label is not None]
        chosen = self.probabilities[known, stage].argmax(-1)
        right = sum(self.languages[one] == self.labels[place] for one, place in zip(chosen, known, strict=True))
        return wilson_interval(right, len(known))

    def contribution(self) -> Means:
        """Average what each part adds to the logit of the language found, [sound or none, part]."""
        return self._means(np.stack([self.found_contributions, self.no_sound_contributions[:, self.found].T], axis=1))

    def _means(self, values: np.ndarray) -> Means:
        return grouped_means(values, np.ones(len(values), int), seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the table: probabilities by stage, contributions by part, and the language found in each clip."""
        return {
            "model": self.model,
            "n_clips": len(self.clip_ids),
            "n_labelled": sum(label is not None for label in self.labels),
            "n_languages": len(self.languages),
            "chance": finite(1 / len(self.languages)),
            "stages": [self._stage(index) for index in range(len(self.stages))],
            "parts": self._parts(),
            "intervals": f"95%; means: bootstrap over clips, {DRAWS} draws; shares: Wilson",
            "seed": self.seed,
            "clips": [
                {
                    "clip": clip,
                    "label": label,
                    "found": self.languages[found],
                    "probability": finite(float(probabilities[-1, found])),
                }
                for clip, label, found, probabilities in zip(
                    self.clip_ids, self.labels, self.found, self.probabilities, strict=True
                )
            ],
        }

    def _stage(self, index: int) -> dict[str, Any]:
        probability = self.found_probability()
        return {
            "stage": self.stages[index],
            "found_probability": probability.at(0, index).to_json(),
            "no_sound_found_probability": probability.at(1, index).to_json(),
            "agrees_with_last": plain(self.agreement(index)),
            "accuracy": plain(self.accuracy(index)),
            "likeliest": self._likeliest(self.probabilities[:, index].mean(axis=0)),
            "no_sound_likeliest": self._likeliest(self.no_sound[index]),
        }

    def _likeliest(self, values: np.ndarray) -> list[dict[str, Any]]:
        order = np.argsort(-values, kind="stable")[:N_NAMED]
        return [{"language": self.languages[one], "probability": finite(float(values[one]))} for one in order]

    def _parts(self) -> list[dict[str, Any]]:
        means = self.contribution()
        return [
            {
                "part": part.name,
                "group": part.group,
                "block": part.block,
                "head": part.head,
                "to_found": means.at(0, at).to_json(),
                "no_sound_to_found": means.at(1, at).to_json(),
                "most_to": self.languages[int(values.argmax())],
                "most": finite(float(values.max())),
            }
            for at, (part, values) in enumerate(zip(self.parts, self.mean_contributions, strict=True))
        ]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `language_lens.npz` (all arrays), `language_lens.json` and `language_lens.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        arrays = {
            "probabilities": self.probabilities,
            "no_sound": self.no_sound,
            "found_contributions": self.found_contributions,
            "mean_contributions": self.mean_contributions,
            "no_sound_contributions": self.no_sound_contributions,
            "languages": np.array(self.languages),
            "parts": np.array([part.name for part in self.parts]),
            "clips": np.array(self.clip_ids),
        }
        return [
            write_arrays(where / "language_lens.npz", **arrays),
            write_json(where / "language_lens.json", self.to_json()),
            *drawn(self.plot, where / "language_lens.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw the likeliest languages by block, how sure each block is, and what each head adds.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        means = self.contribution()
        heads = [
            means.part_at(at).mapped(lambda values: heads_of(self.parts, values, "cross-attention")) for at in (0, 1)
        ]
        probability = self.found_probability()
        figure = language_lens_picture.figure(
            self.stages,
            self.languages,
            self.probabilities.mean(axis=0),
            (probability.part_at(0), probability.part_at(1)),
            (heads[0], heads[1]),
            f"{self.model}: {pictures.count(len(self.clip_ids), 'clip')}, {len(self.languages)} languages",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        probability = self.found_probability()
        rows = [
            (
                stage,
                html.share(probability.at(0, at)),
                html.share(probability.at(1, at)),
                html.share(self.agreement(at)),
                html.share(self.accuracy(at)),
            )
            for at, stage in enumerate(self.stages)
        ]
        return html.Shown(
            f"Where the language is found: {self.model}",
            [
                ("clips", len(self.clip_ids)),
                ("languages", len(self.languages)),
                ("chance", html.share(1 / max(len(self.languages), 1))),
            ],
            [
                html.Table(
                    ("stage", "language found", "padding alone", "agrees with the last", "right by label"),
                    rows,
                    "Probability of the language found, and shares of clips; 95% intervals",
                )
            ],
        )


def language_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LanguageLens:
    """Measure which language each block and each head of the decoder takes recordings for.

    Args:
        model: A multilingual Whisper.
        clips: One clip or many.
        seed: Seeds the bootstrap over clips.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Probabilities by block and contributions by head, beside those with padding alone.

    Raises:
        InputError: The model knows one language, or there are no clips.

    Source:
        Languages by layer and head after "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), in the code it came
        with; found at the start of the transcript, Radford et al. 2022 (arXiv 2212.04356), section 2.3.
    """
    words = _multilingual(model)
    counted = Counted(clips, progress)
    labels: list[str | None] = []
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    waiting: list[Tensor] = []
    for clip in counted:
        labels.append(clip.language if clip.language in words.language_ids else None)
        waiting.append(next(iter(model.each_window(clip))).mel)
        if len(waiting) == BATCH_SIZE:
            rows.append(_heard(model, words, model.encode_mel(torch.cat(waiting), batch_size=BATCH_SIZE)))
            waiting = []
            counted.report(len(labels))
    if waiting:
        rows.append(_heard(model, words, model.encode_mel(torch.cat(waiting), batch_size=BATCH_SIZE)))
        counted.report(len(labels))
    counted.check()
    with model.reading_paused():
        silent = model.padded_encoding()
    no_sound, _, no_sound_parts = _heard(model, words, silent)
    return LanguageLens(
        model=model.id,
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
        seed=seed,
    )


def _multilingual(model: Whisper) -> Vocabulary:
    """Give the vocabulary of a model that has languages to choose from."""
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

    Returns:
        Probabilities [window, stage, language]; what each part adds to the language found [window, part]; and to
        every language, summed over windows [part, language].
    """
    known = torch.tensor(list(words.language_ids.values()), device=model.device)
    start = torch.full((len(encoded), 1), words.start_id, device=model.device)
    run = run_stream(model, encoded, start, [slice(0, 1)] * len(encoded))
    rows = torch.stack([unembed(model, stage)[:, known].softmax(dim=-1) for stage in run.stages], dim=1)
    targets = known.expand(len(encoded), -1)
    added = contributions(model, run, targets, known.tolist()).parts
    found = rows[:, -1].argmax(dim=-1).cpu()
    own = added[:, torch.arange(len(found)), found].T
    return rows.cpu().numpy(), own.numpy(), added.sum(dim=1).double().numpy()
