"""The log-mel that drives a feature most, from noise or from a recording, and the sound that comes nearest to it.

Costs a run of the encoder up to the feature's site, forwards and backwards, for each step and batch of features; the
comparison costs one pass of the encoder over the recordings. `ascent` does the driving, `real` the
comparison, `otoscope.audio.mel_inversion` the sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from torch import Tensor

from otoscope.audio.clip import as_clip
from otoscope.audio.mel_inversion import invert_log_mel
from otoscope.audio.windows import check_window
from otoscope.base.clocks import FRAME_SAMPLES, MEL_FRAMES_PER_FRAME, frames_begun, seconds_to_stop_frame
from otoscope.base.errors import InputError
from otoscope.base.settings import takes
from otoscope.harvest.activity import check_sites
from otoscope.model.whisper import Sound, Whisper
from otoscope.study.dream.ascent import Ascent, ascend, driven_site, strengths_of
from otoscope.study.dream.real import RealMoments, strongest_in_corpus
from otoscope.study.dream.result import Dream, DreamtSound, FeatureDream
from otoscope.study.dream.settings import DreamSettings
from otoscope.study.feature import Feature, feature_named

NOISE_RMS = 0.01
"""Level of the noise that dreams start from: -40 dBFS."""
NOISE_LENGTH_S = 2.0


@takes(DreamSettings)
def dream(
    model: Whisper,
    features: str | Feature | Sequence[str | Feature],
    start: Sound | None = None,
    *,
    settings: DreamSettings,
    window: int = 0,
    real: Iterable[Sound] | RealMoments | None = None,
    progress: Callable[[int, int], None] | None = None,
    listening: Callable[[int, int], None] | None = None,
) -> Dream:
    """Find the log-mel that drives each feature most, by gradient ascent.

    Args:
        model: Any Whisper.
        features: One feature or several: `SITE:INDEX` for neurons, or what `feature_named` gives.
        start: A recording to start from; None for faint noise.
        settings: How they are made.
        window: Which window of a recording longer than one.
        real: Recordings to compare with, or the strongest moments already found; None for no comparison.
        progress: Called with the steps done and the steps in all, over all batches.
        listening: Called after each recording of `real` with the number done and the number in all (0 when it is not
            known).

    Returns:
        The dreams.

    Raises:
        SiteError: A site is not in the model.
        InputError: A feature's name is not valid, a feature is not in the encoder or is named twice, or the frames, the
            length or the window do not exist.
        AudioError: The recording cannot be used.

    Source:
        The experiment is one of the code of "Interpreting OpenAI's Whisper" (Ellena Reid, 2023).
    """
    names = [features] if isinstance(features, (str, Feature)) else list(features)
    chosen = [feature_named(model, item) if isinstance(item, str) else item for item in names]
    check_features(model, chosen)
    name, mel, n_frames = _start(model, start, window, settings)
    before = [strengths_of(model, feature, mel[None])[0] for feature in chosen]
    targets = [_target(settings, strengths, n_frames, is_noise=start is None) for strengths in before]
    moments = (
        real
        if isinstance(real, RealMoments) or real is None
        else strongest_in_corpus(model, chosen, real, name=getattr(real, "name", "recordings"), progress=listening)
    )
    ascents = _ascend_all(model, chosen, mel, targets, settings, progress)
    dreams = []
    for row, (feature, ascent, target) in enumerate(zip(chosen, ascents, targets, strict=True)):
        dreams.append(
            FeatureDream(
                name=feature.name,
                site=feature.site,
                basis=feature.basis,
                index=feature.index,
                driven_at=driven_site(feature),
                frames=target,
                start_strength=float(before[row][target[0] : target[1]].mean()),
                start_largest=float(before[row].max()),
                strength=float(ascent.curve[-1]),
                real=None if moments is None else moments.moments[row],
                sound=_sound(model, feature, ascent.mel, target, settings.seed) if settings.sound else None,
                mel=ascent.mel,
                curve=ascent.curve,
                strengths=ascent.strengths,
            )
        )
    return Dream(
        model=model.name,
        start=name,
        start_mel=mel.cpu().numpy(),
        settings=settings,
        source=None if moments is None else moments.source,
        n_clips=0 if moments is None else moments.n_clips,
        n_frames=0 if moments is None else moments.n_frames,
        features=tuple(dreams),
    )


def check_features(model: Whisper, features: Sequence[Feature]) -> None:
    """Refuse features of the decoder, repeated ones, and an empty list."""
    if not features:
        raise InputError("no feature was named: give SITE:INDEX, such as 'encoder.blocks.0.mlp.1:12'.")
    rooms = {site.name: site.room for site in model.sites()}
    for feature in features:
        if rooms.get(feature.site) == "decoder":
            raise InputError(
                f"feature {feature.name!r} is one of the decoder, which hears no log-mel of its own: dreams are of "
                "the encoder. Name a site such as 'encoder.blocks.0.mlp.1'."
            )
        check_sites(model, [feature.site])
    names = [feature.name for feature in features]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"feature {twice!r} was named twice: name each once.")


def _start(model: Whisper, start: Sound | None, window: int, settings: DreamSettings) -> tuple[str, Tensor, int]:
    """Return what dreams start from: its name, its log-mel [n_mels, mel_frame] and its number of frames."""
    if start is None:
        n_frames = _n_frames(model, NOISE_LENGTH_S if settings.length_s is None else settings.length_s)
        rng = np.random.default_rng(settings.seed)
        samples = rng.normal(0, NOISE_RMS, n_frames * FRAME_SAMPLES).astype(np.float32)
        mel = model.windows(samples).mel[0]
        return "noise", mel[:, : n_frames * MEL_FRAMES_PER_FRAME].float(), n_frames
    clip = as_clip(start)
    windows = model.windows(clip)
    check_window(window, len(windows.kinds))
    if settings.length_s is None:
        n_frames = min(model.n_frames, max(1, frames_begun(len(clip.samples)) - window * model.n_frames))
    else:
        n_frames = _n_frames(model, settings.length_s)
    name = clip.id if window == 0 else f"{clip.id}, window {window}"
    return name, windows.mel[window, :, : n_frames * MEL_FRAMES_PER_FRAME].float(), n_frames


def _n_frames(model: Whisper, length_s: float) -> int:
    if length_s > model.window_s:
        raise InputError(
            f"a length of {length_s:g} s does not fit: a window of {model.id} holds {model.window_s:g} s. Give that or "
            "less."
        )
    return max(1, seconds_to_stop_frame(length_s))


def _target(settings: DreamSettings, before: np.ndarray, n_frames: int, *, is_noise: bool) -> tuple[int, int]:
    """Choose the frames in which a feature is driven."""
    if settings.frames is None:
        middle = n_frames // 2 if is_noise else int(before.argmax())
        return middle, middle + 1
    first, stop = settings.frames
    if stop > n_frames:
        raise InputError(
            f"frames {first}-{stop - 1} go past the end: {n_frames} frames (0-{n_frames - 1}) are dreamt. Give frames "
            "of these, or a greater length."
        )
    return first, stop


def _ascend_all(
    model: Whisper,
    features: Sequence[Feature],
    mel: Tensor,
    targets: Sequence[tuple[int, int]],
    settings: DreamSettings,
    progress: Callable[[int, int], None] | None,
) -> list[Ascent]:
    """Drive all features, those of one site in batches; ascents in the order of the features."""
    batches: list[list[int]] = []
    sites = [(feature.site, driven_site(feature)) for feature in features]
    for pair in dict.fromkeys(sites):
        rows = [row for row, sites_of_row in enumerate(sites) if sites_of_row == pair]
        batches += [rows[first : first + settings.batch_size] for first in range(0, len(rows), settings.batch_size)]
    ascents: dict[int, Ascent] = {}
    for number, rows in enumerate(batches):
        done = number * settings.steps

        def advance(step: int, done: int = done) -> None:
            if progress is not None:
                progress(done + step, settings.steps * len(batches))

        batch = [features[row] for row in rows]
        driven = ascend(model, batch, mel, [targets[row] for row in rows], settings, advance)
        ascents.update(zip(rows, driven, strict=True))
    return [ascents[row] for row in range(len(features))]


def _sound(model: Whisper, feature: Feature, mel: np.ndarray, target: tuple[int, int], seed: int) -> DreamtSound:
    """Make the sound of a dream, and let the model hear it."""
    samples = invert_log_mel(mel, seed=seed)
    heard = model.windows(samples).mel[:1, :, : mel.shape[1]].float()
    strengths = strengths_of(model, feature, heard)[0]
    heard_mel = heard[0].cpu().numpy()
    spread = heard_mel.std() * mel.std()
    covariance = ((heard_mel - heard_mel.mean()) * (mel - mel.mean())).mean()
    correlation = float(covariance / spread) if spread > 0 else float("nan")
    return DreamtSound(samples, float(strengths[target[0] : target[1]].mean()), correlation)
