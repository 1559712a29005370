from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import read_clip
from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.audio.nonspeech import nonspeech
from otoscope.base.errors import InputError, OtoscopeWarning, SiteError
from otoscope.model.alignment import Head, align, check_heads, dtw, median_filter, onset, sharpen
from otoscope.model.languages import Vocabulary
from otoscope.model.transcribe import transcribe
from otoscope.model.whisper import Whisper
from tests.model.lively import features, lively, noise
from tests.released import released, speech_folder


@pytest.fixture(scope="module")
def model() -> Whisper:
    return lively()


@pytest.fixture(scope="module")
def words(model: Whisper) -> Vocabulary:
    return model.vocabulary


def cheapest(cost: np.ndarray) -> float:
    """Cost of the best way, by the plain recursion."""
    total = np.full(cost.shape, np.inf)
    for i, j in np.ndindex(*cost.shape):
        before = [total[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if a >= 0 and b >= 0]
        total[i, j] = cost[i, j] + (min(before) if before else 0)
    return float(total[-1, -1])


@pytest.mark.parametrize(
    ("n_tokens", "n_frames"), [(1, 1), (1, 9), (9, 1), (2, 2), (5, 30), (30, 5), (17, 17), (40, 100)]
)
def test_the_path_is_the_cheapest_and_never_goes_back(n_tokens: int, n_frames: int) -> None:
    cost = np.random.default_rng(n_tokens).standard_normal((n_tokens, n_frames))
    path = dtw(cost)
    assert cost[path.tokens, path.frames].sum() == pytest.approx(cheapest(cost))
    assert (path.tokens[0], path.frames[0]) == (0, 0)
    assert (path.tokens[-1], path.frames[-1]) == (n_tokens - 1, n_frames - 1)
    steps = {(int(a), int(b)) for a, b in zip(np.diff(path.tokens), np.diff(path.frames), strict=True)}
    assert steps <= {(0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 7, 50])
def test_the_median_equals_the_naive_one(n_frames: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, n_frames)).astype(np.float32)

    def mirrored(i: int) -> int:
        i = abs(i)
        return i if i < n_frames else 2 * (n_frames - 1) - i

    wanted = x.copy()
    if n_frames > 3:
        for at in np.ndindex(2, 3, n_frames):
            wanted[at] = np.median([x[at[0], at[1], mirrored(at[2] + step)] for step in range(-3, 4)])
    np.testing.assert_array_equal(median_filter(x, 7), wanted)


def test_the_map_is_made_as_from_the_scores_over_the_sound() -> None:
    scores = torch.randn(3, 6, 40, dtype=torch.float64) * 3
    window = scores.softmax(dim=-1)
    sound = scores[:, :, :25].softmax(dim=-1)
    wanted = torch.zeros(6, 25, dtype=torch.float64)
    for head in sound:
        for frame in range(25):
            column = head[:, frame]
            head[:, frame] = (column - column.mean()) / column.std(unbiased=False)
        wanted += torch.from_numpy(median_filter(head.numpy(), 7)) / 3
    np.testing.assert_allclose(sharpen(window[:, :, :25].numpy()), wanted.numpy(), atol=1e-9)


def test_attention_that_is_even_or_empty_makes_no_nan() -> None:
    assert np.isfinite(sharpen(np.full((2, 3, 10), 0.1, np.float32))).all()
    assert np.isfinite(sharpen(np.zeros((2, 3, 10), np.float32))).all()


