from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.base.errors import InputError
from otoscope.demo import grammar
from otoscope.model.generation import forced_logits
from otoscope.model.load import load
from otoscope.model.next_tokens import PromptReader, prompt_reader
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.agreement import GUESSES, BigramAgreement, bigram_agreement
from otoscope.study.bigrams.known import KnownBigrams, bigrams_of_text, bigrams_of_words
from otoscope.study.bigrams.scores import SCORES, correlation, means, ranks, score_row, sparse_ranks

LINES = ["the little dog sees a green boat", "the old house", "a little boat sees the old dog", "nine red shoes"] * 3


@pytest.fixture(scope="module")
def reader(model: Whisper) -> PromptReader:
    return prompt_reader(model, "en")


@pytest.fixture(scope="module")
def known(reader: PromptReader) -> KnownBigrams:
    return bigrams_of_text(reader.model, LINES, name="lines", in_sentences=True, least=1)


@pytest.fixture(scope="module")
def result(model: Whisper, known: KnownBigrams, reader: PromptReader) -> BigramAgreement:
    return bigram_agreement(model, known, sound=["padding", "noise"], batch_size=7)


def naive_scores(model: Whisper, known: KnownBigrams, reader: PromptReader) -> dict[str, float]:
    """Scores of the model once more, with loops over contexts, prompts and tokens."""
    followers = sorted({token for context in known.contexts for token in context.tokens.tolist()})
    total = dict.fromkeys(SCORES, 0.0)
    weights = dict.fromkeys(SCORES, 0.0)
    for context in known.contexts:
        guess = np.zeros(model.vocab_size)
        for prompt in context.prompts:
            ids = torch.tensor([[*reader.start, *prompt]])
            logits = forced_logits(model, model.padded_encoding(), ids)[0, -1].double().numpy()
            mass = np.where(reader.texts.is_text, np.exp(logits - logits.max()), 0)
            guess += mass / mass.sum() / len(context.prompts)
        p = dict(zip(context.tokens.tolist(), context.probabilities.tolist(), strict=True))
        best = np.argsort(-guess)[:5].tolist()
        likeliest = [token for token in p if p[token] > max(p.values()) - 1e-9]
        crossed = -sum(chance * math.log2(guess[token]) for token, chance in p.items())
        scores = {
            "cross_entropy_bits": crossed,
            "kl_bits": sum(chance * math.log2(chance / guess[token]) for token, chance in p.items()),
            "rank_correlation": naive_spearman([guess[t] for t in followers], [p.get(t, 0) for t in followers]),
            "top_1": best[0] in likeliest,
            "top_5": bool(set(best) & set(likeliest)),
            "possible_mass": sum(guess[token] for token in p),
        }
        for name, value in scores.items():
            if not math.isnan(value):
                total[name] += context.weight * value
                weights[name] += context.weight
    return {name: total[name] / weights[name] for name in SCORES}


def naive_spearman(a: list[float], b: list[float]) -> float:
    def ranked(values: list[float]) -> list[float]:
        return [sum(x < v for x in values) + (sum(x == v for x in values) + 1) / 2 for v in values]

    return float(np.corrcoef(ranked(a), ranked(b))[0, 1])


def test_scores_agree_with_loops(
    model: Whisper, known: KnownBigrams, reader: PromptReader, result: BigramAgreement
) -> None:
    assert any(len(context.prompts) > 1 for context in known.contexts)
    found = {name: one.value for name, one in result.sounds[0].scores["model"].items()}
    assert found == pytest.approx(naive_scores(model, known, reader), abs=1e-3)


def test_the_unigram_is_scored_as_its_own_entropy(known: KnownBigrams, result: BigramAgreement) -> None:
    """Averaged over contexts by frequency, its cross-entropy is the entropy of all followers, contexts forgotten."""
    counts: dict[int, float] = {}
    for context in known.contexts:
        for token, chance in zip(context.tokens.tolist(), context.probabilities.tolist(), strict=True):
            counts[token] = counts.get(token, 0) + context.weight * chance
    whole = sum(counts.values())
    entropy = -sum(n / whole * math.log2(n / whole) for n in counts.values())
    for sound in result.sounds:
        assert sound.scores["unigram"]["cross_entropy_bits"].value == pytest.approx(entropy)
    assert result.floor_bits < entropy
    assert result.n_followers == len(counts)


