from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.model.whisper import Whisper
from otoscope.study.relevance.experiment import Relevance, propagate, relevance
from otoscope.study.target import Frames, SpokenWord, TargetWord
from tests.released import released, speech_folder
from tests.study.conftest import build, make_clip


def naive_relevance(
    mel: torch.Tensor,
    start: int | None = None,
    stop: int | None = None,
    decoder_ids: list[int] | None = None,
    n: int = 0,
    hf: torch.nn.Module | None = None,
) -> np.ndarray:
    """The formula once more, on the framework's own attentions, with loops over blocks and heads.

    With decoder ids, the target is the log-probability of the last n of them.
    """
    hf = hf or build().hf
    hf.requires_grad_(True)
    hf.set_attn_implementation("eager")
    encoder = hf.model.encoder(mel, output_attentions=True)
    score = encoder.last_hidden_state[:, start:stop].sum()
    if decoder_ids is not None:
        ids = torch.tensor([decoder_ids])
        hidden = hf.model.decoder(input_ids=ids, encoder_hidden_states=encoder.last_hidden_state).last_hidden_state
        log_odds = torch.log(torch.softmax(hf.proj_out(hidden)[0].double(), dim=-1))
        score = sum(
            (log_odds[at - 1, decoder_ids[at]] for at in range(len(ids[0]) - n, len(ids[0]))), torch.tensor(0.0)
        )
    for pattern in encoder.attentions:
        pattern.retain_grad()
    score.backward()
    n_frames = mel.shape[-1] // 2
    total = np.eye(n_frames)
    for pattern in encoder.attentions:
        weighted = np.zeros((n_frames, n_frames))
        n_heads = pattern.shape[1]
        for head in range(n_heads):
            product = (pattern.grad[0, head] * pattern[0, head]).detach().double().numpy()
            weighted += np.where(product > 0, product, 0) / n_heads
        total = total + weighted @ total
    return total


def assert_same(found: np.ndarray, wanted: np.ndarray) -> None:
    added = wanted - np.eye(len(wanted))
    assert added.max() > 1e-6
    assert np.abs(found - np.eye(len(wanted)) - added).max() <= 1e-4 * added.max()


def test_relevance_agrees_with_the_formula_written_again(model: Whisper, clip: Clip) -> None:
    result = relevance(model, clip)
    assert result.relevance.dtype == np.float32
    assert_same(result.relevance.astype(np.float64), naive_relevance(model.windows(clip).mel))


@pytest.mark.parametrize(("target", "stretch"), [(17, (17, 18)), ((20, 41), (20, 41)), (Frames(0, 100), (0, 100))])
def test_relevance_for_some_frames_agrees_with_the_formula(
    model: Whisper, clip: Clip, target: int | tuple[int, int] | Frames, stretch: tuple[int, int]
) -> None:
    result = relevance(model, clip, target=target)
    assert_same(result.relevance.astype(np.float64), naive_relevance(model.windows(clip).mel, *stretch))
    assert result.to_json()["target"]["frames"] == list(stretch)


def test_relevance_for_a_word_agrees_with_the_formula(model: Whisper, clip: Clip) -> None:
    result = relevance(model, clip, target=TargetWord(1), language="en")
    word = result.target
    assert isinstance(word, SpokenWord)
    special = {*model.tokenizer.all_special_ids}
    written = model.transcribe(clip, language="en").tokens[0]
    n_text = model.tokenizer.convert_tokens_to_ids("<|0.00|>")
    tokens = [token for token in written if token < n_text and token not in special]
    at = next(i for i in range(1, len(tokens)) if tuple(tokens[i : i + len(word.tokens)]) == word.tokens)
    prompt = [f"<|{name}|>" for name in ("startoftranscript", "en", "transcribe", "notimestamps")]
    ids = [*model.tokenizer.convert_tokens_to_ids(prompt), *tokens[: at + len(word.tokens)]]
    wanted = naive_relevance(model.windows(clip).mel, decoder_ids=ids, n=len(word.tokens))
    assert_same(result.relevance.astype(np.float64), wanted)
    assert word.log_probability < 0
    assert word.text in word.transcript


def test_a_word_can_be_named_by_its_text(model: Whisper, clip: Clip) -> None:
    spoken = relevance(model, clip, target=TargetWord(0)).target
    assert isinstance(spoken, SpokenWord)
    if spoken.transcript.split().count(spoken.text) == 1:
        again = relevance(model, clip, target=spoken.text).target
        assert again == spoken


def test_a_target_frame_gives_relevance_to_that_row_alone_in_the_last_block(model: Whisper, clip: Clip) -> None:
    patterns = [torch.rand(2, 5, 5) for _ in range(3)]
    gradients = [torch.zeros(2, 5, 5), torch.zeros(2, 5, 5), torch.randn(2, 5, 5)]
    gradients[2][:, [0, 1, 3, 4]] = 0
    added = propagate(patterns, gradients)
    assert set(added.sum(1).nonzero().flatten().tolist()) == {2}


def test_planted_patterns_propagate_to_a_known_reach() -> None:
    """Three blocks that each look exactly two frames back reach six frames back, and no further."""
    back = torch.diag(torch.ones(18), -2)[None]
    added = propagate([back] * 3, [torch.ones(1, 20, 20) for _ in range(3)])
    wanted = sum(
        torch.diag(torch.full((20 - 2 * step,), times), -2 * step) for step, times in ((1, 3.0), (2, 3.0), (3, 1.0))
    )
    torch.testing.assert_close(added, wanted)


