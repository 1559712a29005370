"""What is transcribed, and how sure the decoder is of it, when a site holds something else than its activations.

Each window is encoded once for every thing that stands in, and the decoder runs twice over it: once to say how likely a
given text is, once to write its own. Windows of a long recording are taken side by side, as in `splice`, so that each
frame has its kind. It does not know what stands in, nor how well it puts vectors together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor

from otoscope.audio.clip import Clip
from otoscope.audio.kinds import Kind
from otoscope.base.errors import InputError
from otoscope.model.activations import text_ids
from otoscope.model.generation import prompt_tokens
from otoscope.model.whisper import Whisper, Windows
from otoscope.study.error_rate import ErrorRate, bootstrap_rate, character_errors, word_errors
from otoscope.study.result_files import finite
from otoscope.study.writing import join_texts, text_of, write_texts, write_windows

GROUP_WINDOWS = 16
"""Windows whose encoder outputs are held at a time."""

REFERENCE, CLEAN = "reference", "clean transcript"


class StandsIn(Protocol):
    """What gives other vectors in place of a site's."""

    def reconstruct(self, x: Float[Tensor, "frame d"]) -> Float[Tensor, "frame d"]:
        """Give as many vectors of the same length."""


class Replacing:
    """An edit of a site: what stands in takes the place of every frame, or of frames of some kinds.

    Args:
        what: Gives the vectors.
        replaced: The kinds of frames that are replaced; None for all, of which no kinds need be known.
    """

    def __init__(self, what: StandsIn, replaced: frozenset[Kind] | None = None) -> None:
        self._what = what
        self._replaced = replaced
        self.kinds: Int8[np.ndarray, "window frame"] | None = None

    def __call__(self, x: Float[Tensor, "window frame d"]) -> Float[Tensor, "window frame d"]:
        """Replace, in the dtype of the site."""
        given = self._what.reconstruct(x.reshape(-1, x.shape[-1]).float()).reshape(x.shape).to(x.dtype)
        if self._replaced is None:
            return given
        assert self.kinds is not None, "set before the window is encoded"
        is_replaced = torch.from_numpy(np.isin(self.kinds, [int(kind) for kind in self._replaced])).to(x.device)
        return torch.where(is_replaced[..., None], given, x)


@dataclass(frozen=True)
class Heard:
    """What was heard in every clip with one thing in place of a site, or with nothing.

    Attributes:
        texts: What was written.
        losses: Cross-entropy of the target's tokens, summed over each clip; natural logarithm.
        n_tokens: Tokens of each clip's target, the end of text included.
    """

    texts: tuple[str, ...]
    losses: tuple[float, ...]
    n_tokens: tuple[int, ...]

    @property
    def ce_loss(self) -> float:
        """Cross-entropy, mean over the tokens of all clips."""
        return sum(self.losses) / sum(self.n_tokens)


@dataclass(frozen=True)
class Hearing:
    """What was heard with each thing in place.

    Attributes:
        clip_ids: The clips.
        references: What was said in each, where that is known.
        targets: What the cross-entropy of each is of: `reference` or `clean transcript`.
        clean: With nothing in place.
        by_name: With each thing in place.
    """

    clip_ids: tuple[str, ...]
    references: tuple[str | None, ...]
    targets: tuple[str, ...]
    clean: Heard
    by_name: Mapping[Any, Heard]

    def rates(self, heard: Heard) -> dict[str, Any]:
        """Give WER and CER against what was said and against the clean transcript, with 95% intervals over clips.

        Returns:
            `wer` and `cer`, None where no reference is known, and `wer_to_clean` and `cer_to_clean`.
        """
        pairs = list(zip(self.references, self.clean.texts, heard.texts, strict=True))
        found: dict[str, Any] = {}
        for name, errors in (("wer", word_errors), ("cer", character_errors)):
            known = [errors(said, text) for said, _, text in pairs if said is not None]
            found[name] = _interval(known) if known else None
            found[f"{name}_to_clean"] = _interval([errors(clean, text) for _, clean, text in pairs])
        return found


def ce_scores(clean: Heard, heard: Heard, mean: Heard, zero: Heard) -> dict[str, float | None]:
    """Give how much of the decoder's sureness is kept, under SAELens's names.

    Args:
        clean: With nothing in place.
        heard: With the reconstruction in place.
        mean: With the mean in place.
        zero: With zeros in place.

    Returns:
        `ce_loss_score`, (ablation - sae) / (ablation - without), where the ablation is with zeros as in SAELens, and
        the same with the mean as `ce_loss_score_mean_ablation`; None where the ablation changes nothing.

    Source:
        SAELens 6.54, `get_downstream_reconstruction_metrics`.
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

    The language is the clip's, or the one that the model hears with nothing in place, whatever stands in.

    Args:
        model: Any Whisper.
        clips: One or more.
        things: Name to a site and what replaces what it holds.
        language: What is spoken, as Whisper's code; the clip's own by default.
        progress: Called with the clips done.

    Returns:
        Texts and cross-entropies. These are of the reference where there is one and the clip is one window long, and
        otherwise of the clean transcript. A reference in capitals alone is taken in lower case.

    Raises:
        InputError: There are no clips, or a site or language is not the model's.
    """
    names = [None, *things]
    texts: dict[Any, list[str]] = {name: [] for name in names}
    losses: dict[Any, list[float]] = {name: [] for name in names}
    n_tokens: list[int] = []
    clip_ids: list[str] = []
    references: list[str | None] = []
    targets: list[str] = []
    for group in _groups(model, clips):
        part = _Part(model, group, language)
        for name in names:
            found_texts, found_losses = part.with_in_place(*(things[name] if name is not None else (None, None)))
            texts[name] += found_texts
            losses[name] += found_losses
        n_tokens += part.n_tokens
        targets += part.targets
        clip_ids += [each.clip.id for each in group]
        references += [each.clip.transcript for each in group]
        progress(len(clip_ids))
    if not clip_ids:
        raise InputError("no clips were given to transcribe: one or more are needed. Give recordings.")
    heard = {name: Heard(tuple(texts[name]), tuple(losses[name]), tuple(n_tokens)) for name in names}
    return Hearing(tuple(clip_ids), tuple(references), tuple(targets), heard.pop(None), heard)


