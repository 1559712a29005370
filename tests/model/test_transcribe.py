from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.errors import InputError, ModelError
from otoscope.model.generation import Decoding, generate_tokens, prompt_tokens, write
from otoscope.model.stretches import MOST_PASSES
from otoscope.model.transcribe import transcribe, transcribe_many
from otoscope.model.transcription import Transcription
from otoscope.model.whisper import Whisper
from tests.model.lively import RATE_HZ, SECONDS, features, lively, noise, plain


@pytest.fixture(scope="module")
def model() -> Whisper:
    return lively()


def flat(result: Transcription) -> list[int]:
    return [token for row in result.tokens for token in row]


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("seconds", [0.4, 1.3, 2.0])
def test_greedy_equals_generate_token_for_token(model: Whisper, seconds: float, timestamps: bool) -> None:
    samples = noise(seconds)
    wanted = plain(model, samples, return_timestamps=timestamps)
    assert len(set(wanted)) > 4
    assert flat(transcribe(model, samples, language="en", timestamps=timestamps)) == wanted


@pytest.mark.parametrize("timestamps", [False, True])
def test_beams_equal_generate_token_for_token(model: Whisper, timestamps: bool) -> None:
    samples = noise(1.3)
    wanted = plain(model, samples, return_timestamps=timestamps, num_beams=3)
    assert wanted != plain(model, samples, return_timestamps=timestamps)
    assert flat(transcribe(model, samples, language="en", timestamps=timestamps, beams=3)) == wanted


@pytest.mark.parametrize("seed", [0, 2])
def test_long_recordings_equal_the_long_form_of_generate(seed: int) -> None:
    model = lively(seed)
    samples = noise(9.7, seed)
    wanted = plain(model, samples, return_timestamps=True)
    result = transcribe(model, samples, language="en")
    assert len(result.tokens) >= 5
    assert flat(result) == wanted


def test_timestamps_written_unasked_are_followed_as_generate_follows_them() -> None:
    model = lively(4)
    samples = noise(2.0)
    wanted = plain(model, samples, language="de")
    assert len(wanted) > model.hf.config.max_target_positions, "this model was chosen for needing two passes"
    result = transcribe(model, samples, language="de")
    assert flat(result) == wanted
    assert len(result.segments) == len(result.tokens) == 1


def test_a_limit_of_new_tokens_holds(model: Whisper) -> None:
    result = transcribe(model, noise(1.3), language="en", max_new_tokens=3)
    assert flat(result) == plain(model, noise(1.3), max_new_tokens=3)
    assert len(flat(result)) == 3


def test_a_checkpoint_without_a_limit_writes_as_much_as_generate() -> None:
    model = lively()
    model.hf.generation_config.max_length = None
    result = transcribe(model, noise(1.3), language="en")
    assert flat(result) == plain(model, noise(1.3))


def test_windows_lie_side_by_side_without_timestamps(model: Whisper) -> None:
    samples = noise(5.0)
    result = transcribe(model, samples, language="en", timestamps=False)
    n = SECONDS * RATE_HZ
    assert [list(row) for row in result.tokens] == [plain(model, samples[i : i + n]) for i in range(0, len(samples), n)]
    assert [(s.start_s, s.end_s, s.seek) for s in result.segments] == [(0, 2, 0), (2, 4, 200), (4, 5, 400)]


def test_many_equal_one_by_one(model: Whisper) -> None:
    clips = [noise(seconds, seed) for seed, seconds in enumerate((1.3, 5.0, 0.5, 2.0, 3.1, 1.0))]
    many = transcribe_many(model, clips, batch_size=3)
    alone = [transcribe(model, clip) for clip in clips]
    assert [r.tokens for r in many] == [r.tokens for r in alone]
    assert [r.language for r in many] == [r.language for r in alone]
    assert [r.duration_s for r in many] == [1.3, 5.0, 0.5, 2.0, 3.1, 1.0]


def test_segments_are_in_order_and_end_with_the_recording(model: Whisper) -> None:
    result = transcribe(model, noise(9.7), language="en")
    times = [time for segment in result.segments for time in (segment.start_s, segment.end_s)]
    assert all(0 <= time <= result.duration_s for time in times)
    assert [s.start_s for s in result.segments] == sorted(s.start_s for s in result.segments)
    assert max(times) > 7
    assert all(segment.start_s >= segment.seek / 100 for segment in result.segments)


