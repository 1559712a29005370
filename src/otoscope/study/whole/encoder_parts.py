"""The parts on how far the encoder listens: relevance, distances, windows, splices, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.audio.clip import Clip
from otoscope.base.files import write_json
from otoscope.study.estimates import bootstrap_mean
from otoscope.study.listening.experiment import listen_many
from otoscope.study.locality.experiment import locality
from otoscope.study.relevance.experiment import Relevance, relevance
from otoscope.study.splice.words import splice_words
from otoscope.study.whole.context import Context, NotHereError
from otoscope.study.window.experiment import window
from otoscope.study.window.heads import window_by_head
from otoscope.study.window.heard import ClipTranscript, hear
from otoscope.study.words.scores import word_sources

NEAR_SHARES = ("share", "if_even", "more_than_even")
END_SHARES = ("end_share", "end_if_even", "end_more_than_even")
"""Keys of the relevance nearby, and around the end of speech: measured, if spread evenly, and the difference."""


def relevance_shares(context: Context, out: Path) -> None:
    """Measure how much of the relevance comes from nearby: one clip's map, and the shares of many clips."""
    settings = context.settings.relevance
    chosen = context.stretches(settings.clips)
    rows: list[dict[str, Any]] = []
    for done, clip in enumerate(context.read(chosen), 1):
        result = relevance(context.model, clip)
        row = _shares(result, settings.within_frames)
        if row is not None:
            if not rows:
                result.save(out)
            rows.append({"clip": clip.id, **row})
        context.tell("relevance", done, len(chosen))
    if not rows:
        raise NotHereError("no clip holds speech")
    means = {key: _mean(rows, key, context.seed) for key in (*NEAR_SHARES, *END_SHARES, "padding_share")}
    write_json(
        out / "relevance_shares.json",
        {"within_frames": settings.within_frames, **means, "n_clips": len(rows), "clips": rows},
    )


def _shares(result: Relevance, frames: int) -> dict[str, float | None] | None:
    """Return how near the relevance of one clip comes from, beside relevance spread evenly; None without speech."""
    share, even = result.share_within(frames), result.even_share_within(frames)
    if share is None or even is None:
        return None
    near = (share, even, share - even)
    at_end, even_at_end = result.end_share(frames), result.even_end_share(frames)
    end = (None,) * 3 if at_end is None else (at_end, even_at_end, at_end - even_at_end)
    return {
        **dict(zip(NEAR_SHARES, near, strict=True)),
        **dict(zip(END_SHARES, end, strict=True)),
        "padding_share": result.padding_share,
    }


def _mean(rows: Sequence[Mapping[str, Any]], key: str, seed: int) -> dict[str, Any]:
    """Average over the clips where a value is known, with its interval and their number."""
    known = [row for row in rows if row[key] is not None]
    mean = bootstrap_mean([float(row[key]) for row in known], [row["clip"] for row in known], seed=seed)
    numbers = {"value": None, "low": None, "high": None} if mean is None else mean.to_json()
    return {**numbers, "n": len(known)}


def heads(context: Context, out: Path) -> None:
    """Measure how far each head listens."""
    clips = context.clips(context.settings.locality.clips)
    locality(context.model, clips, progress=context.progress("locality")).save(out)


def windows(context: Context, out: Path) -> None:
    """Transcribe while frames attend to k neighbours alone: with all heads limited, then one after the other."""
    settings = context.settings.window
    clips = context.clips(max(settings.clips, settings.head_clips))
    heard = hear(context.model, clips, context.language)

    def first(n_clips: int) -> tuple[list[Clip], list[ClipTranscript]]:
        """Return the clips that a study of `n_clips` would take, and their transcripts without a limit."""
        ids = {source.id for source in context.stretches(n_clips).sources}
        indices = [index for index, clip in enumerate(clips) if clip.id in ids]
        return [clips[index] for index in indices], [heard[index] for index in indices]

    ks = within(settings.ks, context.model.n_frames)
    curve_clips, unmasked = first(settings.clips)
    n_heads = min(settings.heads, context.model.n_encoder_blocks * context.model.n_heads)
    n_of_curve, n_of_heads = len(ks) * len(curve_clips), n_heads * settings.head_clips  # transcriptions
    window(
        context.model,
        curve_clips,
        ks=ks,
        language=context.language,
        seed=context.seed,
        unmasked=unmasked,
        progress=lambda done, n: context.tell("window", done, n_of_curve + n_of_heads),
    ).save(out)
    if settings.head_clips:
        head_clips, unlimited = first(settings.head_clips)
        window_by_head(
            context.model,
            head_clips,
            most_heads=settings.heads,
            language=context.language,
            seed=context.seed,
            unlimited=unlimited,
            progress=lambda done, n: context.tell(
                "window", n_of_curve + done / n * n_of_heads, n_of_curve + n_of_heads
            ),
        ).save(out)


def splices(context: Context, out: Path) -> None:
    """Measure whether exactly a word goes when its frames are replaced by padding's."""
    clips = context.clips_with_words(context.settings.splice.clips)
    splice_words(
        context.model, clips, language=context.language, seed=context.seed, progress=context.progress("splice")
    ).save(out)


def words(context: Context, out: Path) -> None:
    """Measure how often each way finds the sound that a word came from."""
    clips = context.clips_with_words(context.settings.words.clips)
    word_sources(
        context.model, clips, language=context.language, seed=context.seed, progress=context.progress("words")
    ).save(out)


def listening(context: Context, out: Path) -> None:
    """Study some recordings in every way."""
    settings = context.settings.listening
    clips = context.clips(settings.clips)
    listen_many(
        context.model,
        clips,
        out,
        ks=within(settings.ks, context.model.n_frames),
        language=context.language,
        seed=context.seed,
        progress=context.progress("listening"),
    )


def within(ks: Sequence[int], n_frames: int) -> tuple[int, ...]:
    """Keep the attention windows that limit anything in a window of `n_frames` frames; at least one."""
    return tuple(k for k in ks if k < n_frames) or tuple(ks[-1:])
