from __future__ import annotations

import numpy as np
import pytest
import torch

import otoscope as oto
from otoscope.audio.clip import Clip
from otoscope.model.generation import forced_logits, prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows
from otoscope.study.words import perturbation
from otoscope.study.words.perturbation import WordTokens, drop_curves, silence_level, silenced, sliding, word_scores
from tests.released import released, speech_folder


@pytest.mark.parametrize(("length", "step"), [(10, 5), (7, 3), (1, 1), (4, 4), (300, 20)])
def test_every_frame_is_silenced_and_nothing_beyond(length: int, step: int) -> None:
    centres, stretches = sliding(43, length, step)
    covered = np.zeros(43, int)
    for centre, (start, stop) in zip(centres, stretches, strict=True):
        assert start <= centre < stop <= start + length
        covered[start:stop] += 1
    assert covered.min() >= 1
    assert set(np.diff(centres)[:-1]) <= {step} and 0 < centres[-1] - centres[-2] <= step


def test_silence_is_what_padding_holds(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    assert mel[0, :, -1].unique().tolist() == [pytest.approx(silence_level(mel))]
    dead = model.windows(np.zeros(8_000, np.float32)).mel
    assert dead.unique().tolist() == [pytest.approx(silence_level(dead))]


def test_the_rest_of_the_window_stays_to_the_bit(model: Whisper, clip: Clip) -> None:
    mel = model.windows(clip).mel
    first, second = silenced(mel, [(3, 8), (90, 100)])
    assert torch.equal(first[:, :6], mel[0, :, :6]) and torch.equal(first[:, 16:], mel[0, :, 16:])
    assert (first[:, 6:16] == silence_level(mel)).all()
    assert torch.equal(second, mel[0])  # padding already


def test_words_are_scored_as_a_loop_over_their_tokens_does() -> None:
    torch.manual_seed(0)
    ids = [7, 3, 5, 1, 2]
    logits = torch.randn(2, 5, 11)
    found = word_scores(logits, ids, [WordTokens(1, 2), WordTokens(2, 5)])
    for window in range(2):
        odds = [torch.softmax(row.double(), 0).log() for row in logits[window]]
        assert found[window].tolist() == pytest.approx(
            [odds[0][3].item(), (odds[1][5] + odds[2][1] + odds[3][2]).item()], rel=1e-5
        )


def the_dog(model: Whisper) -> tuple[list[int], list[WordTokens]]:
    prompt = prompt_tokens(model, language="en")
    ids = [*prompt, *model.tokenizer(" the dog", add_special_tokens=False).input_ids]
    return ids, [WordTokens(len(prompt), len(ids))]


def in_full(model: Whisper, windows: Windows, stretches: list[tuple[int, int]]) -> np.ndarray:
    """Score by encoding every silenced window as a whole."""
    ids, words = the_dog(model)
    encoded = model.encode_mel(silenced(windows.mel, stretches))
    logits = forced_logits(model, encoded, torch.tensor([ids]).expand(len(stretches), -1))
    return word_scores(logits, ids, words).numpy()


def test_exact_scores_are_those_of_whole_windows(model: Whisper, clip: Clip) -> None:
    windows, (ids, words) = model.windows(clip), the_dog(model)
    _, stretches = sliding(60, 10, 9)
    exact = perturbation.stretch_scores(model, windows, ids, words, stretches, batch_size=4, exact=True)
    np.testing.assert_allclose(exact, in_full(model, windows, stretches), atol=1e-4)


def test_held_padding_changes_scores_little_and_a_window_without_padding_not_at_all(model: Whisper, clip: Clip) -> None:
    ids, words = the_dog(model)
    _, stretches = sliding(60, 10, 9)
    held = perturbation.stretch_scores(model, model.windows(clip), ids, words, stretches, batch_size=4)
    exact = in_full(model, model.windows(clip), stretches)
    assert not np.array_equal(held, exact)
    np.testing.assert_allclose(held, exact, atol=0.05 * np.ptp(exact))
    full = model.windows(np.resize(clip.samples, model.window_samples))
    found = perturbation.stretch_scores(model, full, ids, words, stretches, batch_size=4)
    np.testing.assert_allclose(found, in_full(model, full, stretches), atol=1e-4)


def test_edits_and_attention_windows_apply_to_whole_windows(model: Whisper, clip: Clip) -> None:
    windows, (ids, words) = model.windows(clip), the_dog(model)
    with model.attention_window(3), model.edit({"encoder.blocks.0": lambda x: x * 1.1}):
        found = perturbation.stretch_scores(model, windows, ids, words, [(10, 20)], batch_size=1)
        np.testing.assert_allclose(found, in_full(model, windows, [(10, 20)]), atol=1e-4)
    plain = perturbation.stretch_scores(model, windows, ids, words, [(10, 20)], batch_size=1)
    assert not np.allclose(found, plain, atol=1e-3)


@pytest.mark.real
def test_held_padding_finds_the_same_moments_in_released_weights() -> None:
    model, clip = released(), oto.open_corpus(speech_folder("ljspeech_mfa")).first(2)
    windows = model.windows(list(clip)[1])
    text = model.tokenizer(" in being comparatively modern.", add_special_tokens=False).input_ids
    ids = [*prompt_tokens(model, language="en"), *text]
    words = [WordTokens(at, at + 1) for at in range(len(ids) - len(text), len(ids))]
    _, stretches = sliding(95, 10, 10)
    settings: dict = {"batch_size": 1}
    held = perturbation.stretch_scores(model, windows, ids, words, stretches, **settings)
    exact = perturbation.stretch_scores(model, windows, ids, words, stretches, exact=True, **settings)
    assert np.corrcoef(held.ravel(), exact.ravel())[0, 1] > 0.995
    assert np.abs(held - exact).max() < 0.1 * np.ptp(exact)
    assert held.argmin(axis=0).tolist() == exact.argmin(axis=0).tolist()


def test_scores_do_not_depend_on_the_batch(model: Whisper, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    mel = model.windows(clip)
    ids, words = the_dog(model)
    _, stretches = sliding(80, 10, 9)
    done: list[int] = []
    settings: dict = {"batch_size": 4, "progress": done.append}
    whole = perturbation.stretch_scores(model, mel, ids, words, stretches, **settings)
    assert sum(done) == len(stretches) == len(whole)
    assert max(done) == 4
    monkeypatch.setattr(perturbation, "LOGITS_AT_ONCE", 1)
    done.clear()
    alone = perturbation.stretch_scores(model, mel, ids, words, stretches, **settings)
    assert max(done) == 1
    np.testing.assert_allclose(alone, whole, atol=1e-4)


def test_curves_are_drops_at_the_centres_and_lines_between() -> None:
    scores = np.array([[-1.0], [-5.0], [-2.0]])
    curve = drop_curves(scores, np.array([-1.0]), [0, 4, 8], 11, 20)[0]
    assert curve[[0, 4, 8]].tolist() == [0, 4, 1]
    assert curve[2] == 2 and curve[10] == 1
    assert (curve[11:] == 0).all()