def test_a_model_that_knows_the_answer_reaches_the_floor(model: Whisper, reader: PromptReader) -> None:
    """Planted logits: log-probabilities of what follows, by the last token of the prompt."""
    known = bigrams_of_text(reader.model, LINES, name="lines", least=1)
    answers = torch.full((model.vocab_size, model.vocab_size), -60.0)
    for context in known.contexts:
        answers[context.prompts[0][0], torch.as_tensor(context.tokens)] = torch.log(
            torch.as_tensor(context.probabilities, dtype=torch.float32)
        )
    seen: list[torch.Tensor] = []
    handle = model.hf.model.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"][:, -1]), with_kwargs=True
    )
    try:
        with model.edit({"logits": lambda x: answers[seen[-1]][:, None]}):
            found = bigram_agreement(model, known)
    finally:
        handle.remove()
    own = found.sounds[0].scores["model"]
    assert own["cross_entropy_bits"].value == pytest.approx(found.floor_bits, abs=1e-5)
    assert own["kl_bits"].value == pytest.approx(0, abs=1e-5)
    assert own["rank_correlation"].value == pytest.approx(1)
    assert own["top_1"].value == own["top_5"].value == 1
    assert own["possible_mass"].value == pytest.approx(1)
    other = found.sounds[0].scores["another context"]
    assert other["cross_entropy_bits"].value > found.floor_bits + 1
    pulls = [row.pull for row in found.sounds[0].rows]
    assert [row.pull for row in found.sounds[0].collocations(3)] == sorted(pulls, reverse=True)[:3]


def test_another_context_is_never_ones_own(known: KnownBigrams, reader: PromptReader) -> None:
    from otoscope.study.bigrams.agreement import _Judge

    for seed in range(5):
        other = _Judge(known, reader, seed).other
        assert sorted(other) == list(range(len(other))) and (other != np.arange(len(other))).all()


def test_differences_are_those_of_the_means_with_intervals_of_their_own(result: BigramAgreement) -> None:
    for scores in (result.sounds[0].scores, result.sounds[0].scores_alike):
        for guess in GUESSES[1:]:
            for name in SCORES:
                one = scores[f"model - {guess}"][name]
                assert one.value == pytest.approx(scores["model"][name].value - scores[guess][name].value)
                assert one.low is not None and one.high is not None and one.low <= one.high


def test_ranks_share_ties_and_sparse_ranks_are_the_same() -> None:
    values = np.array([0.0, 0.3, 0.0, 0.5, 0.3, 0.0])
    assert ranks(values).tolist() == [2, 4.5, 2, 6, 4.5, 2]
    places = np.flatnonzero(values)
    assert sparse_ranks(places, values[places], 6).tolist() == ranks(values).tolist()
    assert correlation(ranks(values), ranks(-values)) == pytest.approx(-1)
    assert math.isnan(correlation(np.ones(3), np.arange(3.0)))


def test_ties_for_the_likeliest_all_count() -> None:
    tokens, chances = np.array([3, 8]), np.array([0.5, 0.5])
    scored = score_row(np.log([0.5, 0.25]), np.array([8, 1, 2, 4, 5]), tokens, chances)
    assert dict(zip(SCORES, scored, strict=True))["top_1"] == 1
    assert scored[SCORES.index("kl_bits")] == pytest.approx(0.5)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        scores = rng.normal(1.0, 1.0, size=(80, len(SCORES)))
        one = means({"model": scores}, np.ones(80), seed=0)["model"]["kl_bits"]
        held += one.low <= 1.0 <= one.high  # type: ignore[operator]
    assert 50 <= held <= 60


def test_the_table_holds_what_the_result_holds(result: BigramAgreement, known: KnownBigrams, tmp_path: Path) -> None:
    table = result.to_json()
    assert [one["sound"] for one in table["sounds"]] == ["padding", "noise"]
    assert len(table["sounds"][0]["contexts"]) == table["n_contexts"] == len(known.contexts)
    assert result.plot(tmp_path / "it.png").is_file()


def test_a_single_context_is_refused(model: Whisper, reader: PromptReader) -> None:
    one = bigrams_of_words(reader.model, {("a", "b"): 1}, name="x")
    with pytest.raises(InputError, match="x: 1 context cannot be compared. Give two or more"):
        bigram_agreement(model, one)


def test_the_demo_model_knows_its_grammars_bigrams_better_than_frequencies_do() -> None:
    """In sentences, with padding only, over the vocabulary; and the strongest collocations come first."""
    model = load("demo", device="cpu")
    counts = {pair: n for pair, n in grammar.bigrams().items() if not {grammar.START, grammar.END} & set(pair)}
    frequent = sorted({before for before, _ in counts}, key=lambda w: -sum(n for p, n in counts.items() if p[0] == w))
    chosen = {pair: n for pair, n in counts.items() if pair[0] in {*frequent[:60], "traffic", "prime", "police"}}
    rng = random.Random(1)
    known = bigrams_of_words(model, chosen, name="the grammar", sentences=[grammar.sentence(rng) for _ in range(1_000)])
    scores = bigram_agreement(model, known).sounds[0].scores["model - unigram"]
    assert scores["cross_entropy_bits"].high < 0, "fewer bits than frequencies take"  # type: ignore[operator]
    for name in ("rank_correlation", "top_1", "possible_mass"):
        assert scores[name].low > 0, name  # type: ignore[operator]
