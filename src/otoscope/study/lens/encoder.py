"""What does the decoder hear in each block of the encoder? Transcripts with the encoder ended after each block.

The residual stream after a block goes through `encoder.ln_post` to the decoder, as if the blocks above were not there.
Costs one run of the encoder, and for each stage one transcription and one run of the decoder over the transcript of the
whole encoder. Memory: the stream of a few windows at every stage. The decoder never learnt to read early blocks, so a
bad transcript does not show that the words are not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.layout import count, one_line
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.finite import finite_logits
from otoscope.model.unembed import encoder_stages, run_decoder
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.clips import Progress
from otoscope.study.error_rate import ErrorRate, bootstrap_rate, word_errors
from otoscope.study.estimates import DRAWS, Means, grouped_means
from otoscope.study.lens.curve import Counted
from otoscope.study.lens.encoder_picture import stages_figure
from otoscope.study.lens.experiment import ROWS, stage_names, without_sound
from otoscope.study.lens.settings import LensCurveSettings
from otoscope.study.lens.text import BATCH_SIZE, SaidBatch, WindowTokens, said_batches
from otoscope.study.results import Result
from otoscope.study.writing import Text, join_texts, marked, text_of, write_texts

NO_SOUND = "padding only"
STAGES_BYTES = 512_000_000
"""Most memory that the encoder's stream of one batch may take, at all stages together."""


@dataclass(frozen=True, eq=False)
class EncoderLensClip:
    """One clip at every stage."""

    clip_id: str
    audio: str  # the clip's file, or its id where it came from no file
    reference: str | None  # what was said, where that is known
    texts: tuple[str, ...]  # the transcript at each stage, the baseline first
    log_probabilities: tuple[float, ...]  # sum over the tokens of the whole encoder's transcript, by stage, natural log
    n_tokens: int  # number of these tokens
    is_stopped: tuple[bool, ...]  # whether the decoder had no room to end the transcript, at each stage

    def words(self, stage: int) -> ErrorRate:
        """Count word errors against the transcript of the whole encoder."""
        return word_errors(self.texts[-1], self.texts[stage])

    def reference_words(self, stage: int) -> ErrorRate | None:
        """Count word errors against what was said, where that is known."""
        return None if self.reference is None else word_errors(self.reference, self.texts[stage])

    def at(self, stage: int) -> dict[str, Any]:
        """Return the transcript and the numbers of one stage."""
        errors = self.reference_words(stage)
        return {
            "text": self.texts[stage],
            "stopped": self.is_stopped[stage],
            "wer": self.words(stage).rate,
            "reference_wer": None if errors is None else errors.rate,
            "log_probability": self.log_probabilities[stage] / self.n_tokens,
        }


@dataclass(frozen=True, eq=False, repr=False)
class EncoderLens(Result):
    """Transcripts with the encoder ended after each of its stages."""

    name = "encoder_lens"

    model: str
    stages: tuple[str, ...]  # `NO_SOUND` (the baseline), the embedding, and every block of the encoder
    clips: tuple[EncoderLensClip, ...]
    seed: int  # seeds the bootstrap over clips

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

    def report(self) -> Report:
        """Report error rates by stage, and the first clip's transcripts."""
        n_tokens, sure = sum(clip.n_tokens for clip in self.clips), self.log_probability()
        rows = [
            (stage, self.wer(number), self.reference_wer(number), sure.at(number))
            for number, stage in enumerate(self.stages)
        ]
        columns = [
            Column("stage", "encoder ends after"),
            Column("wer", "WER to the whole", "share"),
            Column("reference_wer", "WER to the reference", "share"),
            Column("log_probability", "log-probability of a token", "two digits"),
        ]
        clips = count(len(self.clips), "clip")
        return Report(
            f"The encoder ended early: {self.model}",
            f"{clips}, {self.n_references:,} with a reference, {count(n_tokens, 'token')}; 95% intervals over clips",
            {
                "model": self.model,
                "n_clips": len(self.clips),
                "n_clips_with_reference": self.n_references,
                "n_tokens": n_tokens,
                "intervals": f"95%, bootstrap over clips, {DRAWS} draws",
                "seed": self.seed,
                "clips": [
                    {
                        "audio": clip.audio,
                        "reference": clip.reference,
                        "stages": [{"stage": stage, **clip.at(number)} for number, stage in enumerate(self.stages)],
                    }
                    for clip in self.clips
                ],
            },
            parts=[Table(columns, rows, "Word error rates (WER)", "stages", len(rows)), self._transcripts()],
        )

    def _transcripts(self) -> Table:
        """Show the first clip's transcripts."""
        clip = self.clips[0]
        texts = [
            marked(one_line(text), is_stopped=is_stopped)
            for text, is_stopped in zip(clip.texts, clip.is_stopped, strict=True)
        ]
        rows = list(zip(self.stages, texts, strict=True))
        columns = [Column(None, "encoder ends after"), Column(None, "transcript")]
        return Table(columns, rows, f"Transcripts of {clip.clip_id}", most=len(rows))

    def figure(self) -> Figure:
        """Draw word error rates and the log-probability of the transcript over the stages."""
        note = f"{self.model}: {count(len(self.clips), 'clip')}, {self.n_references} with a reference"
        return stages_figure(self, note)


