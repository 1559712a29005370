"""When each word of a given transcript is spoken, by the model's own cross-attention.

For recordings whose text is known and whose word times are not. The decoder is made to say the transcript, and what it
attends to meanwhile gives the times. Costs one pass of encoder and decoder per window; a recording longer than a
window is transcribed first, to find where it can be cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from otoscope.audio.clip import Clip, as_clip
from otoscope.audio.kinds import frame_kinds
from otoscope.base.clocks import FRAME_SAMPLES, frames_begun, sample_to_seconds
from otoscope.base.errors import InputError
from otoscope.model.alignment import AlignedWord, Head, align, check_heads
from otoscope.model.generation import detect, top
from otoscope.model.languages import Vocabulary
from otoscope.model.stretches import Talk
from otoscope.model.transcription import UNSPACED_LANGUAGES, Word
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.alignment.said import said_words
from otoscope.study.alignment.transcript_split import TranscriptPiece, split_transcript

TASK = "transcribe"


def align_words(
    model: Whisper,
    clip: Sound,
    transcript: str | None = None,
    *,
    language: str | None = None,
    alignment_heads: Sequence[Sequence[int]] | None = None,
) -> tuple[Word, ...]:
    """Find when each word of a transcript is spoken.

    The times are those of attention, 20 ms apart, without the silence before and after a word; they are estimates, and
    where the transcript is not what is said they mean nothing (`probability` is then low).

    Args:
        model: Any Whisper with a tokenizer.
        clip: The recording, of any length.
        transcript: What is said in it; None for the clip's own.
        language: Language spoken, as code or English name; None for the clip's, or else the one the model detects.
        alignment_heads: Cross-attention heads to follow, as (block, head); None for the checkpoint's own.

    Returns:
        Its words as written, in order and without overlaps; in languages without spaces, tokens. Dashes and remarks
        (`[laughter]`) are left out.

    Raises:
        InputError: There is no transcript, it is too long for the decoder, it holds special tokens, or a recording
            longer than a window cannot be cut; or the language or a head is not the model's.
        AudioError: The recording cannot be used.
        ModelError: The model has no tokenizer.

    Source:
        OpenAI Whisper, `whisper/timing.py`, given the transcript instead of what was decoded.
    """
    clip = as_clip(clip)
    given = clip.transcript or "" if transcript is None else transcript
    written, left_out = said_words(given)
    if left_out and not written:
        raise InputError(
            f"the transcript of clip {clip.id!r} is {given[:80]!r}, which holds no word. "
            "Give one that says what is said."
        )
    if not written:
        raise InputError(
            f"clip {clip.id!r} has no transcript: words are found in time for a text that is known. Give one, or let "
            "the model write its own with transcribe(word_times=True)."
        )
    words = model.vocabulary
    heads = check_heads(model, alignment_heads)
    first = _encode(model, clip, TranscriptPiece(0, min(len(clip.samples), model.window_samples), ()))
    spoken = words.check_language(language or clip.language) or top(detect(model, words, first)[0])
    timed: list[Word] = []
    for piece in _pieces(model, clip, written, spoken):
        encoded = _encode(model, clip, piece) if piece.start or piece.stop < len(clip.samples) else first
        aligned = _align(model, words, encoded, piece, spoken, heads)
        placed = Talk(0, clip, spoken).place(aligned, piece.start // FRAME_SAMPLES)
        timed += _as_written(placed, piece.words)
    return tuple(timed)


def _encode(model: Whisper, clip: Clip, piece: TranscriptPiece) -> Float[Tensor, "1 frame d_model"]:
    part = Clip(samples=clip.samples[piece.start : piece.stop], id=clip.id)
    return model.encode_mel(model.windows(part).mel).detach()


def _pieces(model: Whisper, clip: Clip, written: list[str], language: str) -> list[TranscriptPiece]:
    """Cut the recording into pieces that fit a window, each with its words."""
    n_samples = len(clip.samples)
    if n_samples <= model.window_samples:
        return [TranscriptPiece(0, n_samples, tuple(written))]
    if language in UNSPACED_LANGUAGES:
        raise InputError(
            f"clip {clip.id!r} is {clip.duration_s:.1f} s long, and {model.id} takes {model.window_s:g} s at a time: "
            f"a transcript in {language!r}, written without spaces, cannot be cut to fit. Cut recording and transcript."
        )
    heard = model.transcribe(clip, language=language, word_times=True).words or ()
    kinds = frame_kinds(clip.samples, frames_begun(n_samples))
    return split_transcript(written, heard, kinds, n_samples, model.window_samples)


def _align(
    model: Whisper, words: Vocabulary, encoded: Tensor, piece: TranscriptPiece, language: str, heads: Sequence[Head]
) -> list[AlignedWord]:
    """Let the decoder say the words of a piece over its sound."""
    text = " ".join(piece.words)
    # Some corpora are written in capitals alone; a decoder that never saw such text spells it letter by letter.
    said = model.tokenizer(f" {text.capitalize() if text.isupper() else text}", add_special_tokens=False).input_ids
    special = [token for token in said if not words.is_text(token)]
    if special:
        raise InputError(
            f"the transcript holds {model.tokenizer.convert_ids_to_tokens(special[0])!r}, which is an instruction to "
            "the model and not text. Take it out."
        )
    room = model.hf.config.max_target_positions - len(words.prompt(language, TASK, timestamps=False))
    if len(said) > room:
        raise InputError(
            f"the transcript takes {len(said)} tokens for {sample_to_seconds(piece.stop - piece.start):.1f} s; "
            f"{model.id} holds {room}. Check that it is what is said, or cut the recording."
        )
    n_frames = frames_begun(piece.stop - piece.start)
    with torch.no_grad():
        return align(model, words, encoded, [said], language=language, task=TASK, heads=heads, n_frames=n_frames)[0]


def _as_written(timed: Sequence[Word], written: Sequence[str]) -> list[Word]:
    """Spell the words as the transcript does, where they are words and not tokens of a language without spaces."""
    if len(timed) != len(written):
        return list(timed)
    return [
        Word(word.start_s, word.end_s, text, word.probability, word.written)
        for word, text in zip(timed, written, strict=True)
    ]