def test_the_language_is_the_one_generate_detects(model: Whisper) -> None:
    samples = noise(1.3)
    detected = model.hf.detect_language(features(samples)).item()
    result = transcribe(model, samples)
    assert model.tokenizer.convert_ids_to_tokens(detected) == f"<|{result.language}|>"
    assert result.language_probabilities is not None
    assert sum(result.language_probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert result.language_probability == max(result.language_probabilities.values())
    assert flat(result) == plain(model, samples, language=result.language)


def test_a_long_recording_has_the_language_of_its_first_window(model: Whisper) -> None:
    samples = noise(5.0)
    first = transcribe(model, samples[: SECONDS * RATE_HZ])
    apart = transcribe(model, samples, timestamps=False, batch_size=2)
    assert apart.language_probability == pytest.approx(first.language_probability, abs=1e-5)
    detected = model.hf.detect_language(features(samples), num_segment_frames=100 * SECONDS).item()
    assert model.tokenizer.convert_ids_to_tokens(detected) == f"<|{transcribe(model, samples).language}|>"


def test_a_given_language_has_no_probability(model: Whisper) -> None:
    result = transcribe(model, noise(0.5), language="German")
    assert (result.language, result.language_probability) == ("de", None)


def english_only() -> Whisper:
    model = lively()
    settings = model.hf.generation_config
    settings.is_multilingual = False
    del settings.lang_to_id, settings.task_to_id
    return model


@pytest.mark.parametrize("timestamps", [False, True])
def test_an_english_model_is_given_no_language(timestamps: bool) -> None:
    model = english_only()
    samples = noise(1.3)
    result = transcribe(model, samples, timestamps=timestamps, word_times=True)
    assert flat(result) == model.hf.generate(features(samples), return_timestamps=timestamps)[0].tolist()
    assert result.language == "en"
    assert prompt_tokens(model, language="en") == [
        model.hf.config.decoder_start_token_id,
        model.hf.generation_config.no_timestamps_token_id,
    ]


def test_an_english_model_refuses_other_languages_and_translation() -> None:
    model = english_only()
    with pytest.raises(InputError, match=r"language 'de' was requested of lively, which knows only English\. Leave"):
        transcribe(model, noise(0.5), language="de")
    with pytest.raises(InputError, match="task 'translate' was requested of lively, which knows only English"):
        transcribe(model, noise(0.5), task="translate")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"language": "Germn"}, r"language 'Germn' is not one of the 100 that lively knows .*Nearest: german \(de\)"),
        ({"language": 7}, "language is 7: give a code such as 'en'"),
        ({"task": "sing"}, "task 'sing' is unknown: give 'transcribe', or 'translate'"),
        ({"beams": 0}, "beams is 0: give a whole number of 1 or more"),
        ({"batch_size": True}, "batch_size is True: give a whole number of 1 or more"),
        ({"max_new_tokens": 61}, "max_new_tokens is 61: the decoder of lively has room for 1 to 60, or give None"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0: the decoder"),
        ({"alignment_heads": [(9, 0)]}, r"alignment head \(9, 0\) is not in lively: its decoder has blocks 0-1 with"),
    ],
)
def test_settings_that_cannot_be_used_are_named(model: Whisper, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        transcribe(model, noise(0.5), **settings)


def test_one_clip_where_a_list_is_wanted_is_refused(model: Whisper) -> None:
    with pytest.raises(InputError, match="clips is one str: give a list of clips, or use transcribe"):
        transcribe_many(model, "talk.wav")
    assert transcribe_many(model, []) == []


def test_a_model_without_a_tokenizer_is_refused(model: Whisper) -> None:
    bare = Whisper(model.hf, None, id="bare", weights_hash="none")
    with pytest.raises(ModelError, match="bare has no tokenizer"):
        transcribe(bare, noise(0.5))


@pytest.mark.parametrize("samples", [np.zeros(RATE_HZ, np.float32), np.array([0.5], np.float32)])
@pytest.mark.parametrize("timestamps", [False, True])
def test_silence_and_a_single_sample_have_a_result(model: Whisper, samples: np.ndarray, timestamps: bool) -> None:
    result = transcribe(model, samples, timestamps=timestamps, word_times=True)
    assert all(0 <= segment.start_s <= segment.end_s <= result.duration_s for segment in result.segments)
    assert result.words is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_writes_too(dtype: torch.dtype) -> None:
    model = lively()
    model.hf.to(dtype)
    result = transcribe(model, noise(5.0), word_times=True)
    assert result.tokens and np.isfinite([segment.avg_logprob for segment in result.segments]).all()


def test_edits_apply_and_end(model: Whisper) -> None:
    samples = noise(1.3)
    before = transcribe(model, samples, language="en", word_times=True)
    with model.edit({"encoder.blocks.0": torch.zeros_like}):
        edited = transcribe(model, samples, language="en", word_times=True)
        assert flat(edited) == plain(model, samples)
    assert edited.tokens != before.tokens
    assert transcribe(model, samples, language="en", word_times=True) == before


def test_attention_windows_apply(model: Whisper) -> None:
    samples = noise(2.0)
    with model.attention_window(0):
        narrow = transcribe(model, samples, language="en")
        assert flat(narrow) == plain(model, samples)
    assert narrow.tokens != transcribe(model, samples, language="en").tokens


def test_what_is_read_while_tokens_are_generated_is_just_their_making(model: Whisper) -> None:
    mel = model.windows(noise(1.3)).mel
    with model.reading(["decoder.blocks.1", "encoder.ln_post"]) as tape:
        tokens = generate_tokens(model, mel, language="en")[0]
    given = tape.tokens[0].tolist()
    prompt = prompt_tokens(model, language="en")
    # The last token is written and never read by the decoder.
    assert given == [*prompt, *tokens][: len(given)]
    assert len(given) >= len(prompt) + len(tokens) - 1
    assert len(tape["encoder.ln_post"]) == 1


def test_looking_for_language_and_words_is_not_read(model: Whisper) -> None:
    samples = noise(1.3)
    with model.reading("decoder.blocks.1") as plain_tape:
        language = transcribe(model, samples).language
    with model.reading("decoder.blocks.1") as tape:
        transcribe(model, samples, language=language, word_times=True)
    assert torch.equal(tape["decoder.blocks.1"], plain_tape["decoder.blocks.1"])
    assert torch.equal(tape.tokens, plain_tape.tokens)


def test_log_probabilities_are_those_generate_reports(model: Whisper) -> None:
    samples = noise(1.3)
    for timestamps in (False, True):
        output = model.hf.generate(
            features(samples),
            language="en",
            task="transcribe",
            return_timestamps=timestamps,
            return_dict_in_generate=True,
            output_scores=True,
            force_unique_generate_call=True,
        )
        scores = model.hf.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)
        result = transcribe(model, samples, language="en", timestamps=timestamps)
        assert result.segments[0].avg_logprob == pytest.approx(scores.mean().item(), abs=1e-4)


