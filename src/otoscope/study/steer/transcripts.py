"""What is transcribed under several steerings of the same clips, beside what is transcribed with none.

The windows of a long recording lie side by side, without timestamps, so that each frame has its place. Clips are taken
in groups of a few windows and every steering runs over a group before the next is read. Where no site of the encoder
is changed, the encoder runs once for all. Costs one run of the decoder, and where it is changed the encoder, for each
steering. It does not know what a steering is good for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from otoscope.audio.clip import Clip, as_clip
from otoscope.base.clocks import frames_begun
from otoscope.base.errors import InputError
from otoscope.model.whisper import Sound, Whisper
from otoscope.model.windows import Windows
from otoscope.study.steer.steering import Change, site_of
from otoscope.study.steer.where import Where
from otoscope.study.writing import BATCH_SIZE, Text, join_texts, write_texts

GROUP_WINDOWS = BATCH_SIZE
"""Clips are gathered until they have this many windows; a longer clip is a group of its own."""

Edit = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Steering:
    """Changes at a strength."""

    changes: tuple[Change, ...]  # in the order in which they are made
    strength: float  # of all of them; 0 is no change at all

    @property
    def is_idle(self) -> bool:
        """Whether it changes nothing."""
        return self.strength == 0 or not self.changes

    def changes_encoder(self, model: Whisper) -> bool:
        """Whether a site of the encoder is changed."""
        return any(site_of(model, change.site).room == "encoder" for change in self.changes)

    def edits(self, model: Whisper, chosen: Bool[Tensor, "window frame"] | None) -> dict[str, Edit]:
        """Make the edits for a batch of windows, of which the chosen frames are steered; None for all."""
        by_site: dict[str, list[Change]] = {}
        for change in self.changes:
            by_site.setdefault(change.site, []).append(change)
        return {site: self._edit(model, site, changes, chosen) for site, changes in by_site.items()}

    def _edit(
        self, model: Whisper, site: str, changes: Sequence[Change], chosen: Bool[Tensor, "window frame"] | None
    ) -> Edit:
        mask = chosen
        if chosen is not None and "mel_frame" in site_of(model, site).axes:
            mask = chosen.repeat_interleave(2, dim=1)

        def edit(x: Tensor) -> Tensor:
            y = x
            for change in changes:
                y = change.apply(y, self.strength)
            return y if mask is None else torch.where(mask[..., None], y, x)

        return edit


@dataclass(frozen=True)
class ClipTexts:
    """The transcripts of all clips."""

    texts: tuple[str, ...]
    languages: tuple[str, ...]  # of each clip's first window, as given to the decoder
    is_stopped: tuple[bool, ...]  # whether the decoder had no room to end the text


@dataclass(frozen=True)
class Steered:
    """The transcripts of clips under each steering."""

    clip_ids: tuple[str, ...]
    references: tuple[str | None, ...]  # what was said in each, where that is known
    clean: ClipTexts  # with nothing changed
    by_name: Mapping[Hashable, ClipTexts]
    n_frames: int  # steered, in all clips


@dataclass
class _Rows:
    texts: list[Text] = field(default_factory=list)

    def add(self, rows: Sequence[Text], sizes: Sequence[int]) -> None:
        first = 0
        for n in sizes:
            self.texts.append(join_texts(rows[first : first + n]))
            first += n

    def done(self) -> ClipTexts:
        texts = self.texts
        return ClipTexts(
            tuple(text.text for text in texts),
            tuple(text.language for text in texts),
            tuple(text.is_stopped for text in texts),
        )


def steered_transcripts(
    model: Whisper,
    clips: Iterable[Sound],
    steerings: Mapping[Hashable, Steering],
    *,
    where: Where | None = None,
    language: str | None = None,
    redetect: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Steered:
    """Transcribe clips with nothing changed and under each steering."""
    frames = where or Where()
    check_frames(model, frames, [change for steering in steerings.values() for change in steering.changes])
    clean, others = _Rows(), {name: _Rows() for name in steerings}
    ids: list[str] = []
    references: list[str | None] = []
    n_frames = 0
    for group in _groups(model, clips):
        part = _ClipGroup(model, group, frames, language, redetect=redetect)
        clean.add(part.clean, part.sizes)
        for name, steering in steerings.items():
            others[name].add(part.under(steering), part.sizes)
        ids += [windows.clip.id for windows in group]
        references += [windows.clip.transcript for windows in group]
        n_frames += part.n_frames
        progress(len(ids))
    if not ids:
        raise InputError("no clips were given to steer: one or more are needed. Give recordings.")
    if n_frames == 0:
        raise InputError(
            f"none of {len(ids)} clips has a frame to steer: {frames.name}. Choose others, or leave the choice out."
        )
    by_name = {name: rows.done() for name, rows in others.items()}
    return Steered(tuple(ids), tuple(references), clean.done(), by_name, n_frames)


def check_frames(model: Whisper, where: Where, changes: Iterable[Change]) -> None:
    """Refuse a choice of frames at sites that have none."""
    if where.is_everywhere:
        return
    for change in changes:
        axes = site_of(model, change.site).axes
        if "frame" not in axes and "mel_frame" not in axes:
            raise InputError(
                f"{change.name}: site {change.site!r} goes by tokens and has no frames to choose from ({where.name}). "
                "Leave the choice of frames out, or steer a site of the encoder or what a cross-attention head reads."
            )


class _ClipGroup:
    """The windows of a few clips, which run in batches."""

    def __init__(
        self, model: Whisper, group: Sequence[Windows], where: Where, language: str | None, *, redetect: bool
    ) -> None:
        self._model = model
        self.sizes = [len(windows.mel) for windows in group]
        self._mel = torch.cat([windows.mel for windows in group])
        chosen = np.concatenate([where.mask(windows.clip, windows.kinds) for windows in group])
        self.n_frames = int(chosen.sum())
        self._chosen = None if where.is_everywhere else torch.from_numpy(chosen).to(model.device)
        languages = [language or windows.clip.language for windows in group for _ in windows.mel]
        self._encoded = [model.encode_mel(mel, batch_size=BATCH_SIZE) for mel in self._mel.split(BATCH_SIZE)]
        self.clean = self._write(self._encoded, languages)
        self._languages: list[str | None] = [language or (None if redetect else row.language) for row in self.clean]

    def under(self, steering: Steering) -> list[Text]:
        """Transcribe every window under a steering."""
        if steering.is_idle:
            return self.clean
        is_encoded = steering.changes_encoder(self._model)
        rows: list[Text] = []
        for number, mel in enumerate(self._mel.split(BATCH_SIZE)):
            first = number * BATCH_SIZE
            batch = slice(first, first + len(mel))
            chosen = None if self._chosen is None else self._chosen[batch]
            with self._model.edit(steering.edits(self._model, chosen)):
                encoded = self._model.encode_mel(mel, batch_size=len(mel)) if is_encoded else self._encoded[number]
                rows += write_texts(self._model, encoded, self._languages[batch])
        return rows

    def _write(
        self, encoded: Sequence[Float[Tensor, "window frame d_model"]], languages: Sequence[str | None]
    ) -> list[Text]:
        rows: list[Text] = []
        for batch in encoded:
            rows += write_texts(self._model, batch, languages[len(rows) : len(rows) + len(batch)])
        return rows


def _groups(model: Whisper, clips: Iterable[Sound]) -> Iterator[list[Windows]]:
    """Group clips by their number of windows."""
    group: list[Windows] = []
    n_windows = 0
    for clip in clips:
        windows = model.windows(as_clip(clip))
        if group and n_windows + len(windows.mel) > GROUP_WINDOWS:
            yield group
            group, n_windows = [], 0
        group.append(windows)
        n_windows += len(windows.mel)
    if group:
        yield group


def vector_lengths(model: Whisper, clip: Clip, sites: Sequence[str], language: str | None = None) -> dict[str, float]:
    """Measure how long the vectors of sites are, on average over a clip's frames or tokens; first window alone."""
    first = Clip(samples=clip.samples[: model.window_samples], id=clip.id, language=clip.language)
    held = model.activations(first, list(dict.fromkeys(sites)), language=language) if sites else {}
    n_frames = frames_begun(len(first.samples))
    lengths = {}
    for site, x in held.items():
        rows = x[:, :n_frames] if site_of(model, site).axes[1] == "frame" else x
        lengths[site] = float(rows.detach().float().norm(dim=-1).mean())
    return lengths
