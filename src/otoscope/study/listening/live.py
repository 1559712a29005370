"""What a model answers to a sound that someone has just made: words, where they came from, and what fires.

A recording is heard once: one run of the encoder, of which sites are read, one transcript, two runs of the decoder over
it. Where a word came from by relevance and by silencing, and what a changed model hears, is computed when it is asked
for. Knows nothing of servers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.base.clocks import FRAME_S, SAMPLE_RATE_HZ
from otoscope.base.errors import InputError
from otoscope.model.alignment import align, check_heads
from otoscope.model.generation import forced_logits, prompt_tokens, read_logits
from otoscope.model.spelling import split_words
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows
from otoscope.sae.dictionary import Dictionary
from otoscope.study.listening.live_features import KnownFeatures, as_curve
from otoscope.study.steer.steering import ScaleFeature, ScaleHead, scale_feature, scale_head
from otoscope.study.words import perturbation, tracing
from otoscope.study.words.curves import SMOOTH_FRAMES, half_height, running_mean
from otoscope.study.words.perturbation import WordTokens
from otoscope.study.writing import text_of, write_windows

STRETCH_FRAMES, STEP_FRAMES = 10, 5
"""Silenced at a time, and from one silenced stretch to the next: those of `otoscope words`."""

WAVEFORM_STEPS = 1000
"""At most so many steps are drawn of a waveform."""

Check = Callable[[], None]
Edit = Callable[[Tensor], Tensor]


@dataclass
class LiveClip:
    """A recording as the model heard it."""

    windows: Windows  # its window
    n_sound: int  # frames that hold recording
    language: str  # what is spoken, as Whisper's code
    text: str  # the transcript
    is_stopped: bool  # whether the decoder had no room to end it
    ids: list[int]  # its tokens, the prompt before them
    places: list[WordTokens]  # where its words are in them
    scores: Float32[np.ndarray, " word"]  # log-probability of each word, float32
    # by how much each word's log-probability falls when a frame is silenced, float32 [word, frame]; None until that is
    # asked for
    falls: np.ndarray | None = None
    # word to its relevance over the frames, for those that were asked for
    relevance: dict[int, np.ndarray] = field(default_factory=dict)


class LiveModel:
    """Answers questions about sounds.

    `weights_hash`: of the study's model; None where it is not known.
    """

    def __init__(self, model: Whisper, study: str | Path, weights_hash: str | None = None) -> None:
        if weights_hash is not None and weights_hash != model.weights_hash:
            raise InputError(
                f"the study is of a model whose weights are {weights_hash[:40]}, and {model.id} has "
                f"{model.weights_hash}. Start the server with --model and the study's own model."
            )
        self._model = model
        self._features = KnownFeatures(model, Path(study))
        self._heads = check_heads(model, None)

    def ask(
        self, samples: Float32[np.ndarray, " sample"], check: Check = lambda: None
    ) -> tuple[dict[str, Any], LiveClip]:
        """Say what is heard in a recording.

        Returns the record that pages read, and what `word` and `change` need.
        """
        model = self._model
        if len(samples) > model.window_samples:
            raise InputError(
                f"the recording is {len(samples) / SAMPLE_RATE_HZ:.1f} s long, and {model.id} hears {model.window_s:g} "
                "s at once: give its beginning."
            )
        windows = model.windows(Clip(samples, "recording"))
        with model.reading(self._features.sites) as tape:
            encoding = model.encode_mel(windows.mel).detach()
        values = {site: tape[site][0].detach() for site in self._features.sites}
        check()
        heard, attention, texts = self._listen(windows, encoding)
        check()
        aligned = self._aligned(heard, encoding) if texts else []
        fired = self._features.fired(values, windows.kinds[0], heard.n_sound)
        record = {
            "model": model.name,
            "duration_s": len(samples) / SAMPLE_RATE_HZ,
            "frame_s": FRAME_S,
            "n_frames": heard.n_sound,
            "window_s": model.window_s,
            "language": heard.language,
            "heard": {"text": heard.text, "stopped": heard.is_stopped},
            "words": [
                _word(text, float(score), stretch, curve[: heard.n_sound])
                for text, score, stretch, curve in zip(texts, heard.scores, aligned, attention, strict=True)
            ],
            "features": fired,
            "waveform": waveform(samples),
        }
        return record, heard

    def word(self, state: LiveClip, number: int, check: Check = lambda: None) -> dict[str, Any]:
        """Find where a word came from, by relevance and by silencing.

        The first word of a recording takes a run of the model for each tenth of a second; the others use it too.
        """
        if not 0 <= number < len(state.places):
            raise InputError(f"word {number} is not there: the recording has {len(state.places)}. Give one from 0.")
        if number not in state.relevance:
            state.relevance[number] = self._relevance(state, number)
        check()
        if state.falls is None:
            state.falls = self._falls(state, check)
        curves = {"relevance": state.relevance[number], "perturbation": state.falls[number]}
        return {"word": number, "ways": {way: _way(curve[: state.n_sound]) for way, curve in curves.items()}}

    def change(
        self, state: LiveClip, changes: Sequence[Mapping[str, Any]], check: Check = lambda: None
    ) -> dict[str, Any]:
        """Say what is heard when features and heads are scaled.

        Returns `heard` and `before`: both transcripts. `log_probability` of the tokens of the transcript before, by the
        model as it was (`before`) and as it is changed (`after`); None where nothing had been heard.
        """
        wanted, model = self._edits(changes), self._model
        with ExitStack() as edits:
            for edit in wanted:
                edits.enter_context(model.edit(edit))
            encoding = model.encode_mel(state.windows.mel).detach()
            check()
            _, written = write_windows(model, encoding, [state.language])[0]
            check()
            after = float(self._scores(encoding, state.ids, state.places).sum()) if state.places else None
        before = float(state.scores.sum()) if state.places else None
        return {
            "heard": text_of(model, written.tokens),
            "stopped": written.is_stopped,
            "before": state.text,
            "log_probability": {"before": _finite(before), "after": _finite(after)},
            "n_tokens": sum(place.stop - place.first for place in state.places),
        }

    def _listen(self, windows: Windows, encoding: Tensor) -> tuple[LiveClip, np.ndarray, list[str]]:
        """Transcribe a window, and find where the alignment heads look for each word."""
        model = self._model
        language, written = write_windows(model, encoding, [None])[0]
        known = model.vocabulary
        tokens = [token for token in written.tokens if known.is_text(token)]
        spelt = split_words(model.tokenizer, tokens, language) if tokens else []
        prompt = prompt_tokens(model, language=language)
        places = tracing.word_tokens(len(prompt), [len(ids) for _, ids in spelt])
        ids = [*prompt, *tokens]
        n_sound = max(1, tracing.n_sound_frames(windows.kinds[0]))
        text, no_scores = text_of(model, tokens), np.zeros(0, np.float32)
        heard = LiveClip(windows, n_sound, language, text, written.is_stopped, ids, places, no_scores)
        if not spelt:
            return heard, np.zeros((0, model.n_frames), np.float32), []
        cross = tracing.pattern_sites(model)[2]
        blocks = sorted({head.block for head in self._heads})
        with model.reading([cross[block] for block in blocks]) as tape, torch.no_grad():
            logits = read_logits(model, encoding, torch.tensor([ids]))
        heard.scores = perturbation.word_scores(logits, ids, places)[0].cpu().numpy()
        return heard, tracing.attention_curves(tape, cross, places, self._heads), [text.strip() for text, _ in spelt]

    def _aligned(self, heard: LiveClip, encoding: Tensor) -> list[tuple[int, int]]:
        """Give each word its frames [start, stop)."""
        model = self._model
        tokens = heard.ids[heard.places[0].first :]
        (words,) = align(
            model, model.vocabulary, encoding, [tokens], language=heard.language, task=tracing.TASK,
            heads=self._heads, n_frames=heard.n_sound,
        )  # fmt: skip
        kinds = heard.windows.kinds[0]
        return [tracing.spoken(word.start_frame, word.end_frame, kinds) for word in words]

    def _scores(self, encoding: Tensor, ids: list[int], places: Sequence[WordTokens]) -> Tensor:
        with torch.no_grad():
            return perturbation.word_scores(forced_logits(self._model, encoding, torch.tensor([ids])), ids, places)[0]

    def _relevance(self, state: LiveClip, number: int) -> np.ndarray:
        """Carry one word's relevance through decoder and encoder."""
        model, sites = self._model, tracing.pattern_sites(self._model)
        with model.reading([site for room in sites for site in room], gradients=True) as tape, torch.enable_grad():
            encoding = model.encode_mel(state.windows.mel)
            logits = read_logits(model, encoding, torch.tensor([state.ids]))
            place = state.places[number]
            score = perturbation.word_scores(logits, state.ids, [place])[0]
        return tracing.relevance_curves(score, [place], tape, sites)[0]

    def _falls(self, state: LiveClip, check: Check) -> np.ndarray:
        """Silence one stretch after the other."""
        centres, stretches = perturbation.sliding(state.n_sound, STRETCH_FRAMES, STEP_FRAMES)
        scores = perturbation.stretch_scores(
            self._model, state.windows, state.ids, state.places, stretches,
            batch_size=1 if self._model.device.type == "cpu" else 16, progress=lambda _: check(),
        )  # fmt: skip
        return perturbation.drop_curves(scores, state.scores, centres, state.n_sound, self._model.n_frames)

    def _edits(self, changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Edit]]:
        """Make edits from what a page sent; features of one dictionary are changed together, as its strengths are."""
        edits: list[dict[str, Edit]] = []
        factors: dict[str, tuple[Dictionary, dict[int, float]]] = {}
        for given in changes:
            change = self._change(given)
            dictionary = change.feature.directions.dictionary if isinstance(change, ScaleFeature) else None
            if isinstance(change, ScaleFeature) and dictionary is not None:
                own = factors.setdefault(change.site, (dictionary.to(self._model.device), {}))
                own[1][change.feature.index] = change.factor
            else:
                edits.append({change.site: partial(change.apply, strength=1.0)})
        return edits + [{site: partial(_changed, *own)} for site, own in factors.items()]

    def _change(self, change: Mapping[str, Any]) -> ScaleFeature | ScaleHead:
        """Read one change."""
        kind, site = change.get("kind"), change.get("site")
        factor = _number(change.get("scale"), "scale")
        if kind not in ("feature", "head") or not isinstance(site, str):
            raise InputError(f"a change is of kind {str(kind)[:40]!r}: give feature or head, and its site.")
        index = _number(change.get(kind), kind)
        if not index.is_integer():
            raise InputError(f"{kind} is {index!r}: give a whole number.")
        if kind == "head":
            return scale_head(self._model, f"{site[:100]}.{int(index)}", factor)
        return scale_feature(self._features.feature(site, str(change.get("basis")), int(index)), factor)