def test_beams_are_scored_by_what_the_model_says(model: Whisper) -> None:
    samples = noise(1.3)
    decoding = Decoding(beams=3, max_new_tokens=12)
    written = write(model, model.vocabulary, model.encode(samples), ["en"], decoding)[0]
    prompt, tokens = prompt_tokens(model, language="en"), written.tokens
    assert len(tokens) == 12, "nothing ended, so no end is scored"
    with torch.no_grad():
        ids = torch.tensor([prompt + tokens])
        logprobs = model.hf(features(samples), decoder_input_ids=ids).logits[0].log_softmax(dim=-1)
    wanted = [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(tokens)]
    assert written.avg_logprob == pytest.approx(np.mean(wanted), abs=1e-4)


def test_the_no_speech_probability_is_read_after_the_first_token(model: Whisper) -> None:
    samples = noise(1.3)
    start = torch.tensor([[model.hf.config.decoder_start_token_id]])
    with torch.no_grad():
        odds = model.hf(features(samples), decoder_input_ids=start).logits[0, -1].softmax(dim=-1)
    wanted = odds[model.tokenizer.convert_tokens_to_ids("<|nospeech|>")].item()
    for beams in (1, 3):
        result = transcribe(model, samples, language="en", beams=beams)
        assert result.segments[0].no_speech_prob == pytest.approx(wanted, rel=1e-3)


