"""What does the decoder hear in each block of the encoder? Transcripts with the encoder ended after each block.

The residual stream after a block goes through `encoder.ln_post` to the decoder, as if the blocks above were not there.
Costs one run of the encoder, and for each stage one transcription and one run of the decoder over the transcript of the
whole encoder. Memory: the stream of a few windows at every stage. The decoder never learnt to read early blocks, so a
bad transcript does not say that the words are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base import html
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite, plain
from otoscope.model.finite import finite_logits
from otoscope.model.unembed import encoder_stages, run_decoder
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.error_rate import ErrorRate, bootstrap_rate, word_errors
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens import encoder_picture as encoder_lens_picture
from otoscope.study.lens.curve import Counted
from otoscope.study.lens.experiment import ROWS, stage_names, without_sound
from otoscope.study.lens.text import BATCH_SIZE, Batch, Said, said_over
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.writing import Text, join_texts, marked, text_of, write_texts

NO_SOUND = "padding alone"
STAGES_BYTES = 512_000_000
"""What the encoder's stream of one batch may take, at all stages together."""


@dataclass(frozen=True, eq=False)
class EncoderLensClip:
    """One clip at every stage.

    Attributes:
        clip_id: The clip's id.
        audio: The clip's file, or its id where it came from no file.
        reference: What was said, where that is known.
        texts: The transcript at each stage, the baseline first.
        log_probabilities: Sum over the tokens of the whole encoder's transcript, by stage, natural log.
        n_tokens: How many these are.
        is_stopped: Whether the decoder had no room to end the transcript, at each stage.
    """

    clip_id: str
    audio: str
    reference: str | None
    texts: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    n_tokens: int
    is_stopped: tuple[bool, ...]

    def words(self, stage: int) -> ErrorRate:
        """Count word errors against the transcript of the whole encoder."""
        return word_errors(self.texts[-1], self.texts[stage])

    def reference_words(self, stage: int) -> ErrorRate | None:
        """Count word errors against what was said, where that is known."""
        return None if self.reference is None else word_errors(self.reference, self.texts[stage])


