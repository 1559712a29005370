"""The programs that people use Whisper with, on the same weights: transformers, openai-whisper and faster-whisper.

The last two are in the `bench` extra; one that is not installed is left out, and its row says so. All decode greedily
in float32, with one temperature and without text from the previous window.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.released import Released, Samples
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.model.checkpoints.names import to_transformers_name

OPENAI, FASTER = "openai-whisper", "faster-whisper"
MODULES = {OPENAI: "whisper", FASTER: "faster_whisper"}

WINDOW_S = 30

Transcribe = Callable[[Samples], Any]


def absent(name: str, about: Released) -> str | None:
    """Say why a program cannot take part; None if it can."""
    if find_spec(MODULES[name]) is None:
        return f"{name} is not installed: pip install '.[bench]'"
    if about.model.window_s != WINDOW_S:
        return f"{name} takes only windows of {WINDOW_S} s"
    if name == FASTER and about.folder is None:
        return f"{name} takes no random weights: set OTOSCOPE_MODELS to a folder of released models"
    return None


def transformers_alone(about: Released) -> Transcribe:
    """transformers, for one window: feature extractor, then `generate`."""
    from transformers import WhisperFeatureExtractor

    hf = about.model.hf
    extract = WhisperFeatureExtractor(feature_size=about.model.n_mels, chunk_length=round(about.model.window_s))
    options: dict[str, Any] = {"max_new_tokens": about.max_new_tokens} if about.max_new_tokens else {}
    if about.model.vocabulary.is_multilingual:
        options |= {"language": "en", "task": "transcribe"}

    def transcribe(samples: Samples) -> Any:
        features = extract(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        with torch.no_grad():
            return hf.generate(input_features=features, generation_config=about.model.vocabulary.generation, **options)

    return transcribe


def openai_state(about: Released) -> dict[str, Any]:
    """The model's weights as openai-whisper saves them."""
    import whisper

    model = about.model
    dims = whisper.ModelDimensions(
        n_mels=model.n_mels,
        n_audio_ctx=model.n_frames,
        n_audio_state=model.d_model,
        n_audio_head=model.n_heads,
        n_audio_layer=model.n_encoder_blocks,
        n_vocab=model.vocab_size,
        n_text_ctx=model.hf.config.max_target_positions,
        n_text_state=model.d_model,
        n_text_head=model.n_heads,
        n_text_layer=model.n_decoder_blocks,
    )
    held = model.hf.state_dict()
    names = whisper.model.Whisper(dims).state_dict()
    return {"dims": vars(dims), "model_state_dict": {name: held[to_transformers_name(name)] for name in names}}


def openai_alone(about: Released) -> Transcribe:
    """openai-whisper, a window without timestamps or a long recording with them."""
    import whisper

    state = openai_state(about)
    model = whisper.model.Whisper(whisper.ModelDimensions(**state["dims"]))
    model.load_state_dict(state["model_state_dict"])
    model.eval()
    options: dict[str, Any] = {"language": "en", "fp16": False, "temperature": 0.0}
    if about.max_new_tokens:
        options |= {
            "sample_len": about.max_new_tokens,
            "suppress_tokens": about.model.vocabulary.generation.suppress_tokens,
        }

    def transcribe(samples: Samples) -> Any:
        if len(samples) > about.model.window_s * SAMPLE_RATE_HZ:
            return model.transcribe(samples, condition_on_previous_text=False, **options)
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), n_mels=model.dims.n_mels)
        return whisper.decode(model, mel, whisper.DecodingOptions(without_timestamps=True, **options))

    return transcribe


def faster_alone(about: Released, threads: int) -> Transcribe:
    """faster-whisper, on CTranslate2."""
    from faster_whisper import WhisperModel

    assert about.folder is not None
    model = WhisperModel(str(about.folder), device="cpu", compute_type="float32", cpu_threads=threads)

    def transcribe(samples: Samples) -> Any:
        segments, _ = model.transcribe(
            np.asarray(samples),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=len(samples) <= about.model.window_s * SAMPLE_RATE_HZ,
        )
        return [segment.text for segment in segments]

    return transcribe


def load_commands(about: Released, scratch: Path) -> dict[str, list[str]]:
    """Give the code that each program's process runs to load the model, after the interpreter's `-c`.

    Args:
        about: The model; random weights are saved for openai-whisper and otoscope alike.
        scratch: A folder for the `.pt` file.
    """
    path = scratch / "model.pt"
    if find_spec(MODULES[OPENAI]) is not None:
        torch.save(openai_state(about), path)
    ours = about.folder or path
    commands = {"otoscope": [f"import otoscope; otoscope.load({str(ours)!r}, device='cpu')"]}
    if absent(OPENAI, about) is None:
        commands[OPENAI] = [f"import whisper; whisper.load_model({str(path)!r}, device='cpu')"]
    if absent(FASTER, about) is None:
        faster = f"WhisperModel({str(about.folder)!r}, device='cpu', compute_type='float32')"
        commands[FASTER] = [f"from faster_whisper import WhisperModel; {faster}"]
    return commands