def writes_always(token: int) -> Callable[[Tensor], Tensor]:
    def edit(logits: Tensor) -> Tensor:
        changed = torch.zeros_like(logits)
        changed[..., token] = 100.0
        return changed

    return edit


@pytest.mark.parametrize("timestamp", [0, 1])
def test_a_model_whose_timestamps_do_not_move_on_comes_to_an_end(model: Whisper, timestamp: int) -> None:
    begin = model.hf.generation_config.no_timestamps_token_id + 1
    steps: list[float] = []
    with model.edit({"logits": writes_always(begin + timestamp)}):
        result = transcribe(model, noise(2.0), language="en", max_new_tokens=4, progress=steps.append)
    assert len(steps) <= MOST_PASSES
    assert result.text == ""


@pytest.mark.parametrize("timestamps", [False, True])
def test_progress_adds_up_to_the_recordings(model: Whisper, timestamps: bool) -> None:
    steps: list[float] = []
    transcribe_many(model, [noise(1.3), noise(7.1)], timestamps=timestamps, progress=steps.append)
    assert sum(steps) == pytest.approx(8.4)
    assert len(steps) >= 5


@pytest.fixture
def remarks() -> list[logging.LogRecord]:
    """Everything that transformers has to say."""
    kept: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = kept.append  # type: ignore[method-assign]
    root = logging.getLogger("transformers")
    root.addHandler(handler)
    yield kept
    root.removeHandler(handler)


def test_transcribing_says_nothing(
    model: Whisper, remarks: list[logging.LogRecord], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {"language": "en", "max_new_tokens": 5}
    transcribe_many(model, [noise(5.0), noise(1.0)], word_times=True, beams=2, **settings)
    transcribe_many(model, [noise(5.0), noise(1.0)], timestamps=True, **settings)
    assert not remarks
    assert capfd.readouterr() == ("", "")
    plain(model, noise(1.0), **settings)
    assert remarks, "transformers itself would have said something, and may do so again"


def test_hooks_and_modes_are_as_before_after_an_error() -> None:
    model = lively()

    def fails(x: Tensor) -> Tensor:
        raise ZeroDivisionError

    before = [(name, module.training, len(module._forward_hooks)) for name, module in model.hf.named_modules()]
    filters = [list(logging.getLogger(name).filters) for name in ("transformers.generation.utils",)]
    with pytest.raises(ZeroDivisionError), model.edit({"decoder.blocks.0": fails}):
        transcribe(model, noise(0.5), language="en")
    assert [(name, m.training, len(m._forward_hooks)) for name, m in model.hf.named_modules()] == before
    assert [list(logging.getLogger(name).filters) for name in ("transformers.generation.utils",)] == filters


def test_what_an_old_generation_config_lacks_comes_from_the_tokenizer(model: Whisper) -> None:
    old = lively()
    for name in ("lang_to_id", "task_to_id", "no_timestamps_token_id"):
        delattr(old.hf.generation_config, name)
    assert transcribe(old, noise(1.3)) == transcribe(model, noise(1.3))


def test_a_fine_tuned_checkpoint_has_its_own_language() -> None:
    model = lively()
    model.hf.generation_config.language = "german"
    result = transcribe(model, noise(0.5))
    assert (result.language, result.language_probabilities) == ("de", None)
    assert transcribe(model, noise(0.5), language="fr").language == "fr"


def test_a_vocabulary_that_is_not_whispers_is_refused() -> None:
    model = lively()
    model.hf.generation_config.no_timestamps_token_id = None

    class Other:
        all_special_ids: tuple[int, ...] = ()

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    other = Whisper(model.hf, Other(), id="other", weights_hash="none")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"other has no token <\|notimestamps\|>: neither"):
        transcribe(other, noise(0.5))


def test_a_transcription_says_what_it_is_of(model: Whisper) -> None:
    result = transcribe(model, Clip(noise(1.3), id="talk"), language="en")
    assert (result.clip_id, result.model_id, result.duration_s, result.task) == ("talk", "lively", 1.3, "transcribe")