@dataclass(frozen=True, eq=False, repr=False)
class EncoderLens(Rich):
    """Transcripts with the encoder ended after each of its stages.

    Attributes:
        model: The model's id.
        stages: `NO_SOUND` (the baseline), the embedding, and every block of the encoder.
        clips: One row each.
        seed: Seeds the bootstrap over clips.
    """

    model: str
    stages: tuple[str, ...]
    clips: tuple[EncoderLensClip, ...]
    seed: int

    @property
    def n_references(self) -> int:
        """Clips for which it is known what was said."""
        return sum(clip.reference is not None for clip in self.clips)

    def wer(self, stage: int) -> Interval:
        """Pool the word error rate against the whole encoder's transcripts."""
        return bootstrap_rate([clip.words(stage) for clip in self.clips], seed=self.seed)

    def reference_wer(self, stage: int) -> Interval | None:
        """Pool the word error rate against what was said; None where it is known of no clip."""
        counts = [errors for clip in self.clips if (errors := clip.reference_words(stage)) is not None]
        return bootstrap_rate(counts, seed=self.seed) if counts else None

    def log_probability(self) -> Means:
        """Average the log-probability of a token of the whole encoder's transcript, by stage."""
        sums = np.array([clip.log_probabilities for clip in self.clips])
        return grouped_means(sums, np.array([clip.n_tokens for clip in self.clips]), seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the table: transcripts of each clip, and error rates by stage."""
        log_probability = self.log_probability()
        return {
            "model": self.model,
            "n_clips": len(self.clips),
            "n_clips_with_reference": self.n_references,
            "n_tokens": sum(clip.n_tokens for clip in self.clips),
            "stages": [
                {
                    "stage": stage,
                    "wer": plain(self.wer(index)),
                    "reference_wer": plain(self.reference_wer(index)),
                    "log_probability": log_probability.at(index).to_json(),
                }
                for index, stage in enumerate(self.stages)
            ],
            "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
            "seed": self.seed,
            "clips": [self._clip(clip) for clip in self.clips],
        }

    def _clip(self, clip: EncoderLensClip) -> dict[str, Any]:
        rows = []
        for index, stage in enumerate(self.stages):
            errors = clip.reference_words(index)
            rows.append(
                {
                    "stage": stage,
                    "text": clip.texts[index],
                    "stopped": clip.is_stopped[index],
                    "wer": finite(clip.words(index).rate),
                    "reference_wer": None if errors is None else finite(errors.rate),
                    "log_probability": finite(clip.log_probabilities[index] / clip.n_tokens),
                }
            )
        return {"audio": clip.audio, "reference": clip.reference, "stages": rows}

    def save(self, folder: str | Path) -> list[Path]:
        """Write `encoder_lens.json` and `encoder_lens.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [write_json(where / "encoder_lens.json", self.to_json()), *drawn(self.plot, where / "encoder_lens.png")]

    def plot(self, path: str | Path) -> Path:
        """Draw word error rates and the log-probability of the transcript over the stages.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        places = range(len(self.stages))
        references = [self.reference_wer(stage) for stage in places]
        figure = encoder_lens_picture.figure(
            self.stages,
            [self.wer(stage) for stage in places],
            [rate for rate in references if rate is not None],
            self.log_probability(),
            f"{self.model}: {pictures.count(len(self.clips), 'clip')}, {self.n_references} with a reference",
        )
        return pictures.save_figure(figure, path)

    def _shown(self) -> html.Shown:
        sure = self.log_probability()
        rows = [
            (stage, html.share(self.wer(at)), html.share(self.reference_wer(at)), sure.at(at))
            for at, stage in enumerate(self.stages)
        ]
        tables = [
            html.Table(
                ("encoder ends after", "WER to the whole", "WER to the reference", "log-probability of a token"),
                rows,
                "With 95% intervals",
            )
        ]
        if self.clips:
            first = self.clips[0]
            texts = zip(first.texts, first.is_stopped, strict=True)
            told = [marked(text, is_stopped=is_stopped) for text, is_stopped in texts]
            rows_of_first = list(zip(self.stages, told, strict=True))
            tables.append(html.Table(("encoder ends after", "transcript"), rows_of_first, f"Clip {first.clip_id}"))
        clips = [("clips", len(self.clips)), ("with a reference", self.n_references)]
        return html.Shown(f"The encoder ended early: {self.model}", clips, tables)


@dataclass
class _Row:
    """A clip on its way into the result: at every stage language and text of each window, and the numbers so far."""

    clip_id: str
    audio: str
    reference: str | None
    texts: list[list[Text]]
    log_probabilities: np.ndarray
    n_tokens: int = 0

    def finished(self) -> EncoderLensClip:
        """Join the windows."""
        texts = [join_texts(stage) for stage in self.texts]
        sums = tuple(float(value) for value in self.log_probabilities)
        return EncoderLensClip(
            self.clip_id, self.audio, self.reference, tuple(text.text for text in texts), sums, self.n_tokens,
            tuple(text.is_stopped for text in texts),
        )  # fmt: skip


def encoder_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    language: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> EncoderLens:
    """Transcribe with the encoder ended after its embedding and after each block.

    Args:
        model: Any Whisper.
        clips: One clip or many, of any length.
        language: What is spoken, as Whisper's code; by default what the model finds with the whole encoder, at every
            stage.
        seed: Seeds the bootstrap over clips.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Transcripts, word error rates and log-probabilities, beside those with padding alone.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        The logit lens (nostalgebraist 2020) turned to the encoder; ours.
    """
    stages = (NO_SOUND, *stage_names(model.n_encoder_blocks))
    counted = Counted(clips, progress)
    held: list[Tensor] = []

    def encode(mel: Tensor) -> Tensor:
        held[:] = encoder_stages(model, mel)
        return held[-1]

    rows: list[_Row] = []
    read = _begun(counted, rows, len(stages))
    said = said_over(model, read, language=language, batch_size=_batch_size(model), encode=encode)
    for batch in said:
        early = [Batch(encoded, batch.said, batch.ids) for encoded in held[:-1]]
        found = [_stage(model, one) for one in (without_sound(model, batch), *early)]
        found.append(_stage(model, batch, [_whole(model, one) for one in batch.said]))
        for place, one in enumerate(batch.said):
            row = rows[one.clip]
            row.n_tokens += len(one.tokens)
            for stage, (texts, log_probabilities) in enumerate(found):
                row.texts[stage].append(texts[place])
                row.log_probabilities[stage] += log_probabilities[place]
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    return EncoderLens(model.id, stages, tuple(row.finished() for row in rows), seed)


def _begun(clips: Iterable[Clip], rows: list[_Row], n_stages: int) -> Iterable[Clip]:
    """Begin a row for each clip as it is read."""
    for clip in clips:
        audio = clip.source
        rows.append(_Row(clip.id, audio, clip.transcript, [[] for _ in range(n_stages)], np.zeros(n_stages)))
        yield clip


def _batch_size(model: Whisper) -> int:
    """Windows whose stream may be held at every stage at once."""
    a_window = (model.n_encoder_blocks + 1) * model.n_frames * model.d_model * model.dtype.itemsize
    return max(1, min(BATCH_SIZE, STAGES_BYTES // a_window))


def _whole(model: Whisper, one: Said) -> Text:
    """The transcript of the whole encoder, of which the end is there where it was reached."""
    is_stopped = one.tokens[-1:] != (model.vocabulary.end_id,)
    return Text(one.language, text_of(model, one.tokens), is_stopped)


@torch.no_grad()
def _stage(model: Whisper, batch: Batch, texts: list[Text] | None = None) -> tuple[list[Text], list[float]]:
    """Transcribe one stage, and score the whole encoder's transcript there: a text and a sum for each window."""
    with model.reading_paused():
        if texts is None:
            texts = write_texts(model, batch.encoded, [one.language for one in batch.said])
        hidden = run_decoder(model, batch.encoded, batch.ids)
        sums = [_log_probability(model, hidden[place, one.rows], one.tokens) for place, one in enumerate(batch.said)]
    return texts, sums


def _log_probability(model: Whisper, states: Tensor, tokens: tuple[int, ...]) -> float:
    due = torch.tensor(tokens, device=states.device)[:, None]
    pieces = zip(states.split(ROWS), due.split(ROWS), strict=True)
    logits = ((finite_logits(model, partial(model.hf.proj_out, rows)), own) for rows, own in pieces)
    return sum(float(rows.log_softmax(-1).gather(1, own).sum()) for rows, own in logits)