def test_negative_contributions_do_not_count_even_where_heads_would_cancel() -> None:
    pattern = torch.full((2, 3, 3), 0.5)
    gradient = torch.stack([torch.full((3, 3), 2.0), torch.full((3, 3), -6.0)])
    torch.testing.assert_close(propagate([pattern], [gradient]), torch.full((3, 3), 0.5))


def test_small_products_survive_half_precision() -> None:
    pattern, gradient = torch.full((2, 4, 4), 1e-4).half(), torch.full((2, 4, 4), 1e-5).half()
    added = propagate([pattern], [gradient])
    torch.testing.assert_close(added, torch.full((4, 4), float(pattern[0, 0, 0]) * float(gradient[0, 0, 0])))


def make_relevance(added: np.ndarray, n_speech: int) -> Relevance:
    kinds = np.full(len(added), Kind.PADDING, dtype=np.int8)
    kinds[:n_speech] = Kind.SPEECH
    return Relevance("m", "c", "c.wav", 0, 0.0, None, added.astype(np.float32), kinds)


def test_shares_say_how_local_a_planted_map_is() -> None:
    added = np.zeros((200, 200))
    rows = np.arange(200)
    added[rows, rows] = 1
    added[rows[:-30], rows[:-30] + 30] = 3
    result = make_relevance(added, 100)
    # the last 30 rows of speech have their 3 on padding, which is told apart: 1 of 1 is near
    assert result.share_within(25) == pytest.approx((70 * 0.25 + 30) / 100)
    assert result.share_within(50) == pytest.approx(1.0)
    assert result.share_within(25, identity=True) == pytest.approx((70 * 0.4 + 30) / 100)
    assert result.padding_share == pytest.approx(90 / 400)
    pairs = np.abs(rows[:100, None] - rows[None, :100])
    assert result.even_share_within(25) == pytest.approx((pairs <= 25).mean())
    assert result.row_share_within(25).shape == (100,)


def test_frames_after_the_speech_that_listen_to_its_end_are_told_from_such_as_do_not() -> None:
    added = np.ones((200, 200))
    assert make_relevance(added, 100).end_share(10) == pytest.approx(20 / 200)
    assert make_relevance(added, 100).even_end_share(10) == pytest.approx(20 / 200)
    added[100:, 95] = 1000
    assert make_relevance(added, 100).end_share(10) == pytest.approx((19 + 1000) / (199 + 1000))
    assert make_relevance(added, 195).end_share(10) is None  # nothing lies further on
    assert make_relevance(added, 0).end_share(10) is None


@pytest.mark.real
def test_in_a_released_model_speech_listens_nearby_and_padding_to_the_end_of_speech() -> None:
    """The study's figure: a diagonal up to the end of the speech, then all frames attend to that end."""
    result = relevance(released(), speech_folder("openai_whisper") / "jfk.flac")
    assert 545 <= result.speech_end_frame <= 550
    share, even = result.share_within(25), result.even_share_within(25)
    assert share is not None and even is not None and share > 3 * even
    at_end = result.end_share(25)
    assert at_end is not None and at_end > 15 * result.even_end_share(25)
    assert int(result.added[600:].sum(axis=0).argmax()) in range(545, 556)


def test_rows_without_relevance_and_clips_without_speech_are_said_not_guessed() -> None:
    added = np.zeros((20, 20))
    added[0, 0] = 1
    table = make_relevance(added, 4).to_json()
    assert table["n_speech_frames_without_added_relevance"] == 3
    assert table["share_within"]["5"]["added"] == 1.0
    silent = make_relevance(added, 0)
    assert silent.speech_end_frame == 0
    assert silent.to_json()["share_within"]["5"] == {"relevance": None, "added": None, "even": None}
    assert silent.summary().splitlines()[1:] == ["relevance to the whole encoder output; no speech"]


def test_a_later_window_is_that_stretch_of_sound_alone(model: Whisper) -> None:
    long = make_clip(3.5)
    second = relevance(model, long, window=1)
    alone = relevance(model, long.samples[32_000:])
    np.testing.assert_allclose(second.added, alone.added, atol=1e-5 * alone.added.max())
    assert second.window_start_s == 2.0


def test_edits_reach_the_map(model: Whisper, clip: Clip) -> None:
    """With every pattern the identity, each frame listens to itself alone."""
    with model.edit({"encoder.blocks.*.attn.pattern": lambda p: p * 0 + torch.eye(p.shape[-1])}):
        added = relevance(model, clip).added
    assert np.abs(added - np.diag(np.diag(added))).max() == 0
    assert added.max() > 0


def test_gradients_are_taken_where_they_were_turned_off(model: Whisper, clip: Clip) -> None:
    with torch.no_grad():
        relevance(model, clip)


def test_what_the_result_holds(model: Whisper, clip: Clip) -> None:
    result = relevance(model, clip)
    assert (result.relevance.dtype, result.relevance.shape) == (np.float32, (100, 100))
    assert int(result.arrays()["speech_end_frame"]) == result.speech_end_frame > 0
    assert list(result.to_json()["share_within"]) == ["5", "10", "25", "50", "75", "100"]
