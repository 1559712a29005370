from __future__ import annotations

import math

import pytest
import torch

from otoscope.model.cross_attention import KeysValues, decoder_cache
from otoscope.model.generation import forced_logits, prompt_tokens
from otoscope.model.load import load
from otoscope.model.next_tokens import NextTokens, prompt_reader
from otoscope.model.whisper import Whisper
from otoscope.study.bigrams.experiment import bigrams
from otoscope.study.bigrams.no_sound import no_sound
from tests.model.real_shapes import random_model, real_config, real_tokenizer
from tests.model.tiny import tiny_hf, tiny_tokenizer
from tests.study.conftest import build, make_clip

PROMPTS = ("dog", "the little", "green boat near", "cups")


def twin(model: Whisper, prompt: str, encoding: torch.Tensor, language: str = "en") -> torch.Tensor:
    """The framework's own pass over one prompt alone, nothing shared and nothing kept."""
    ids = model.tokenizer(f" {prompt}", add_special_tokens=False).input_ids
    return forced_logits(model, encoding, torch.tensor([[*prompt_tokens(model, language=language), *ids]]))[0, -1]


@pytest.mark.parametrize("batch_size", [1, 3, 128])
def test_logits_are_those_of_each_prompt_run_alone(model: Whisper, batch_size: int) -> None:
    result = bigrams(model, PROMPTS, n_next=model.vocab_size, batch_size=batch_size)
    assert result.prompts == PROMPTS
    assert len({len(one.tokens) for one in result.continuations}) > 1, "prompts of several lengths"
    for prompt, one in zip(PROMPTS, result.continuations, strict=True):
        wanted = twin(model, prompt, model.padded_encoding())
        found = torch.empty(model.vocab_size)
        found[[token.token for token in one.next]] = torch.tensor([token.logit for token in one.next])
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-5)
        probabilities = wanted.softmax(dim=-1)
        assert one.next[0].probability == pytest.approx(float(probabilities.max()), rel=1e-4)
        entropy = -float((probabilities * probabilities.log()).sum()) / math.log(2)
        assert one.entropy_bits == pytest.approx(entropy, abs=1e-3)


def test_next_tokens_are_sorted_and_named(model: Whisper) -> None:
    one = bigrams(model, "dog", n_next=30).continuations[0]
    logits = [token.logit for token in one.next]
    assert len(logits) == 30 and logits == sorted(logits, reverse=True)
    assert "".join(one.pieces) == " dog"
    assert {token.text for token in one.next} <= set(prompt_reader(model, "en").texts.texts)


def test_text_alone_lists_text_and_leaves_probabilities_as_they_are(model: Whisper) -> None:
    whole = bigrams(model, "dog", n_next=model.vocab_size).continuations[0]
    text = bigrams(model, "dog", n_next=model.vocab_size, only_text=True).continuations[0]
    is_text = prompt_reader(model, "en").texts.is_text
    assert [token.token for token in text.next] == [one.token for one in whole.next if is_text[one.token]]
    assert text.text_probability == pytest.approx(sum(one.probability for one in text.next), abs=1e-5)
    assert text.end_probability == pytest.approx(
        next(one.probability for one in whole.next if one.text == "<|endoftext|>"), abs=1e-6
    )


@pytest.mark.parametrize("language", ["de", "French", "<|ja|>"])
def test_any_language_token_can_be_set(model: Whisper, language: str) -> None:
    result = bigrams(model, "dog", language=language, n_next=5)
    code = result.language
    assert result.start[1] == f"<|{code}|>"
    text = "dog" if code == "ja" else " dog"
    assert "".join(result.continuations[0].pieces) == text, "Japanese is written without spaces"


def test_english_only_models_need_no_language() -> None:
    hf = tiny_hf(tiny_tokenizer())
    hf.generation_config.is_multilingual = False
    hf.generation_config.lang_to_id = hf.generation_config.task_to_id = None
    result = bigrams(Whisper(hf, tiny_tokenizer(), id="tiny.en", weights_hash="0"), ["dog"])
    assert result.start == ("<|startoftranscript|>", "<|notimestamps|>")
    assert len(result.continuations[0].next) == 20


def test_a_model_with_an_unembedding_of_its_own_and_other_blocks_works() -> None:
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, seconds=3, blocks=3)
    hf.proj_out.weight = torch.nn.Parameter(torch.randn_like(hf.proj_out.weight))
    hf.model.decoder.layers = hf.model.decoder.layers[:1]
    hf.config.decoder_layers = 1
    model = Whisper(hf, tokenizer, id="odd", weights_hash="0")
    one = bigrams(model, "dog", n_next=1).continuations[0].next[0]
    assert one.logit == pytest.approx(float(twin(model, "dog", model.padded_encoding()).max()), abs=1e-4)


def test_a_released_shape_in_half_precision_works() -> None:
    config = real_config("tiny", encoder_layers=1, decoder_layers=1, max_source_positions=100)
    model = Whisper(random_model(config, torch.bfloat16), real_tokenizer(51_865), id="tiny", weights_hash="0")
    assert len(bigrams(model, ["a", "ab"]).continuations[1].next) == 20


