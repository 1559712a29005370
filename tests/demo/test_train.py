"""The recipe runs, stops, goes on where it was, and leaves a folder that loads like any other Whisper."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("espeakng_loader", reason="the recipe speaks with eSpeak NG (the `speech` extra)")

import otoscope
from otoscope.audio.clip import Span
from otoscope.demo import checkpoint, tokenizer, train
from otoscope.demo.evaluate import error_rate
from otoscope.demo.feeder import IGNORED, STAGES, WINDOW_S, Spelling, batches
from otoscope.demo.network import build_network, set_window, special_tokens
from otoscope.demo.speech import Placed
from otoscope.demo.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def demo_tokenizer() -> object:
    return build_tokenizer(WINDOW_S)


def test_a_stopped_run_goes_on_and_ends_in_a_folder_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "_SENTENCES", 2_000)
    monkeypatch.setattr(train, "_CHECKPOINT_STEPS", 2)
    original = train.DemoTrainer._step

    def stop_at_three(self: train.DemoTrainer, batch: object) -> None:
        if self._progress.step == 3:
            raise KeyboardInterrupt
        original(self, batch)

    monkeypatch.setattr(train.DemoTrainer, "_step", stop_at_three)
    with pytest.raises(KeyboardInterrupt):
        train.DemoTrainer(tmp_path, steps=5, seed=1).run()
    monkeypatch.setattr(train.DemoTrainer, "_step", original)
    train.DemoTrainer(tmp_path, steps=5, seed=1).run()
    steps = [json.loads(line)["step"] for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 5], "the second run went on from the checkpoint at step 2"
    model = otoscope.load(tmp_path / "model")
    assert model.window_s == WINDOW_S
    assert isinstance(model.transcribe(np.zeros(16_000, np.float32), language="en").text, str)


def test_a_checkpoint_restores_weights_and_moments_to_the_bit(tmp_path: Path, demo_tokenizer: object) -> None:
    def fresh() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        network = build_network(demo_tokenizer, WINDOW_S, seed=3)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        return network, torch.optim.AdamW(trained, lr=1e-3, fused=True)

    def one_step(network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        set_window(network, 1.0)
        mel = torch.linspace(-1, 1, 80 * 100).reshape(1, 80, 100)
        network(input_features=mel, decoder_input_ids=torch.tensor([[5, 6, 7]])).logits.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    network, optimizer = fresh()
    one_step(network, optimizer)
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, network, optimizer, checkpoint.Progress(step=1, loss=2.5))
    other, other_optimizer = fresh()
    assert checkpoint.restore(path, other, other_optimizer) == checkpoint.Progress(step=1, loss=2.5)
    one_step(network, optimizer)
    one_step(other, other_optimizer)
    for (name, mine), theirs in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs), name


def test_a_shorter_window_hears_the_same_at_its_start(demo_tokenizer: object) -> None:
    """Positions are fixed sinusoids, so a short window's table is the beginning of the full one's."""
    network = build_network(demo_tokenizer, WINDOW_S, seed=3)
    full = network.model.encoder.embed_positions.weight.clone()
    set_window(network, 2.0)
    assert torch.allclose(network.model.encoder.embed_positions.weight, full[:100], atol=1e-6)
    set_window(network, WINDOW_S)
    assert torch.allclose(network.model.encoder.embed_positions.weight, full, atol=1e-6)


def spelled(demo_tokenizer: object, placed: Placed, *, timestamps: bool) -> tuple[list[str], list[str | None]]:
    spelling = Spelling(demo_tokenizer.backend_tokenizer.to_str(), special_tokens(demo_tokenizer))
    inputs, targets = spelling.ids(placed, timestamps=timestamps)
    names = demo_tokenizer.convert_ids_to_tokens
    return names(inputs), [None if target == IGNORED else names(target) for target in targets]


def test_transcripts_are_spelled_as_whisper_is_trained(demo_tokenizer: object) -> None:
    placed = Placed(np.zeros(10), (Span(0.5, 1.3, "Good morning."), Span(1.6, 2.0, "Yes.")), 9.0)
    inputs, targets = spelled(demo_tokenizer, placed, timestamps=True)
    assert inputs[:4] == ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|0.50|>"]
    assert inputs[4:9] == ["ĠGood", "Ġmorning", ".", "<|1.30|>", "<|1.60|>"]
    assert targets[-2:] == ["<|9.00|>", "<|endoftext|>"]
    inputs, targets = spelled(demo_tokenizer, placed, timestamps=False)
    assert inputs[:5] == ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>", "ĠGood"]
    assert targets[:3] == ["<|en|>", "<|transcribe|>", None]


def test_where_nothing_is_said_the_model_is_told_so(demo_tokenizer: object) -> None:
    nothing = Placed(np.zeros(10), (), None)
    inputs, targets = spelled(demo_tokenizer, nothing, timestamps=False)
    assert inputs == ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    assert targets == ["<|nospeech|>", "<|transcribe|>", None, "<|endoftext|>"]


def test_every_stage_makes_batches_that_fit_its_window(demo_tokenizer: object) -> None:
    special = special_tokens(demo_tokenizer)
    spelling = Spelling(demo_tokenizer.backend_tokenizer.to_str(), special)
    for index, stage in enumerate(STAGES):
        batch = next(batches(index, 0, 1, spelling))
        assert batch.samples.shape == (stage.batch, round(16_000 * stage.window_s))
        assert batch.inputs.shape == batch.targets.shape
        ends = (batch.targets == special.end).sum(axis=1)
        assert (ends == 1).all(), stage.name
        said = np.abs(batch.samples).max(axis=1) > 0.005
        is_empty = batch.targets[:, 0] == special.no_speech
        assert said[~is_empty].mean() > 0.9, stage.name


def test_the_rate_warms_up_stays_and_ends_at_nothing() -> None:
    rates = [train.rate(step, 10_000) for step in range(10_001)]
    assert rates[0] < rates[150] < rates[300] == rates[6_999] == max(rates)
    assert rates[8_500] == pytest.approx(rates[300] / 2)
    assert rates[10_000] == 0


def test_word_errors_are_counted_without_marks_and_capitals() -> None:
    rate = error_rate(["The cat sat.", "Good night!"], ["the cat sat down", "Good."])
    assert rate.words == 5
    assert rate.wer == pytest.approx(2 / 5)
    assert (rate.insertions, rate.deletions, rate.substitutions) == pytest.approx((0.2, 0.2, 0.0))


def test_the_same_seed_speaks_the_same_texts() -> None:
    from otoscope.demo.feeder import _speak
    from otoscope.demo.speech import Studio

    studio = Studio()
    first, second = (
        [[piece.text for piece in _speak(STAGES[-1], studio, random.Random(seed)).pieces] for seed in range(5)]
        for _ in range(2)
    )
    assert first == second
