from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.model.generation import prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.study.words import perturbation
from otoscope.study.words.perturbation import WordTokens, drop_curves, silence_level, silenced, sliding, word_scores


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


def test_scores_do_not_depend_on_the_batch(model: Whisper, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    mel = model.windows(clip).mel
    prompt = prompt_tokens(model, language="en")
    ids = [*prompt, *model.tokenizer(" the dog", add_special_tokens=False).input_ids]
    words = [WordTokens(len(prompt), len(ids))]
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