def test_sounds_stand_side_by_side(model: Whisper) -> None:
    clips = [make_clip(seed=seed) for seed in range(3)]
    result = bigrams(model, PROMPTS[:2], sound=["padding", "noise", "mean"], level_dbfs=-20, clips=clips, n_next=3)
    assert [(one.prompt, one.sound) for one in result.continuations] == [
        (prompt, sound) for prompt in PROMPTS[:2] for sound in ("padding", "noise", "mean")
    ]
    assert result.sounds == ("padding", "noise at −20 dBFS", "the mean of 3 windows")
    encoding = no_sound(model, "noise", level_dbfs=-20).encoding
    assert result.continuations[1].next[0].logit == pytest.approx(float(twin(model, "dog", encoding).max()), abs=1e-4)


def test_what_was_encoded_already_is_taken_as_it_is(model: Whisper) -> None:
    silent = no_sound(model, "music", seed=5)
    assert bigrams(model, "dog", sound=silent) == bigrams(model, "dog", sound="music", seed=5)


EDITS = {
    "encoder.ln_post": lambda x: x * 1.5,
    "decoder.blocks.1.cross_attn.key": lambda x: x + 0.3 * x.roll(1, dims=1),
    "decoder.blocks.0.cross_attn.value": lambda x: x * 2,
    "decoder.blocks.0.cross_attn.pattern": lambda x: x.flip(-1),
    "decoder.blocks.1.attn.pattern": lambda x: x * 0 + torch.eye(x.shape[-1]),
    "decoder.blocks.0.mlp.1": lambda x: x * 0.5,
    "logits": lambda x: x.flip(-1),
}


@pytest.mark.parametrize("site", EDITS)
def test_edits_apply_as_to_the_models_own_pass(model: Whisper, site: str) -> None:
    plain = bigrams(model, "dog", n_next=1).continuations[0].next[0].logit
    with model.edit({site: EDITS[site]}):
        wanted = twin(model, "dog", model.padded_encoding())
        found = bigrams(model, "dog", n_next=5).continuations[0].next
    assert [one.logit for one in found] == pytest.approx(wanted.topk(5).values.tolist(), abs=1e-4)
    assert bigrams(model, "dog", n_next=1).continuations[0].next[0].logit == plain, "and go again"


def test_readings_do_not_see_the_prompts(model: Whisper) -> None:
    encoding = model.padded_encoding()
    with model.reading("decoder.blocks.0") as tape:
        list(NextTokens(model, encoding).logits([[1, 2, 3]]))
    assert "decoder.blocks.0" not in dict(tape)


def test_the_encoding_is_not_copied_for_every_prompt(model: Whisper) -> None:
    """Keys and values of the cross-attention stay a view however many prompts share them."""
    keys = torch.randn(1, 2, 100, 8)
    (cache,) = decoder_cache(model, [KeysValues(keys, keys.clone())], 500).values()
    shared = cache.cross_attention_cache.layers[0].keys
    assert shared.shape[0] == 500 and shared.untyped_storage().nbytes() <= 2 * keys.untyped_storage().nbytes()


def test_the_last_position_alone_goes_through_the_unembedding(model: Whisper) -> None:
    shapes = []
    handle = model.hf.proj_out.register_forward_hook(lambda module, args, output: shapes.append(output.shape[:2]))
    try:
        bigrams(model, ["the little dog"] * 5)
    finally:
        handle.remove()
    assert shapes == [(5, 1)]


def test_progress_ends_at_all(model: Whisper) -> None:
    done: list[tuple[int, int]] = []
    bigrams(model, PROMPTS, sound=["padding", "silence"], progress=lambda *at: done.append(at))
    assert done[-1] == (8, 8) and sorted(done) == done


def test_the_longest_prompt_there_is_room_for_is_taken() -> None:
    model = build()
    reader = prompt_reader(model, "en")
    text = next(
        t for t in (" ".join(["dog"] * n) for n in range(40, 0, -1)) if len(reader.ids(f" {t}")) <= reader.longest
    )
    assert bigrams(model, text).continuations[0].next


def test_the_demo_model_knows_what_goes_with_traffic() -> None:
    """In a sentence it never heard, the collocation of its grammar is likelier than after another beginning."""
    model = load("demo", device="cpu")
    result = bigrams(model, ["The traffic", "The mother", "Thank"], sound=["padding", "noise"], level_dbfs=-20)
    given = {
        (one.prompt, one.sound): {token.text: token.probability for token in one.next} for one in result.continuations
    }
    for sound in ("padding", "noise"):
        assert given["The traffic", sound][" lights"] > 10 * given["The mother", sound].get(" lights", 0)
        assert max(given["Thank", sound], key=given["Thank", sound].__getitem__) == " you"
    text = [token for token in given["The traffic", "noise"] if not token.startswith("<|")]
    assert text[:2] == [" lights", " jam"]


def test_prompts_matter_to_the_twin(model: Whisper) -> None:
    """Guards the tests above: otherwise a mix-up of rows would pass."""
    rows = [twin(model, prompt, model.padded_encoding()) for prompt in PROMPTS]
    assert min(float((a - b).abs().max()) for i, a in enumerate(rows) for b in rows[:i]) > 1e-2