def planted(frame_of_row: list[int], n_frames: int, *, elsewhere: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Make every head look at chosen frames, token by token, and a little at all others."""

    def edit(pattern: Tensor) -> Tensor:
        frames = torch.arange(n_frames)
        rows = [torch.exp(-((frames - frame) ** 2) / 8.0) + elsewhere for frame in frame_of_row]
        return (torch.stack(rows) / torch.stack(rows).sum(-1, keepdim=True)).expand_as(pattern).to(pattern.dtype)

    return edit


def test_planted_attention_gives_its_own_times(model: Whisper, words: Vocabulary) -> None:
    text = model.tokenizer(" the little dog sees", add_special_tokens=False).input_ids
    n_prompt = len(words.prompt("en", "transcribe", timestamps=False))
    # The row of each token says the next one: the last row of the prompt says the first token.
    heard = [10 + 80 * i // len(text) for i in range(len(text) + 1)]
    rows = [0] * (n_prompt - 1) + [*heard, 99]
    encoded = model.encode(noise(2.0))
    with model.edit({"decoder.blocks.1.cross_attn.pattern": planted(rows, 100)}):
        found = align(
            model,
            words,
            encoded,
            [text],
            language="en",
            task="transcribe",
            heads=[Head(1, 0), Head(1, 1)],
            n_frames=100,
        )[0]
    assert "".join(word.written for word in found) == " the little dog sees"
    n_tokens = [len(model.tokenizer(word.written, add_special_tokens=False).input_ids) for word in found]
    ends = np.cumsum(n_tokens)
    for word, n, end in zip(found, n_tokens, ends, strict=True):
        assert word.start_frame <= heard[end - n] and heard[end - 1] < word.end_frame
    assert found[-1].end_frame <= heard[-1]


def test_probabilities_are_the_models_own_over_text(model: Whisper, words: Vocabulary) -> None:
    samples = noise(2.0)
    text = model.tokenizer(" the dog", add_special_tokens=False).input_ids
    prompt = words.prompt("en", "transcribe", timestamps=False)
    found = align(
        model, words, model.encode(samples), [text], language="en", task="transcribe", heads=[Head(1, 0)], n_frames=100
    )[0]
    with torch.no_grad():
        logits = model.hf(features(samples), decoder_input_ids=torch.tensor([prompt + text])).logits[0]
    is_text = torch.tensor([words.is_text(token) for token in range(logits.shape[1])])
    odds = logits.masked_fill(~is_text, -torch.inf).softmax(-1)
    each = [odds[len(prompt) - 1 + i, token].item() for i, token in enumerate(text)]
    n_first = len(model.tokenizer(" the", add_special_tokens=False).input_ids)
    assert [word.probability for word in found] == pytest.approx(
        [np.mean(each[:n_first]), np.mean(each[n_first:])], rel=1e-3
    )


def test_a_full_decoder_and_an_empty_text_are_aligned(model: Whisper, words: Vocabulary) -> None:
    n_prompt = len(words.prompt("en", "transcribe", timestamps=False))
    full = [5] * (model.hf.config.max_target_positions - n_prompt)
    encoded = model.encode(noise(2.0))
    found = align(
        model, words, encoded, [[], full, []], language="en", task="transcribe", heads=[Head(0, 1)], n_frames=3
    )
    assert [bool(piece) for piece in found] == [False, True, False]
    assert align(model, words, encoded, [[]], language="en", task="transcribe", heads=[Head(0, 1)], n_frames=9) == [[]]


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_words_are_in_order_within_their_segment_and_spell_it(seed: int, timestamps: bool) -> None:
    model = lively(seed)
    result = transcribe(model, noise(7.3, seed), timestamps=timestamps, word_times=True, language="en")
    assert result.words
    times = [time for word in result.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0 and times[-1] <= result.duration_s
    for segment in result.segments:
        assert segment.words is not None
        assert "".join(word.written for word in segment.words).split() == segment.text.split()
        assert all(segment.start_s <= word.start_s and word.end_s <= segment.end_s for word in segment.words)
        assert all(0 <= word.probability <= 1 for word in segment.words)


def test_words_with_speech_in_them_begin_and_end_with_it(model: Whisper) -> None:
    samples = noise(7.3)
    result = transcribe(model, samples, language="en", word_times=True)
    kinds = frame_kinds(samples, 365)
    assert result.words
    spans = [kinds[round(word.start_s * 50) : round(word.end_s * 50)] for word in result.words]
    spoken = [span for span in spans if (span == Kind.SPEECH).any()]
    assert len(spoken) > 5
    assert all(span[0] == span[-1] == Kind.SPEECH for span in spoken)


def test_word_times_do_not_change_the_text(model: Whisper) -> None:
    samples = noise(5.0)
    assert transcribe(model, samples, word_times=True).tokens == transcribe(model, samples).tokens
    assert transcribe(model, samples).words is None


def test_the_heads_chosen_are_the_heads_used(model: Whisper) -> None:
    samples = noise(2.0)
    default = transcribe(model, samples, language="en", word_times=True)
    all_default = [(1, 0), (1, 1)]
    assert check_heads(model, None) == tuple(all_default)
    assert transcribe(model, samples, language="en", word_times=True, alignment_heads=all_default) == default
    other = transcribe(model, samples, language="en", word_times=True, alignment_heads=[(0, 0)])
    assert other.tokens == default.tokens
    assert other.words != default.words


def test_a_checkpoint_without_alignment_heads_uses_the_last_half() -> None:
    model = lively()
    model.hf.generation_config.alignment_heads = None
    assert check_heads(model, None) == ((1, 0), (1, 1))


@pytest.mark.parametrize(
    ("named", "followed", "told"),
    [
        ([[1, 1], [3, 0], [0, 2]], [(1, 1)], "2 of the 3 alignment heads .* the others are used"),
        ([[5, 0], [31, 7]], [(1, 0), (1, 1)], "2 of the 2 alignment heads .* those of the last half"),
        ([[1, 0], "x"], [(1, 0), (1, 1)], "2 of the 2 alignment heads"),
    ],
)
def test_heads_of_a_deeper_teacher_are_left_out_with_a_note(
    named: list[object], followed: list[tuple[int, int]], told: str
) -> None:
    model = lively()
    model.hf.generation_config.alignment_heads = named
    with pytest.warns(OtoscopeWarning, match=told):
        assert check_heads(model, None) == tuple(followed)
    with pytest.warns(OtoscopeWarning):
        assert transcribe(model, noise(1.3), language="en", word_times=True).words


def test_heads_that_are_not_there_are_named(model: Whisper) -> None:
    with pytest.raises(
        SiteError, match=r"alignment head \(1, 2\) is not in lively: its decoder has blocks 0-1 with heads 0-1"
    ):
        check_heads(model, [(0, 0), (1, 2)])
    with pytest.raises(InputError, match=r"alignment head \(3,\) is not a pair \(block, head\)"):
        check_heads(model, [(3,)])
    with pytest.raises(InputError, match="alignment_heads is empty"):
        check_heads(model, [])


def test_planted_words_do_not_overlap(model: Whisper, words: Vocabulary) -> None:
    text = model.tokenizer(" we keep seven cups", add_special_tokens=False).input_ids
    found = align(
        model,
        words,
        model.encode(noise(2.0)),
        [text],
        language="en",
        task="transcribe",
        heads=[Head(0, 0)],
        n_frames=60,
    )[0]
    assert all(before.start_frame <= before.end_frame <= after.start_frame for before, after in pairwise(found))
    assert found[-1].end_frame < 60


@pytest.mark.parametrize(
    ("heard", "first"),
    [
        ([0.1, 0.2, 0.9, 1.0, 0.8, 0.1], 2),
        ([1.0, 0.9, 0.8], 0),
        ([0.9, 0.1, 0.69, 0.71, 1.0], 3),  # an earlier, separate rise is not where the word begins
        ([-1.0, -0.5, -0.2], 0),
        ([], 0),
    ],
)
def test_a_word_begins_where_its_first_token_is_heard(heard: list[float], first: int) -> None:
    assert onset(np.array(heard)) == first


def test_the_first_word_does_not_take_the_noise_before_it(model: Whisper, words: Vocabulary) -> None:
    text = model.tokenizer(" the little dog sees", add_special_tokens=False).input_ids
    n_prompt = len(words.prompt("en", "transcribe", timestamps=False))
    said = [50 + 40 * i // len(text) for i in range(len(text) + 1)]  # nothing is heard in the first second
    encoded = model.encode(noise(2.0))
    looks = planted([0] * (n_prompt - 1) + [*said, 99], 100, elsewhere=0.02)
    with model.edit({"decoder.blocks.1.cross_attn.pattern": looks}):
        (found,) = align(
            model, words, encoded, [text], language="en", task="transcribe", heads=[Head(1, 0)], n_frames=100
        )
    assert 45 <= found[0].start_frame <= 50


@pytest.mark.real
def test_word_times_of_released_weights_begin_with_the_speech() -> None:
    clip = read_clip(speech_folder("openai_whisper") / "jfk.flac")
    model = released()
    lead = nonspeech("music", 1.0, level_dbfs=-30.0)
    plain = model.transcribe(clip, word_times=True).words
    later = model.transcribe(np.concatenate([lead.samples, clip.samples]), word_times=True).words
    assert plain is not None and later is not None
    assert [plain[0].text, later[0].text] == ["And", "And"]
    assert plain[0].start_s == pytest.approx(0.3, abs=0.1)
    assert later[0].start_s == pytest.approx(1.3, abs=0.5)  # by energy alone the music is speech: 0.0
