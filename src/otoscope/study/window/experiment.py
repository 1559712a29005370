"""What is transcribed when every encoder frame may attend only to its k neighbours on either side?

Costs one transcription of every clip for each k, and one more without a mask. It asks for transcripts (`heard`) and
does not know how a mask is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.base.layout import count, one_line
from otoscope.base.numbers import Interval
from otoscope.base.report import Column, Report, Table
from otoscope.base.settings import takes
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.error_rate import ErrorRate, bootstrap_loss, bootstrap_rate, character_errors, word_errors
from otoscope.study.estimates import DRAWS, intervals_note
from otoscope.study.results import Result
from otoscope.study.window.heard import ClipTranscript, hear_masked, known_or_heard, read_clips
from otoscope.study.window.picture import curve_figure, mask_figure
from otoscope.study.window.settings import WindowSettings
from otoscope.study.writing import Text, marked


@dataclass(frozen=True)
class WindowTranscript:
    """One clip's transcript under one mask, and how far it strays."""

    k: int | None  # frames on either side that a frame may attend to; None without a mask
    text: str
    words: ErrorRate  # against the transcript without a mask
    characters: ErrorRate  # the same, in characters
    reference_words: ErrorRate | None  # against what was said, where that is known
    reference_characters: ErrorRate | None  # the same, in characters
    is_stopped: bool = False  # whether it was stopped at its limit of tokens


@dataclass(frozen=True)
class CurvePoint:
    """Error rates over all clips at one k, with 95% intervals over clips where there are enough."""

    k: int | None  # frames on either side; None without a mask
    n_stopped: int  # transcripts that were stopped at their limit of tokens
    wer: Interval  # against the transcripts without a mask
    cer: Interval  # the same, in characters
    loss: Interval  # the rise of `wer`; see `bootstrap_loss` for its bounds
    reference_wer: Interval | None  # against what was said, over the clips where that is known; None without any
    reference_cer: Interval | None  # the same, in characters
    reference_loss: Interval | None  # by how much `reference_wer` rose above that without a mask, over clips in pairs


@dataclass(frozen=True, repr=False)
class WindowStudy(Result):
    """Transcripts under narrower and narrower masks."""

    name = "window"

    model: str
    n_frames: int  # in a window of the model
    ks: tuple[int | None, ...]  # the half widths, None (no mask) first
    blocks: tuple[int, ...] | None  # the encoder blocks that were masked; None for all
    heads: tuple[int, ...] | None  # the heads that were masked; None for all
    clip_ids: tuple[str, ...]
    audio: tuple[str, ...]  # the clips' files, or their ids where they came from no file
    transcripts: tuple[tuple[WindowTranscript, ...], ...]  # of each clip one for each k, in the order of `ks`
    seed: int  # of the bootstrap over clips

    def curve(self) -> tuple[CurvePoint, ...]:
        """Pool the clips: error rates at each k, with bounds from drawing whole clips with replacement."""
        return tuple(self._point(index) for index in range(len(self.ks)))

    def _point(self, index: int) -> CurvePoint:
        """Pool the clips at one k."""
        rows = [clip[index] for clip in self.transcripts]
        known_words = [row.reference_words for row in rows if row.reference_words is not None]
        known_before = [clip[0].reference_words for clip in self.transcripts if clip[0].reference_words is not None]
        known_characters = [row.reference_characters for row in rows if row.reference_characters is not None]
        return CurvePoint(
            k=self.ks[index],
            n_stopped=sum(row.is_stopped for row in rows),
            wer=self._pool([row.words for row in rows]),
            cer=self._pool([row.characters for row in rows]),
            loss=bootstrap_loss([row.words for row in rows], seed=self.seed),
            reference_wer=self._pool(known_words) if known_words else None,
            reference_cer=self._pool(known_characters) if known_characters else None,
            reference_loss=bootstrap_loss(known_words, known_before, seed=self.seed) if known_words else None,
        )

    def _pool(self, counts: list[ErrorRate]) -> Interval:
        """Pool counts with one seed: every k draws the same clips, so that points can be compared."""
        return bootstrap_rate(counts, seed=self.seed)

    @property
    def n_references(self) -> int:
        """Clips for which it is known what was said."""
        return sum(rows[0].reference_words is not None for rows in self.transcripts)

    @property
    def masked_ks(self) -> tuple[int, ...]:
        """The half widths without the unmasked one."""
        return tuple(k for k in self.ks if k is not None)

    def report(self) -> Report:
        """Report one clip's transcripts, or the error rates over many clips."""
        tables = [_transcripts_table(rows) for rows in self.transcripts]
        settings: dict[str, Any] = {
            "blocks": "all" if self.blocks is None else self.blocks,
            "heads": "all" if self.heads is None else self.heads,
            "frame_s": FRAME_S,
        }
        title = f"Transcripts when a frame attends to k frames on either side: {self.model}"
        limited = [("encoder blocks limited", self.blocks), ("heads limited", self.heads)]
        if len(tables) == 1:
            facts = {"model": self.model, "audio": self.audio[0], "settings": settings}
            return Report(title, self.clip_ids[0], facts, limited, tables)
        return Report(
            title,
            f"{count(len(tables), 'clip')}, {self.n_references} with a reference; {intervals_note(len(tables))}",
            {
                "model": self.model,
                "n_clips": len(tables),
                "n_clips_with_reference": self.n_references,
                "clips": [
                    {"audio": audio, "transcripts": table} for audio, table in zip(self.audio, tables, strict=True)
                ],
                "settings": {**settings, "seed": self.seed, "bootstrap_draws": DRAWS},
            },
            limited,
            [_curve_table(self.curve())],
        )

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Draw error rates against k with the words that changed; and the mask, in small and full size."""
        return {
            "window": lambda: curve_figure(self),
            "window_mask": lambda: mask_figure(self.n_frames, self.masked_ks),
        }


def _transcripts_table(rows: Sequence[WindowTranscript]) -> Table:
    """List one clip's transcripts, with rates against the reference where there is one."""
    has_reference = rows[0].reference_words is not None
    columns = [
        Column("k"),
        Column(None, "k"),
        Column(None, "seconds"),
        Column("text"),
        Column("stopped"),
        Column("wer", "WER to no limit", "share"),
        Column("cer", "CER to no limit", "share"),
        Column("reference_wer" if has_reference else None, "WER to the reference", "share"),
        Column("reference_cer" if has_reference else None),
        Column(None, "transcript"),
    ]
    cells = [
        (
            row.k,
            _frames(row.k),
            _seconds(row.k),
            row.text,
            row.is_stopped,
            row.words.rate,
            row.characters.rate,
            None if row.reference_words is None else row.reference_words.rate,
            None if row.reference_characters is None else row.reference_characters.rate,
            marked(one_line(row.text), is_stopped=row.is_stopped),
        )
        for row in rows
    ]
    return Table(columns, cells, key="transcripts", most=len(cells))


