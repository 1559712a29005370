"""What is transcribed, and how sure the decoder is of it, when a site holds something else than its activations.

Each window is encoded once, and for every thing that stands in once more from its block on; the decoder runs twice over
it: once to say how likely a given text is, once to write its own, many windows and things at a time. Windows of a long
recording are taken side by side, as in `splice`, so that each frame has its kind. It does not know what stands in, nor
how well it puts vectors together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.base.numbers import finite
from otoscope.model.activations import text_ids
from otoscope.model.cross_attention import SeenKeysValues, seen_keys_values
from otoscope.model.encoder_end import encoder_end
from otoscope.model.generation import forced_logits, prompt_tokens
from otoscope.model.whisper import Whisper
from otoscope.model.windows import Windows
from otoscope.study.error_rate import ErrorRate, bootstrap_rate, character_errors, word_errors
from otoscope.study.writing import BATCH_SIZE, Text, join_texts, room_beside, text_of, write_windows

GROUP_WINDOWS, GROUP_BYTES = 16, 512_000_000
"""Windows that are held at a time, with what each site holds that a run begins from: no more than this of either."""

REFERENCE, CLEAN = "reference", "clean transcript"


class StandsIn(Protocol):
    """What gives other vectors in place of a site's."""

    def reconstruct(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Give as many vectors of the same length."""


class Replacing:
    """An edit of a site: what stands in takes the place of every frame, or of frames of some kinds.

    `replaced`: the kinds of frames that are replaced; None for all, of which no kinds need be known.
    """

    def __init__(self, what: StandsIn, replaced: frozenset[Kind] | None = None) -> None:
        self._what = what
        self._replaced = replaced
        self.kinds: Int8[np.ndarray, "window frame"] | None = None

    def __call__(self, x: Float[Tensor, "window frame d"]) -> Float[Tensor, "window frame d"]:
        """Replace, in the dtype of the site; frames that stay are not looked at."""
        frames = x.reshape(-1, x.shape[-1])
        if self._replaced is None:
            return self._what.reconstruct(frames.float()).reshape(x.shape).to(x.dtype)
        assert self.kinds is not None, "set before the window is encoded"
        is_replaced = np.isin(self.kinds, [int(kind) for kind in self._replaced])
        places = torch.from_numpy(np.flatnonzero(is_replaced)).to(x.device)
        if not len(places):
            return x
        given = self._what.reconstruct(frames[places].float()).to(x.dtype)
        return frames.index_copy(0, places, given).reshape(x.shape)


@dataclass(frozen=True)
class HeardWith:
    """What was heard in every clip with one thing in place of a site, or with nothing."""

    texts: tuple[str, ...]  # what was written
    losses: tuple[float, ...]  # cross-entropy of the target's tokens, summed over each clip; natural logarithm
    n_tokens: tuple[int, ...]  # of each clip's target, the end of text included
    is_cut: tuple[bool, ...] = ()  # whether the text of each clip was cut because it became too long

    @property
    def n_cut(self) -> int:
        """Clips whose text was cut."""
        return sum(self.is_cut)

    @property
    def ce_loss(self) -> float:
        """Cross-entropy, mean over the tokens of all clips."""
        return sum(self.losses) / sum(self.n_tokens)


@dataclass(frozen=True)
class Hearing:
    """What was heard with each thing in place."""

    clip_ids: tuple[str, ...]
    references: tuple[str | None, ...]  # what was said in each, where that is known
    targets: tuple[str, ...]  # what the cross-entropy of each is of: `reference` or `clean transcript`
    clean: HeardWith  # with nothing in place
    by_name: Mapping[Any, HeardWith]  # with each thing in place

    def rates(self, heard: HeardWith) -> dict[str, Any]:
        """Give WER, CER and words lost against what was said and against the clean transcript, with 95% intervals.

        Words lost are those of the reference that are missing or became others, as a share of it. Words that were
        inserted do not count, so a decoder that repeats itself loses no more than one that says nothing.

        Returns `wer`, `cer` and `lost`, None where no reference is known, and each with `_to_clean`; over clips.
        """
        pairs = list(zip(self.references, self.clean.texts, heard.texts, strict=True))
        rates: dict[str, Any] = {}
        for name, errors in (("wer", word_errors), ("cer", character_errors), ("lost", _words_lost)):
            known = [errors(said, text) for said, _, text in pairs if said is not None]
            rates[name] = bootstrap_rate(known).to_json() if known else None
            rates[f"{name}_to_clean"] = bootstrap_rate([errors(clean, text) for _, clean, text in pairs]).to_json()
        return rates


def ce_scores(clean: HeardWith, heard: HeardWith, mean: HeardWith, zero: HeardWith) -> dict[str, float | None]:
    """Give how much of the decoder's sureness is kept, under SAELens's names.

    Returns `ce_loss_score`, (ablation - sae) / (ablation - without), where the ablation is with zeros as in SAELens,
    and the same with the mean as `ce_loss_score_mean_ablation`; None where the ablation changes nothing.
    Source: SAELens 6.54, `get_downstream_reconstruction_metrics`.
    """
    with_sae, without = heard.ce_loss, clean.ce_loss
    scores = {}
    for name, ablated in (("ce_loss_score", zero.ce_loss), ("ce_loss_score_mean_ablation", mean.ce_loss)):
        scores[name] = finite((ablated - with_sae) / (ablated - without)) if ablated != without else None
    return {
        **scores,
        "ce_loss_with_sae": finite(with_sae),
        "ce_loss_without_sae": finite(without),
        "ce_loss_with_ablation": finite(zero.ce_loss),
        "ce_loss_with_mean_ablation": finite(mean.ce_loss),
    }


def hear(
    model: Whisper,
    clips: Iterable[Clip],
    things: Mapping[Any, tuple[str, Replacing]],
    *,
    language: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Hearing:
    """Transcribe clips with each thing in place of a site, and score what was said in them.

    The language is the clip's, or the one that the model hears with nothing in place, whatever stands in. With a thing
    in place no more is written than `room_beside` the text that is scored: a decoder that repeats itself would go on to
    the end of its room.

    `things`: name to a site and what replaces what it holds.
    `language`: what is spoken, as Whisper's code; the clip's own by default.
    Returns texts and cross-entropies. These are of the reference where there is one and the clip is one window long,
    and otherwise of the clean transcript. A reference in capitals alone is taken in lower case.
    """
    starts = {site: _start_of(model, site) for site, _ in things.values()}
    gathered = _Gathered(things)
    for group in _groups(model, clips, gathered, sorted({start.site for start in starts.values() if start.site})):
        group.write_clean(language)
        for index, clean in enumerate(group.clean):
            gathered.add(None, group.windows[index], clean)
        for index, name, heard in group.with_in_place(things, starts):
            gathered.add(name, group.windows[index], heard)
        progress(len(gathered.clip_ids) - (not group.ends_clip))
    if not gathered.clip_ids:
        raise InputError("no clips were given to transcribe: one or more are needed. Give recordings.")
    return gathered.finish()


class _WindowText(NamedTuple):
    """What was heard in one window: language, text, cross-entropy of the target, and whether the text was cut."""

    code: str
    text: str
    loss: float
    is_cut: bool


class _Gathered:
    """Gathers what was heard by clip."""

    def __init__(self, names: Iterable[Any]) -> None:
        self.clip_ids: list[str] = []
        self.references: list[str | None] = []
        self.targets: list[str] = []
        self.n_tokens: list[int] = []
        self._heard: dict[Any, list[dict[int, _WindowText]]] = {name: [] for name in (None, *names)}

    def begin(self, clip: Clip) -> int:
        """Open a clip, and give its number."""
        self.clip_ids.append(clip.id)
        self.references.append(_said(clip))
        self.targets.append(CLEAN)
        self.n_tokens.append(0)
        for clips in self._heard.values():
            clips.append({})
        return len(self.clip_ids) - 1

    def add(self, name: Any, window: _Window, heard: _WindowText) -> None:
        """Take what was heard in a window; those of a clip come in any order."""
        self._heard[name][window.clip][window.number] = heard

    def finish(self) -> Hearing:
        """Put the windows of each clip together, in order of time."""
        heard = {
            name: [[rows[number] for number in sorted(rows)] for rows in clips] for name, clips in self._heard.items()
        }
        by_name = {
            name: HeardWith(
                texts=tuple(join_texts([Text(row.code, row.text) for row in rows]).text for rows in clips),
                losses=tuple(sum(row.loss for row in rows) for rows in clips),
                n_tokens=tuple(self.n_tokens),
                is_cut=tuple(any(row.is_cut for row in rows) for rows in clips),
            )
            for name, clips in heard.items()
        }
        ids, references, targets = tuple(self.clip_ids), tuple(self.references), tuple(self.targets)
        return Hearing(ids, references, targets, by_name.pop(None), by_name)


class _Start(NamedTuple):
    """Where a run with something in place of a site begins: from what which site holds, and with which block.

    The site is None where the whole encoder runs.
    """

    site: str | None
    block: int


def _start_of(model: Whisper, name: str) -> _Start:
    """Find how much of the encoder need not run again: all that comes before the block of a site."""
    (name,) = model.expand(name)
    block = next(site.block for site in model.sites() if site.name == name)
    if name == f"encoder.blocks.{block}":
        return _Start(name, int(block or 0) + 1)
    return _Start(f"encoder.blocks.{block - 1}", block) if block else _Start(None, 0)


@dataclass
class _Window:
    """One window of a clip: which clip, and the text that is scored in it."""

    clip: int  # the clip's number
    number: int  # which of the clip's windows it is
    sound: Windows  # the window alone
    is_only: bool  # whether the clip has no other window
    code: str = ""  # what is spoken
    ids: list[int] = field(default_factory=list)  # prompt, text and end of the text that is scored
    n_prompt: int = 0  # how many of them are the prompt

    @property
    def most_tokens(self) -> int:
        """How many tokens may be written in it while something stands in."""
        return room_beside(len(self.ids) - self.n_prompt)


class _Group:
    """Some windows, each encoded once as it is; then many times from the site on that holds something else.

    `starts`: sites from which runs with something in place begin.
    """

    def __init__(
        self, model: Whisper, windows: Sequence[_Window], ends_clip: bool, gathered: _Gathered, starts: Sequence[str]
    ) -> None:
        self._model = model
        self.windows = windows
        self.ends_clip = ends_clip
        self._gathered = gathered
        encodings, self._held = [], []
        for window in windows:
            with model.reading(starts) as tape:
                encodings.append(model.encode_mel(window.sound.mel))
            self._held.append({site: tape[site] for site in starts})
        self._encodings = torch.cat(encodings)

    def write_clean(self, language: str | None) -> None:
        """Write each window with nothing in place, and settle the text that is scored in it."""
        languages = [language or window.sound.clip.language for window in self.windows]
        with seen_keys_values(self._model) as seen:
            rows = write_windows(self._model, self._encodings, languages)
        for index, (window, (code, written)) in enumerate(zip(self.windows, rows, strict=True)):
            window.code = code
            self._set_target(window, index, written.tokens)
            self._gathered.n_tokens[window.clip] += len(window.ids) - window.n_prompt
        losses = self._losses(self._encodings, self.windows, seen)
        self.clean = [
            _WindowText(code, text_of(self._model, written.tokens), loss, False)
            for (code, written), loss in zip(rows, losses, strict=True)
        ]

    def _set_target(self, window: _Window, index: int, written: Sequence[int]) -> None:
        """Spell what was said, or what was written with nothing in place."""
        said, code = _said(window.sound.clip), window.code
        prompt = list(prompt_tokens(self._model, language=code))
        window.n_prompt = len(prompt)
        if window.is_only and said is not None and said.strip():
            text = said if any(letter.islower() for letter in said) else said.lower()
            encoding = self._encodings[index : index + 1]
            try:
                window.ids = text_ids(self._model, window.sound, encoding, text, code)[0].tolist()
            except InputError:  # longer than the decoder
                pass
            else:
                self._gathered.targets[window.clip] = REFERENCE
                return
        longest, end = self._model.hf.config.max_target_positions, self._model.vocabulary.end_id
        window.ids = [*prompt, *written, end][:longest]

    def with_in_place(
        self, things: Mapping[Any, tuple[str, Replacing]], starts: Mapping[str, _Start]
    ) -> Iterator[tuple[int, Any, _WindowText]]:
        """Write every window with everything in place, many at a time; gives the window's place, the name, the rest."""
        waiting: list[tuple[int, Any, Tensor]] = []
        # windows of similar length share a batch, which goes on until the last of them has ended
        for index in sorted(range(len(self.windows)), key=lambda index: self.windows[index].most_tokens):
            for name, (site, edit) in things.items():
                waiting.append((index, name, self._encode(index, site, edit, starts[site])))
                if len(waiting) == BATCH_SIZE:
                    yield from self._write(waiting)
                    waiting = []
        if waiting:
            yield from self._write(waiting)

    def _write(self, waiting: Sequence[tuple[int, Any, Tensor]]) -> Iterator[tuple[int, Any, _WindowText]]:
        windows = [self.windows[index] for index, _, _ in waiting]
        encodings = torch.cat([encoding for _, _, encoding in waiting])
        most = 1 + max(window.most_tokens for window in windows)  # one more tells what was cut from what just ended
        with seen_keys_values(self._model) as seen:
            rows = write_windows(self._model, encodings, [window.code for window in windows], most_tokens=most)
        losses = self._losses(encodings, windows, seen)
        for (index, name, _), window, (code, written), loss in zip(waiting, windows, rows, losses, strict=True):
            text = text_of(self._model, written.tokens[: window.most_tokens])
            yield index, name, _WindowText(code, text, loss, len(written.tokens) > window.most_tokens)

    def _encode(self, index: int, site: str, edit: Replacing, start: _Start) -> Float[Tensor, "1 frame d_model"]:
        """Encode a window with something in place of a site, from there on."""
        window = self.windows[index].sound
        edit.kinds = window.kinds
        if start.site == site:
            return encoder_end(self._model, edit(self._held[index][site]), start.block)
        with self._model.edit({site: edit}):
            if start.site is None:
                return self._model.encode_mel(window.mel)
            return encoder_end(self._model, self._held[index][start.site], start.block)

    def _losses(self, encodings: Tensor, windows: Sequence[_Window], seen: SeenKeysValues) -> list[float]:
        n_prompt = [window.n_prompt for window in windows]
        return token_losses(self._model, encodings, [window.ids for window in windows], n_prompt, seen)


def token_losses(
    model: Whisper,
    encodings: Float[Tensor, "window frame d_model"],
    ids: Sequence[Sequence[int]],
    n_prompt: Sequence[int],
    seen: SeenKeysValues | None = None,
) -> list[float]:
    """Give the cross-entropy of what the decoder is made to say over each window.

    Returns for each window the sum over its tokens; natural logarithm, over the whole vocabulary.
    """
    longest = max(map(len, ids))
    padded: Int64[Tensor, "window token"] = torch.zeros(len(ids), longest, dtype=torch.int64)
    is_scored = torch.zeros(len(ids), longest, dtype=torch.bool)
    for row, (window_ids, start) in enumerate(zip(ids, n_prompt, strict=True)):
        padded[row, : len(window_ids)] = torch.tensor(list(window_ids))  # what follows is not seen by what comes before
        is_scored[row, start : len(window_ids)] = True
    padded, is_scored = padded.to(encodings.device), is_scored.to(encodings.device)
    with torch.no_grad():
        logits = forced_logits(model, encodings, padded[:, :-1], seen)
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), padded[:, 1:].flatten(), reduction="none")
    scored: list[float] = (losses.view(len(ids), -1).double() * is_scored[:, 1:]).sum(dim=1).tolist()
    return scored


def _groups(model: Whisper, clips: Iterable[Clip], gathered: _Gathered, starts: Sequence[str]) -> Iterator[_Group]:
    """Take windows until as many are held as may be."""
    window_bytes = (1 + len(starts)) * model.n_frames * model.d_model * 4
    most = max(1, min(GROUP_WINDOWS, GROUP_BYTES // window_bytes))
    windows: list[_Window] = []
    for clip in clips:
        number, n_windows = gathered.begin(clip), max(1, -(-len(clip.samples) // model.window_samples))
        for part, sound in enumerate(model.each_window(clip), 1):
            windows.append(_Window(number, part, sound, n_windows == 1))
            if len(windows) == most:
                yield _Group(model, windows, part == n_windows, gathered, starts)
                windows = []
    if windows:
        yield _Group(model, windows, True, gathered, starts)


def _said(clip: Clip) -> str | None:
    """What was said in a clip: its transcript, or else its words in time; None where neither is known."""
    if clip.transcript is not None or not clip.words:
        return clip.transcript
    return " ".join(word.text for word in clip.words).strip() or None


def _words_lost(reference: str, hypothesis: str) -> ErrorRate:
    return replace(word_errors(reference, hypothesis), insertions=0)
