from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip, Span
from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.base.errors import InputError, ModelError, SiteError
from otoscope.corpus.demo_clips import read_index
from otoscope.model.generation import prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.study.alignment.word_times import align_words
from tests.model.lively import lively, noise
from tests.model.tiny import tiny_hf
from tests.study.conftest import make_clip

TEXT = "the little dog sees a green boat"


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return lively()


@pytest.fixture(scope="module")
def spoken() -> list[Clip]:
    """Demo clips of one voice, their words in time known exactly."""
    return [label.read() for label in read_index()[:8]]


def joined(clips: list[Clip]) -> Clip:
    """One long recording of several, with the times of all words."""
    starts_s = np.cumsum([0.0, *(clip.duration_s for clip in clips)])
    words = [
        Span(word.start_s + start_s, word.end_s + start_s, word.text)
        for clip, start_s in zip(clips, starts_s, strict=False)
        for word in clip.words or ()
    ]
    text = " ".join(clip.transcript or "" for clip in clips)
    samples = np.concatenate([clip.samples for clip in clips])
    return Clip(samples=samples, id="joined", transcript=text, words=tuple(words))


def errors_s(found: tuple[Span, ...], clip: Clip) -> np.ndarray:
    assert clip.words is not None
    assert [word.text.rstrip(".,?") for word in found] == [word.text for word in clip.words]
    pairs = list(zip(found, clip.words, strict=True))
    return np.abs([[a.start_s - b.start_s, a.end_s - b.end_s] for a, b in pairs])


def planted(frame_of_row: list[int]) -> Callable[[Tensor], Tensor]:
    """Make every head look at chosen frames, token by token."""

    def edit(pattern: Tensor) -> Tensor:
        frames = torch.arange(pattern.shape[-1])
        rows = torch.stack([torch.exp(-((frames - frame) ** 2) / 8.0) for frame in frame_of_row])
        return (rows / rows.sum(-1, keepdim=True)).expand_as(pattern).to(pattern.dtype)

    return edit


def test_the_words_are_those_of_the_transcript_in_order_and_inside_the_clip(whisper: Whisper) -> None:
    clip = Clip(samples=noise(1.7), id="x", transcript=f"  {TEXT}\n")
    found = align_words(whisper, clip, language="en")
    assert [word.text for word in found] == TEXT.split()
    times = [time for word in found for time in (word.start_s, word.end_s)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= clip.duration_s
    assert all(0 <= word.probability <= 1 for word in found)


def test_planted_attention_gives_its_own_times(whisper: Whisper) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)  # speech throughout, to the detector
    ids = whisper.tokenizer(f" {TEXT}", add_special_tokens=False).input_ids
    heard = [5 + 85 * i // len(ids) for i in range(len(ids) + 1)]
    # The row of each token says the next one: the last row of the prompt says the first token.
    rows = [0] * (len(prompt_tokens(whisper, language="en")) - 1) + [*heard, 99]
    with whisper.edit({"decoder.blocks.1.cross_attn.pattern": planted(rows)}):
        found = align_words(whisper, samples, TEXT, language="en", alignment_heads=[(1, 0), (1, 1)])
    n_tokens = [len(whisper.tokenizer(f" {word}", add_special_tokens=False).input_ids) for word in TEXT.split()]
    for word, n, end in zip(found, n_tokens, np.cumsum(n_tokens), strict=True):
        assert word.start_s <= heard[end - n] * 0.02 and heard[end - 1] * 0.02 < word.end_s
    assert all(before.end_s <= after.start_s for before, after in pairwise(found))


def test_what_the_model_wrote_itself_gets_the_times_that_it_gave_itself(demo: Whisper, spoken: list[Clip]) -> None:
    heard = demo.transcribe(spoken[0], language="en", word_times=True)
    assert align_words(demo, spoken[0], heard.text) == heard.words


def test_words_begin_and_end_with_speech(whisper: Whisper) -> None:
    samples = noise(1.9)
    kinds = frame_kinds(samples, 95)
    found = align_words(whisper, samples, TEXT, language="en")
    spans = [kinds[round(word.start_s * 50) : round(word.end_s * 50)] for word in found]
    voiced = [span for span in spans if (span == Kind.SPEECH).any()]
    assert voiced and all(span[0] == span[-1] == Kind.SPEECH for span in voiced)


def test_times_of_known_words_are_near_the_truth(demo: Whisper, spoken: list[Clip]) -> None:
    errors = np.concatenate([errors_s(align_words(demo, clip), clip) for clip in spoken])
    assert errors.mean() < 0.1 and (errors <= 0.1).mean() > 0.7


def test_times_of_a_recording_longer_than_a_window_are_near_the_truth(demo: Whisper, spoken: list[Clip]) -> None:
    long = joined(spoken)
    assert long.duration_s > 2 * demo.window_s
    errors = errors_s(align_words(demo, long), long)
    assert errors.mean() < 0.2 and np.median(errors) < 0.1


def test_another_transcript_is_hardly_believed(demo: Whisper, spoken: list[Clip]) -> None:
    def sure(transcript: str | None) -> float:
        return float(np.mean([word.probability for word in align_words(demo, spoken[0], transcript)]))

    assert sure(None) > 0.8 and sure(spoken[6].transcript) < 0.5


def test_capitals_alone_are_said_as_a_sentence_and_kept_as_written(demo: Whisper, spoken: list[Clip]) -> None:
    transcript = spoken[0].transcript or ""
    loud = align_words(demo, spoken[0], transcript.upper())
    soft = align_words(demo, spoken[0], transcript.capitalize())
    assert [(word.start_s, word.end_s) for word in loud] == [(word.start_s, word.end_s) for word in soft]
    assert [word.text for word in loud] == transcript.upper().split()


def test_the_language_is_that_given_or_the_clips_or_the_one_heard(whisper: Whisper) -> None:
    clip = Clip(samples=noise(1.7), id="x", transcript=TEXT, language="de")
    german = align_words(whisper, clip)
    assert german == align_words(whisper, replace(clip, language=None), language="german")
    assert german != align_words(whisper, clip, language="en")
    assert len(align_words(whisper, replace(clip, language=None))) == len(TEXT.split())


def test_without_spaces_between_words_their_parts_are_found(whisper: Whisper) -> None:
    found = align_words(whisper, noise(1.7), "你好。再见", language="zh")
    assert [word.text for word in found] == ["你", "好。", "再", "见"]


def test_nothing_is_left_on_the_model_and_readings_see_the_encoder_alone(whisper: Whisper) -> None:
    with whisper.reading(["encoder.ln_post", "decoder.ln"]) as tape:
        align_words(whisper, noise(1.7), TEXT, language="en")
    assert list(tape) == ["encoder.ln_post"]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in whisper.hf.modules())