class _Part:
    """Some clips, whose windows are run one by one and written together.

    Args:
        model: The model.
        group: The clips' windows.
        language: What is spoken; None for each clip's own.
    """

    def __init__(self, model: Whisper, group: Sequence[Windows], language: str | None) -> None:
        self._model = model
        self._group = group
        self._n_windows = [len(each.mel) for each in group]
        asked = [language or each.clip.language for each in group for _ in range(len(each.mel))]
        self._clean = self._encode()
        self._rows = write_windows(model, self._clean, asked)
        self._languages = [code for code, _ in self._rows]
        self._ids: list[list[int]] = []
        self._n_prompt: list[int] = []
        self.targets: list[str] = []
        first = 0
        for each, n in zip(group, self._n_windows, strict=True):
            self._add_target(each, first, n)
            first += n
        sizes = [len(ids) - n for ids, n in zip(self._ids, self._n_prompt, strict=True)]
        self.n_tokens = [sum(part) for part in self._by_clip(sizes)]

    def _add_target(self, windows: Windows, first: int, n: int) -> None:
        """Spell what was said, or what was written with nothing in place."""
        said = windows.clip.transcript
        if n == 1 and said is not None and said.strip():
            text = said if any(letter.islower() for letter in said) else said.lower()
            code = self._languages[first]
            try:
                ids = text_ids(self._model, windows, self._clean[first : first + 1], text, code)[0].tolist()
            except InputError:  # longer than the decoder
                pass
            else:
                self._ids.append(ids)
                self._n_prompt.append(len(prompt_tokens(self._model, language=code)))
                self.targets.append(REFERENCE)
                return
        longest, end = self._model.hf.config.max_target_positions, self._model.vocabulary.end_id
        for code, written in self._rows[first : first + n]:
            prompt = list(prompt_tokens(self._model, language=code))
            self._ids.append([*prompt, *written.tokens, end][:longest])
            self._n_prompt.append(len(prompt))
        self.targets.append(CLEAN)

    def with_in_place(self, site: str | None, edit: Replacing | None) -> tuple[list[str], list[float]]:
        """Write each clip and score its target, with something in place of a site, or with nothing."""
        if site is None or edit is None:
            encoding = self._clean
            rows = [(code, text_of(self._model, written.tokens)) for code, written in self._rows]
        else:
            with self._model.edit({site: edit}):
                encoding = self._encode(edit)
            rows = write_texts(self._model, encoding, self._languages)
        losses = token_losses(self._model, encoding, self._ids, self._n_prompt)
        return [join_texts(part) for part in self._by_clip(rows)], [sum(part) for part in self._by_clip(losses)]

    def _encode(self, edit: Replacing | None = None) -> Float[Tensor, "window frame d_model"]:
        """Encode every window by itself."""
        encodings = []
        for each in self._group:
            for mel, kinds in zip(each.mel, each.kinds, strict=True):
                if edit is not None:
                    edit.kinds = kinds[None]
                encodings.append(self._model.encode_mel(mel[None]))
        return torch.cat(encodings)

    def _by_clip(self, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
        first = 0
        for n in self._n_windows:
            yield rows[first : first + n]
            first += n


def token_losses(
    model: Whisper,
    encodings: Float[Tensor, "window frame d_model"],
    ids: Sequence[Sequence[int]],
    n_prompt: Sequence[int],
) -> list[float]:
    """Give the cross-entropy of what the decoder is made to say over each window.

    Args:
        model: Any Whisper.
        encodings: Final encoder outputs.
        ids: Tokens of each window, prompt and end of text included.
        n_prompt: How many of them are the prompt, which is given and not scored.

    Returns:
        For each window the sum over its tokens; natural logarithm, over the whole vocabulary.
    """
    longest = max(map(len, ids))
    padded: Int64[Tensor, "window token"] = torch.zeros(len(ids), longest, dtype=torch.int64)
    is_scored = torch.zeros(len(ids), longest, dtype=torch.bool)
    for row, (own, start) in enumerate(zip(ids, n_prompt, strict=True)):
        padded[row, : len(own)] = torch.tensor(list(own))  # what follows is not seen by what comes before
        is_scored[row, start : len(own)] = True
    padded, is_scored = padded.to(encodings.device), is_scored.to(encodings.device)
    with torch.no_grad():
        logits = model.hf(encoder_outputs=(encodings,), decoder_input_ids=padded[:, :-1], use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(logits.float().transpose(1, 2), padded[:, 1:], reduction="none")
    scored: list[float] = (losses.double() * is_scored[:, 1:]).sum(dim=1).tolist()
    return scored


def _groups(model: Whisper, clips: Iterable[Clip]) -> Iterator[list[Windows]]:
    """Take clips until their windows are many enough."""
    group: list[Windows] = []
    for clip in clips:
        group.append(model.windows(clip))
        if sum(len(each.mel) for each in group) >= GROUP_WINDOWS:
            yield group
            group = []
    if group:
        yield group


def _interval(counts: Sequence[ErrorRate]) -> dict[str, float | None]:
    rate = bootstrap_rate(counts)
    return {"value": finite(rate.value), "low": finite(rate.low), "high": finite(rate.high)}