def _curve_table(points: Sequence[CurvePoint]) -> Table:
    columns = [
        Column(None, "k"),
        Column("k"),
        Column("k_s", "seconds"),
        Column("n_stopped", "stopped"),
        Column("wer", "WER to no limit", "share"),
        Column("cer", "CER to no limit", "share"),
        Column("loss"),
        Column("reference_wer", "WER to the reference", "share"),
        Column("reference_cer"),
        Column("reference_loss"),
    ]
    rows = []
    for point in points:
        k, *rates = (getattr(point, field.name) for field in fields(point))
        rows.append((_frames(k), k, _seconds(k), *rates))
    return Table(columns, rows, key="curve", most=len(rows))


def _frames(k: int | None) -> str:
    return "none" if k is None else str(k)


def _seconds(k: int | None) -> float | None:
    return None if k is None else k * FRAME_S


@takes(WindowSettings)
def window(
    model: Whisper,
    clips: Iterable[Sound] | Sound,
    *,
    settings: WindowSettings,
    unmasked: Sequence[ClipTranscript] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WindowStudy:
    """Transcribe clips while every encoder frame may attend only to frames at most k away.

    Args:
        model: Any Whisper.
        clips: One clip or several: clips, arrays at 16 kHz or paths.
        settings: The half widths, where they apply, and the language (by default each clip's own, or else the one that
            the model detects). The transcripts without a mask always come first.
        unmasked: What `hear` returned for these clips without a mask, if it is known already.
        progress: Called with the number of transcriptions done and the number in all.

    Returns:
        Transcripts, error rates against the unmasked transcript and against the clips' own transcripts.

    Raises:
        InputError: A setting is out of bounds, there is no k, there are no clips, a clip cannot be read, or `unmasked`
            is of other clips.
        SiteError: A block or head is not in the model.

    Source:
        "Interpreting OpenAI's Whisper" (Ellena Reid, 2023), claim 1, "Constraining the attention window".
    """
    if not settings.ks:
        raise InputError("no k was given: one or more whole numbers are needed, such as 100, 75, 50, 20, 10.")
    ks: tuple[int | None, ...] = (None, *dict.fromkeys(map(int, settings.ks)))
    limit = partial(model.attention_window, blocks=settings.blocks, heads=settings.heads)
    with limit(0):
        pass  # refuses a block or head that does not exist before anything is transcribed
    read = read_clips(clips)
    free = known_or_heard(model, read, settings.language, unmasked)
    texts = [[Text("", heard.text, heard.is_stopped) for heard in free]]
    for done, k in enumerate(ks, 1):
        if k is not None:
            with limit(k):
                texts.append(hear_masked(model, read, settings.language, free))
        if progress is not None:
            progress(done * len(read), len(ks) * len(read))
    rows = [
        tuple(_compare(k, by_k[index], free[index].text, clip.transcript) for k, by_k in zip(ks, texts, strict=True))
        for index, clip in enumerate(read)
    ]
    return WindowStudy(
        model=model.name,
        n_frames=model.n_frames,
        ks=ks,
        blocks=settings.blocks,
        heads=settings.heads,
        clip_ids=tuple(clip.id for clip in read),
        audio=tuple(clip.source for clip in read),
        transcripts=tuple(rows),
        seed=settings.seed,
    )


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