@pytest.mark.parametrize("transcript", [None, "", " \n"])
def test_a_clip_without_a_transcript_is_refused(whisper: Whisper, transcript: str | None) -> None:
    with pytest.raises(InputError, match="clip 'x' has no transcript: words are found .* transcribe"):
        align_words(whisper, Clip(samples=noise(1.0), id="x", transcript=transcript))


def test_special_tokens_in_a_transcript_are_refused(whisper: Whisper) -> None:
    for token in ("<|endoftext|>", "<|0.20|>", "<|en|>"):
        with pytest.raises(InputError, match=rf"holds '{token}', which is an instruction".replace("|", r"\|")):
            align_words(whisper, noise(1.0), f"the dog {token}", language="en")


def test_a_transcript_longer_than_the_decoder_is_refused(whisper: Whisper) -> None:
    with pytest.raises(InputError, match=r"takes \d+ tokens for 1\.0 s; lively holds \d+\. Check that it is what"):
        align_words(whisper, noise(1.0), "dog " * 500, language="en")


def test_long_recordings_that_cannot_be_cut_are_refused(whisper: Whisper) -> None:
    with pytest.raises(InputError, match="too little of the transcript"):
        align_words(whisper, make_clip(5.0, transcript=TEXT), language="en")
    with pytest.raises(InputError, match=r"lively takes 2 s at a time: a transcript in 'zh', written without spaces"):
        align_words(whisper, make_clip(5.0, transcript="你好"), language="zh")


def test_settings_that_cannot_be_used_are_refused(whisper: Whisper) -> None:
    with pytest.raises(InputError, match="language 'xx' is not one of"):
        align_words(whisper, noise(1.0), TEXT, language="xx")
    with pytest.raises(SiteError, match=r"alignment head \(9, 0\) is not in"):
        align_words(whisper, noise(1.0), TEXT, language="en", alignment_heads=[(9, 0)])
    bare = Whisper(tiny_hf(whisper.tokenizer), None, id="bare", weights_hash="0")
    with pytest.raises(ModelError, match="tokenizer"):
        align_words(bare, noise(1.0), TEXT)
