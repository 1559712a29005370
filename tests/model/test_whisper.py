from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError, ModelError, SiteError
from otoscope.model.whisper import Whisper
from tests.model.tiny import tiny_hf, tiny_tokenizer

SAMPLES_OF_A_WINDOW = 32_000


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    tokenizer = tiny_tokenizer()
    hf = tiny_hf(tokenizer, max_tokens=16)
    hf.generation_config.suppress_tokens = list(range(428, 1929))
    hf.generation_config.max_length = 12
    return Whisper(hf, tokenizer, id="tiny", weights_hash="0")


@pytest.fixture(scope="module")
def bare() -> Whisper:
    return Whisper(tiny_hf(tiny_tokenizer()), None, id="bare", weights_hash="0")


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Two and a half windows of noise that comes and goes."""
    n = 5 * SAMPLES_OF_A_WINDOW // 2
    loudness = 0.1 * (1 + np.sin(np.arange(n) / 3000))
    return (loudness * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def test_its_numbers(whisper: Whisper) -> None:
    assert (whisper.n_mels, whisper.n_frames, whisper.window_s, whisper.window_samples) == (80, 100, 2.0, 32_000)
    assert (whisper.d_model, whisper.n_heads, whisper.n_encoder_blocks, whisper.n_decoder_blocks) == (32, 2, 2, 2)
    assert (whisper.device, whisper.dtype) == (torch.device("cpu"), torch.float32)
    assert whisper.vocab_size == len(whisper.tokenizer) == 1929


def test_its_sites(whisper: Whisper) -> None:
    assert [site.name for site in whisper.sites()] == whisper.expand("**")


def test_windows_hold_what_the_frameworks_extractor_computes(whisper: Whisper, sound: np.ndarray) -> None:
    windows = whisper.windows(sound)
    extractor = WhisperFeatureExtractor(chunk_length=2)
    for index, start in enumerate(range(0, len(sound), SAMPLES_OF_A_WINDOW)):
        piece = sound[start : start + SAMPLES_OF_A_WINDOW]
        wanted = extractor(piece, sampling_rate=16_000, return_tensors="pt").input_features[0]
        torch.testing.assert_close(windows.mel[index], wanted, rtol=0, atol=1e-4)
    assert windows.kinds.shape == (3, 100)
    assert (windows.kinds[:2] != Kind.PADDING).all()
    assert (windows.kinds[2, 50:] == Kind.PADDING).all()
    assert np.array_equal(windows.clip.samples, sound)


def test_encoding_is_the_frameworks(whisper: Whisper, sound: np.ndarray) -> None:
    with torch.no_grad():
        wanted = whisper.hf.model.encoder(whisper.windows(sound).mel).last_hidden_state
    assert torch.equal(whisper.encode(sound), wanted)
    torch.testing.assert_close(whisper.encode(whisper.windows(sound), batch_size=1), wanted, rtol=1e-4, atol=1e-5)


def test_encoding_within_an_attention_window(whisper: Whisper, sound: np.ndarray) -> None:
    with whisper.attention_window(3):
        wanted = whisper.encode(sound)
    assert torch.equal(whisper.encode(sound, attention_window=3), wanted)
    assert not torch.equal(whisper.encode(sound), wanted)


def test_the_padded_encoding_is_that_of_a_window_of_zeros(whisper: Whisper) -> None:
    silence = WhisperFeatureExtractor(chunk_length=2)(
        np.zeros(1, np.float32), sampling_rate=16_000, return_tensors="pt"
    )
    torch.testing.assert_close(whisper.padded_encoding(), whisper.encode_mel(silence.input_features))


def test_half_precision_takes_sound_as_it_is(sound: np.ndarray) -> None:
    half = Whisper(tiny_hf(tiny_tokenizer()).to(torch.bfloat16), None, id="half", weights_hash="0")
    assert half.windows(sound).mel.dtype == half.encode(sound).dtype == half.padded_encoding().dtype == torch.bfloat16


def test_activations_of_the_encoder_need_no_tokenizer_and_no_decoder(bare: Whisper, sound: np.ndarray) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the decoder ran")

    handle = bare.hf.model.decoder.register_forward_pre_hook(fail)
    try:
        held = bare.activations(sound, ["encoder.ln_post", "encoder.blocks.*.mlp.1"], batch_size=2)
    finally:
        handle.remove()
    assert list(held) == ["encoder.ln_post", "encoder.blocks.0.mlp.1", "encoder.blocks.1.mlp.1"]
    assert held["encoder.blocks.0.mlp.1"].shape == (3, 100, 128)
    torch.testing.assert_close(held["encoder.ln_post"], bare.encode(sound), rtol=1e-4, atol=1e-5)


def test_activations_within_an_attention_window(bare: Whisper, sound: np.ndarray) -> None:
    pattern = bare.activations(sound, "encoder.blocks.0.attn.pattern", attention_window=2)[
        "encoder.blocks.0.attn.pattern"
    ]
    assert pattern[..., 0, 3:].abs().max() == 0


def test_activations_of_the_decoder_over_a_given_text(whisper: Whisper, sound: np.ndarray) -> None:
    clip = Clip(sound[:SAMPLES_OF_A_WINDOW], id="noise", language="de")
    held = whisper.activations(clip, ["logits", "encoder.ln_post", "decoder.blocks.0"], text="tea")
    ids = whisper.tokenizer.convert_tokens_to_ids
    prompt = [ids(f"<|{name}|>") for name in ("startoftranscript", "de", "transcribe", "notimestamps")]
    said = [*prompt, *whisper.tokenizer(" tea", add_special_tokens=False).input_ids, ids("<|endoftext|>")]
    with torch.no_grad():
        wanted = whisper.hf(whisper.windows(clip).mel, decoder_input_ids=torch.tensor([said])).logits
    torch.testing.assert_close(held["logits"], wanted, rtol=1e-4, atol=1e-4)
    assert held["decoder.blocks.0"].shape == (1, len(said), 32)
    assert held["encoder.ln_post"].shape == (1, 100, 32)


def test_the_language_of_a_given_text_is_heard_where_it_is_not_known(whisper: Whisper, sound: np.ndarray) -> None:
    clip = sound[:SAMPLES_OF_A_WINDOW]
    heard = int(whisper.hf.detect_language(whisper.windows(clip).mel)[0])
    language = whisper.tokenizer.convert_ids_to_tokens(heard)[2:-2]
    held = whisper.activations(clip, "decoder.ln", text="tea")
    named = whisper.activations(clip, "decoder.ln", text="tea", language=language)
    torch.testing.assert_close(held["decoder.ln"], named["decoder.ln"])
    assert held["decoder.ln"].shape == named["decoder.ln"].shape


def test_activations_of_the_decoder_while_it_transcribes(whisper: Whisper, sound: np.ndarray) -> None:
    held = whisper.activations(
        sound, ["decoder.token_embedding", "encoder.blocks.1", "decoder.blocks.1"], language="en"
    )
    assert held["encoder.blocks.1"].shape == (3, 100, 32)
    assert held["decoder.blocks.1"].shape[0] == 3
    embedded = whisper.hf.model.decoder.embed_tokens(whisper.tokenizer("", return_tensors="pt").input_ids)[0, :1]
    assert all(torch.equal(row[0], embedded[0]) for row in held["decoder.token_embedding"])


def test_edits_apply_to_activations(bare: Whisper, sound: np.ndarray) -> None:
    with bare.edit({"encoder.blocks.0": torch.zeros_like}):
        assert bare.activations(sound, "encoder.blocks.0")["encoder.blocks.0"].abs().max() == 0


def test_no_site_is_no_run(bare: Whisper, sound: np.ndarray) -> None:
    assert bare.activations(sound, []) == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "  "}, "the text is '  ': give the words to be said"),
        ({"text": "tea " * 20}, r"the text takes \d+ tokens with its prompt; tiny holds 16"),
        ({"text": "tea", "language": "xx"}, "language 'xx' is not one of"),
        ({"batch_size": 0}, "batch_size is 0: give a whole number of 1 or more"),
        ({"attention_window": -1}, "attention window is -1"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    whisper: Whisper, sound: np.ndarray, settings: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        whisper.activations(sound[:SAMPLES_OF_A_WINDOW], "logits", **settings)


def test_a_text_is_said_over_one_window(whisper: Whisper, sound: np.ndarray) -> None:
    with pytest.raises(InputError, match="takes 3 windows: a text is said over one"):
        whisper.activations(sound, "logits", text="tea")


def test_text_needs_a_tokenizer(bare: Whisper, sound: np.ndarray) -> None:
    with pytest.raises(ModelError, match="bare has no tokenizer"):
        bare.activations(sound, "logits")


def test_an_unknown_site_is_refused_before_the_sound_is_opened(whisper: Whisper) -> None:
    with pytest.raises(SiteError, match=r"'encoder\.blocks\.5' is not in tiny"):
        whisper.activations(Path("no such file.wav"), "encoder.blocks.5")


def test_beams_are_refused_while_the_decoder_is_read(whisper: Whisper, sound: np.ndarray) -> None:
    with whisper.reading("decoder.ln"), pytest.raises(InputError, match="more than one beam"):
        whisper.transcribe(sound, beams=2)


def test_activations_and_tapes_print_their_shapes_and_no_values(bare: Whisper, sound: np.ndarray) -> None:
    held = bare.activations(sound, "encoder.blocks.*")
    with bare.reading("encoder.blocks.0") as tape:
        bare.encode(sound)
    assert repr(held).splitlines()[1] == f"    encoder.blocks.0: float32{list(held['encoder.blocks.0'].shape)}"
    assert "tensor" not in repr(held) and repr(tape).startswith("Tape(\n    encoder.blocks.0: float32[")