def _changed(dictionary: Dictionary, factors: Mapping[int, float], x: Tensor) -> Tensor:
    return torch.stack([dictionary.changed(window, factors) for window in x])


def waveform(samples: Float32[np.ndarray, " sample"]) -> dict[str, Any]:
    """Give the outline of a sound: the lowest and highest sample of each step, between -1 and 1."""
    step = max(1, -(-len(samples) // WAVEFORM_STEPS))
    starts = np.arange(0, len(samples), step)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    both = {"low": low, "high": high}
    return {
        "step_s": step / SAMPLE_RATE_HZ,
        **{name: np.round(np.clip(each, -1, 1).astype(np.float64), 3).tolist() for name, each in both.items()},
    }


def _word(text: str, score: float, stretch: tuple[int, int], curve: np.ndarray) -> dict[str, Any]:
    start_s, stop_s = (frame * FRAME_S for frame in stretch)
    return {
        "text": text,
        "start_s": start_s,
        "end_s": stop_s,
        "log_probability": _finite(score),
        "true_s": None,
        "ways": {"attention": {**_way(curve), "stretch_s": [start_s, stop_s]}},
        "spliced": None,
    }


def _way(curve: np.ndarray) -> dict[str, Any]:
    """Give a curve as pages read it, its peak and the stretch around it."""
    smoothed = running_mean(curve, SMOOTH_FRAMES)
    return {
        "peak_s": (int(smoothed.argmax()) + 0.5) * FRAME_S,
        "stretch_s": [frame * FRAME_S for frame in half_height(smoothed)],
        "curve": as_curve(curve),
    }


def _number(value: object, what: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{what} is {str(value)[:40]!r}: give a number.")
    return number


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