@dataclass
class _StagesOfClip:
    """A clip that is being gathered: at every stage the language and text of each window, and the numbers so far."""

    clip_id: str
    audio: str
    reference: str | None
    texts: list[list[Text]]
    log_probabilities: np.ndarray
    n_tokens: int = 0

    def finished(self) -> EncoderLensClip:
        """Join the windows."""
        texts = [join_texts(stage) for stage in self.texts]
        return EncoderLensClip(
            clip_id=self.clip_id,
            audio=self.audio,
            reference=self.reference,
            texts=tuple(text.text for text in texts),
            log_probabilities=tuple(self.log_probabilities.tolist()),
            n_tokens=self.n_tokens,
            is_stopped=tuple(text.is_stopped for text in texts),
        )


@takes(LensCurveSettings)
def encoder_lens(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: LensCurveSettings,
    progress: Progress | None = None,
) -> EncoderLens:
    """Transcribe with the encoder ended after its embedding and after each block.

    Args:
        model: Any Whisper.
        clips: One clip or many, of any length.
        settings: How averages are taken; by default the language is the one that the model detects with the whole
            encoder, at every stage.
        progress: Called with the number of clips done and the number in all (0 when it is not known).

    Returns:
        Transcripts, word error rates and log-probabilities, beside those with padding only.

    Raises:
        InputError: There are no clips, or the language is not the model's.

    Source:
        The logit lens (nostalgebraist 2020), applied to the encoder.
    """
    stages = (NO_SOUND, *stage_names(model.n_encoder_blocks))
    counted = Counted(clips, progress)
    held: list[Tensor] = []

    def encode(mel: Tensor) -> Tensor:
        held[:] = encoder_stages(model, mel)
        return held[-1]

    rows: list[_StagesOfClip] = []
    begun = _begun(counted, rows, len(stages))
    for batch in said_batches(model, begun, language=settings.language, batch_size=_batch_size(model), encode=encode):
        early = [SaidBatch(encoded, batch.said, batch.ids) for encoded in held[:-1]]
        by_stage = [_stage(model, ended) for ended in (without_sound(model, batch), *early)]
        by_stage.append(_stage(model, batch, [_whole(model, window) for window in batch.said]))
        for index, window in enumerate(batch.said):
            row = rows[window.clip]
            row.n_tokens += len(window.tokens)
            for stage, (texts, log_probabilities) in enumerate(by_stage):
                row.texts[stage].append(texts[index])
                row.log_probabilities[stage] += log_probabilities[index]
        counted.report(batch.said[-1].clip + 1)
    counted.check()
    return EncoderLens(model.name, stages, tuple(row.finished() for row in rows), settings.seed)


def _begun(clips: Iterable[Clip], rows: list[_StagesOfClip], n_stages: int) -> Iterable[Clip]:
    """Begin a row for each clip as it is read."""
    for clip in clips:
        texts: list[list[Text]] = [[] for _ in range(n_stages)]
        rows.append(_StagesOfClip(clip.id, clip.source, clip.transcript, texts, np.zeros(n_stages)))
        yield clip


def _batch_size(model: Whisper) -> int:
    """Windows whose stream may be held at every stage at once."""
    a_window = (model.n_encoder_blocks + 1) * model.n_frames * model.d_model * model.dtype.itemsize
    return max(1, min(BATCH_SIZE, STAGES_BYTES // a_window))


def _whole(model: Whisper, window: WindowTokens) -> Text:
    """Return the whole encoder's transcript; it is stopped where the end of text was not reached."""
    is_stopped = window.tokens[-1:] != (model.vocabulary.end_id,)
    return Text(window.language, text_of(model, window.tokens), is_stopped)


@torch.no_grad()
def _stage(model: Whisper, batch: SaidBatch, texts: list[Text] | None = None) -> tuple[list[Text], list[float]]:
    """Transcribe one stage, and score the whole encoder's transcript there: a text and a sum for each window."""
    with model.reading_paused():
        if texts is None:
            texts = write_texts(model, batch.encoded, [window.language for window in batch.said])
        hidden = run_decoder(model, batch.encoded, batch.ids)
        sums = [_log_probability(model, hidden[at, window.rows], window.tokens) for at, window in enumerate(batch.said)]
    return texts, sums


def _log_probability(model: Whisper, states: Tensor, tokens: tuple[int, ...]) -> float:
    due = torch.tensor(tokens, device=states.device)[:, None]
    pieces = zip(states.split(ROWS), due.split(ROWS), strict=True)
    logits = ((finite_logits(model, partial(model.hf.proj_out, rows)), tokens) for rows, tokens in pieces)
    return sum(float(rows.log_softmax(-1).gather(1, tokens).sum()) for rows, tokens in logits)
