"""What is transcribed when every encoder frame may attend only to its k neighbours on either side?

Costs one transcription of every clip for each k, and one more without a mask. It asks for transcripts (`heard`) and
knows nothing of how a mask is put in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.base import html
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.files import write_json
from otoscope.base.numbers import Interval, finite
from otoscope.model.whisper import Sound, Whisper
from otoscope.study import pictures
from otoscope.study.error_rate import ErrorRate, bootstrap_loss, bootstrap_rate, character_errors, word_errors
from otoscope.study.estimates import DRAWS
from otoscope.study.result_files import drawn
from otoscope.study.rich import Rich
from otoscope.study.window import picture as window_picture
from otoscope.study.window.heard import Heard, hear_masked, known_or_heard, read_clips
from otoscope.study.writing import Text, marked

KS = (100, 75, 50, 20, 10)
"""The half widths of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, in frames."""


@dataclass(frozen=True)
class WindowTranscript:
    """One clip's transcript under one mask, and how far it strays.

    Attributes:
        k: Frames on either side that a frame may attend to; None without a mask.
        text: The transcript.
        words: Word errors against the transcript without a mask.
        characters: Character errors against the transcript without a mask.
        reference_words: Word errors against what was said, where that is known.
        reference_characters: Character errors against what was said, where that is known.
        is_stopped: Whether the transcript was stopped where its room ended.
    """

    k: int | None
    text: str
    words: ErrorRate
    characters: ErrorRate
    reference_words: ErrorRate | None
    reference_characters: ErrorRate | None
    is_stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the table row; the rates against the reference are there only where there is one."""
        row: dict[str, Any] = {
            "k": self.k,
            "text": self.text,
            "stopped": self.is_stopped,
            "wer": finite(self.words.rate),
            "cer": finite(self.characters.rate),
        }
        if self.reference_words is not None and self.reference_characters is not None:
            row["reference_wer"] = finite(self.reference_words.rate)
            row["reference_cer"] = finite(self.reference_characters.rate)
        return row


@dataclass(frozen=True)
class CurvePoint:
    """Error rates over all clips at one k, with 95% intervals over clips where there is more than one.

    Attributes:
        k: Frames on either side; None without a mask.
        wer: Against the transcripts without a mask.
        loss: The same as a rise in the rate, which no few clips can bound (`bootstrap_loss`).
        cer: The same, in characters.
        reference_wer: Against what was said, over the clips where that is known; None where it is known of none.
        reference_cer: The same, in characters.
        reference_loss: By how much `reference_wer` rose above that without a mask, over clips in pairs.
        n_stopped: Transcripts that were stopped where their room ended.
    """

    k: int | None
    wer: Interval
    cer: Interval
    loss: Interval
    reference_wer: Interval | None
    reference_cer: Interval | None
    reference_loss: Interval | None
    n_stopped: int

    def to_json(self) -> dict[str, Any]:
        """Give the table row: value and bounds of every rate."""
        rates = {name: value for name, value in asdict(self).items() if name not in ("k", "n_stopped")}
        return {
            "k": self.k,
            "k_s": None if self.k is None else finite(self.k * FRAME_S),
            "n_stopped": self.n_stopped,
            **{
                name: None if rate is None else {bound: finite(number) for bound, number in rate.items()}
                for name, rate in rates.items()
            },
        }


@dataclass(frozen=True, repr=False)
class WindowStudy(Rich):
    """Transcripts under narrower and narrower masks.

    Attributes:
        model: The model's id.
        n_frames: Frames in a window of the model.
        ks: The half widths, None (no mask) first.
        blocks: Which encoder blocks were masked; None for all.
        heads: Which heads were masked; None for all.
        clip_ids: The clips.
        audio: The clips' files, or their ids where they came from no file.
        transcripts: For each clip one transcript for each k, in the order of `ks`.
        seed: Seeds the bootstrap over clips.
    """

    model: str
    n_frames: int
    ks: tuple[int | None, ...]
    blocks: tuple[int, ...] | None
    heads: tuple[int, ...] | None
    clip_ids: tuple[str, ...]
    audio: tuple[str, ...]
    transcripts: tuple[tuple[WindowTranscript, ...], ...]
    seed: int

    def curve(self) -> tuple[CurvePoint, ...]:
        """Pool the clips: error rates against k, with a confidence band.

        Returns:
            One point for each k; the bounds come from drawing whole clips with replacement.
        """
        return tuple(self._point(index) for index in range(len(self.ks)))

    def _point(self, index: int) -> CurvePoint:
        """Pool the clips at one k."""
        rows = [clip[index] for clip in self.transcripts]
        known_words = [row.reference_words for row in rows if row.reference_words is not None]
        known_before = [clip[0].reference_words for clip in self.transcripts if clip[0].reference_words is not None]
        known_characters = [row.reference_characters for row in rows if row.reference_characters is not None]
        return CurvePoint(
            k=self.ks[index],
            wer=self._pool([row.words for row in rows]),
            cer=self._pool([row.characters for row in rows]),
            loss=bootstrap_loss([row.words for row in rows], seed=self.seed),
            reference_wer=self._pool(known_words) if known_words else None,
            reference_cer=self._pool(known_characters) if known_characters else None,
            reference_loss=bootstrap_loss(known_words, known_before, seed=self.seed) if known_words else None,
            n_stopped=sum(row.is_stopped for row in rows),
        )

    def _pool(self, counts: list[ErrorRate]) -> Interval:
        """Pool counts anew with one seed; every k draws the same clips, so that points compare."""
        return bootstrap_rate(counts, seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """Give the table.

        Returns:
            For one clip `{"model", "audio", "transcripts"}`; for several `{"model", "clips", "curve"}`, where each
            clip holds its `audio` and `transcripts`. The settings stand beside them.
        """
        clips = [
            {"audio": audio, "transcripts": [transcript.to_json() for transcript in transcripts]}
            for audio, transcripts in zip(self.audio, self.transcripts, strict=True)
        ]
        settings = {
            "blocks": "all" if self.blocks is None else list(self.blocks),
            "heads": "all" if self.heads is None else list(self.heads),
            "frame_s": FRAME_S,
        }
        if len(clips) == 1:
            return {"model": self.model, **clips[0], "settings": settings}
        settings |= {"seed": self.seed, "bootstrap_draws": DRAWS}
        return {
            "model": self.model,
            "n_clips": len(clips),
            "n_clips_with_reference": self.n_references,
            "clips": clips,
            "curve": [point.to_json() for point in self.curve()],
            "settings": settings,
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write `window.json`, `window.png` (error rate against k) and `window_mask.png`.

        Args:
            folder: Where to; made when missing.

        Returns:
            The files written.

        Raises:
            OutputError: A file cannot be written.
        """
        where = Path(folder)
        return [
            write_json(where / "window.json", self.to_json()),
            *drawn(self.plot, where / "window.png"),
            *drawn(self.plot_mask, where / "window_mask.png"),
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw the error rate against k, with its confidence band where there is one.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        points = self.curve()
        known = [point.reference_wer for point in points if point.reference_wer is not None]
        figure = window_picture.curve_figure(
            self.masked_ks,
            [point.wer for point in points[1:]],
            known or None,
            n_clips=len(self.clip_ids),
            n_known=self.n_references,
        )
        return pictures.save_figure(figure, path)

    def plot_mask(self, path: str | Path) -> Path:
        """Draw the mask: a small one with its ones and zeros, and those of this study at the model's own size.

        Args:
            path: Where to; PNG.

        Returns:
            The file written.

        Raises:
            OutputError: The file cannot be written.
        """
        return pictures.save_figure(window_picture.mask_figure(self.n_frames, self.masked_ks), path)

    @property
    def n_references(self) -> int:
        """Clips for which it is known what was said."""
        return sum(rows[0].reference_words is not None for rows in self.transcripts)

    @property
    def masked_ks(self) -> tuple[int, ...]:
        """The half widths without the unmasked one."""
        return tuple(k for k in self.ks if k is not None)

    def _shown(self) -> html.Shown:
        title = f"Transcripts under an attention window: {self.model}"
        if len(self.clip_ids) == 1:
            rows = [
                (_k_s(row.k), marked(row.text, is_stopped=row.is_stopped), html.share(row.words.rate))
                for row in self.transcripts[0]
            ]
            table = html.Table(("window (s)", "transcript", "WER to the first"), rows)
            return html.Shown(title, [("clip", self.clip_ids[0])], [table])
        points = [(_k_s(point.k), html.share(point.wer), html.share(point.reference_wer)) for point in self.curve()]
        return html.Shown(
            title,
            [("clips", len(self.clip_ids)), ("with a reference", self.n_references)],
            [
                html.Table(
                    ("window (s)", "WER to no window", "WER to the reference"),
                    points,
                    "Pooled over clips, with 95% intervals; a frame attends to so much on either side",
                )
            ],
        )


def _k_s(k: int | None) -> str:
    """Write a half width in seconds, for a table."""
    return "none" if k is None else f"± {k * FRAME_S:g}"


def window(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    ks: Sequence[int] = KS,
    *,
    blocks: Iterable[int] | None = None,
    heads: Iterable[int] | None = None,
    language: str | None = None,
    seed: int = 0,
    unmasked: Sequence[Heard] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WindowStudy:
    """Transcribe clips while every encoder frame may attend only to frames at most k away.

    Args:
        model: Any Whisper.
        clips: One clip or several: clips, arrays at 16 kHz or paths.
        ks: Half widths in frames of 20 ms, 0 or more. The transcripts without a mask always come first.
        blocks: Which encoder blocks to mask; all by default.
        heads: Which heads of those blocks to mask; all by default.
        language: What is spoken, as Whisper's code; by default that of each clip, or else the model decides.
        seed: Seeds the bootstrap over clips.
        unmasked: What `hear` gave for these clips without a mask, where it is known already.
        progress: Called with the number of transcriptions done and the number in all.

    Returns:
        Transcripts, error rates against the unmasked transcript and against the clips' own transcripts.

    Raises:
        InputError: A k is negative or no whole number, there are no clips, a clip cannot be read, or `unmasked` is of
            other clips.
        SiteError: A block or head is not in the model.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Constraining the attention window".
    """
    chosen = check_ks(ks)
    chosen_blocks = None if blocks is None else tuple(blocks)
    chosen_heads = None if heads is None else tuple(heads)
    with model.attention_window(0, blocks=chosen_blocks, heads=chosen_heads):
        pass  # a block or head that is not there is named before anything is transcribed
    read = read_clips(clips)
    free = known_or_heard(model, read, language, unmasked)
    texts = [[Text("", one.text, one.is_stopped) for one in free]]
    for done, k in enumerate(chosen, 1):
        if k is not None:
            with model.attention_window(k, blocks=chosen_blocks, heads=chosen_heads):
                texts.append(hear_masked(model, read, language, free))
        if progress is not None:
            progress(done * len(read), len(chosen) * len(read))
    rows = [
        tuple(
            _compare(k, by_k[index], free[index].text, clip.transcript) for k, by_k in zip(chosen, texts, strict=True)
        )
        for index, clip in enumerate(read)
    ]
    return WindowStudy(
        model=model.id,
        n_frames=model.n_frames,
        ks=chosen,
        blocks=chosen_blocks,
        heads=chosen_heads,
        clip_ids=tuple(clip.id for clip in read),
        audio=tuple(clip.source for clip in read),
        transcripts=tuple(rows),
        seed=seed,
    )


def check_ks(ks: Sequence[int]) -> tuple[int | None, ...]:
    """Check half widths and put "no mask" before them.

    Args:
        ks: Half widths in frames.

    Returns:
        None and then each k once, in the order given.

    Raises:
        InputError: A k is negative or no whole number, or there is none.
    """
    for k in ks:
        if k is None or isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
            raise InputError(
                f"k={k!r} is not a window: k counts the frames (20 ms) on either side that a frame may attend to, "
                "0 or more. Give whole numbers such as 100, 75, 50, 20, 10."
            )
    if not ks:
        raise InputError("no k was given: one or more whole numbers are needed, such as 100, 75, 50, 20, 10.")
    return (None, *dict.fromkeys(int(k) for k in ks))


def _compare(k: int | None, heard: Text, unmasked: str, reference: str | None) -> WindowTranscript:
    """Compare one transcript with the unmasked one and with what was said."""
    text = heard.text
    return WindowTranscript(
        k=k,
        text=text,
        words=word_errors(unmasked, text),
        characters=character_errors(unmasked, text),
        reference_words=None if reference is None else word_errors(reference, text),
        reference_characters=None if reference is None else character_errors(reference, text),
        is_stopped=heard.is_stopped,
    )
