"""What is said of scored dictionaries beside their numbers: what each row is, stability, what a reader must know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch

from otoscope.audio.kinds import Kind
from otoscope.base.layout import percent
from otoscope.corpus import Corpus
from otoscope.sae.coder_settings import WITH_K
from otoscope.sae.dictionary import Dictionary
from otoscope.sae.matching import best_cosines
from otoscope.study.dictionaries.baselines import Fit
from otoscope.study.dictionaries.entries import Entry, kinds_of, replaced_kinds
from otoscope.study.dictionaries.measure import ALL, ByKind, Halves
from otoscope.study.dictionaries.results import (
    DICTIONARY,
    MEAN,
    NEURONS,
    PCA,
    RANDOM_DECODER,
    SECOND,
    ZERO,
    SiteScores,
    Stability,
)
from otoscope.study.dictionaries.settings import ScoreSettings
from otoscope.study.dictionaries.train import FEW_STEPS, L0_OFF
from otoscope.study.dictionaries.transcripts import Hearing
from otoscope.study.dictionaries.undertrained import massive_note
from otoscope.study.writing import SPARE_TOKENS


def row_words(entry: Entry, k: int, fitted: Fit) -> dict[str, str]:
    """Say what each row is."""
    d = len(fitted.mean)
    coder = "" if entry.random_decoder is None else entry.random_decoder.metadata.get("coder", {})
    name = coder.get("coder", "given") if isinstance(coder, dict) else str(coder)
    return {
        DICTIONARY: f"{entry.dictionary.architecture}, {entry.dictionary.n_features} features",
        SECOND: "a dictionary from another seed",
        RANDOM_DECODER: f"random directions, as many, with a trained encoder ({name})",
        NEURONS: f"the {min(k, d)} neurons furthest from their means, of {d}",
        PCA: f"the {min(k, d)} strongest principal components, of {d}",
        MEAN: "the mean of the replaced frames",
        ZERO: "zeros",
    }


def stability_of(entry: Entry, scores: Mapping[tuple[str, str], ByKind], settings: ScoreSettings) -> Stability | None:
    """Compare the directions of active features with those of a second dictionary; None where none is active."""
    assert entry.second is not None
    active = []
    for name, dictionary in ((DICTIONARY, entry.dictionary), (SECOND, entry.second)):
        of_all_frames = scores[entry.site, name][ALL]
        assert of_all_frames is not None, "some frame was scored"
        active.append(dictionary.directions()[of_all_frames.feature_density > 0])
    first, second = active
    if not len(first) or not len(second):
        return None
    generator = torch.Generator().manual_seed(settings.seed)
    chance = best_cosines(torch.randn(first.shape, generator=generator), second)
    best = best_cosines(first, second)
    return Stability(
        share=float((best >= settings.partner).double().mean()),
        mean=float(best.double().mean()),
        least=settings.partner,
        n_features=len(first),
        n_dead=entry.dictionary.n_features - len(first),
        n_second=len(second),
        random_share=float((chance >= settings.partner).double().mean()),
        random_mean=float(chance.double().mean()),
    )


def kind_names(kinds: Collection[Kind]) -> list[str]:
    """Name kinds of frame, in their order."""
    return [kind.name.lower() for kind in sorted(kinds)]


def untrained_note(trained: Collection[Kind]) -> str:
    """Say that frames are replaced of kinds that nothing was trained or fitted on."""
    words = " and ".join(kind_names(trained))
    return (
        f"Dictionaries and baselines know {words} frames alone, and others are replaced, too: errors may come from "
        "those. To tell, replace the kinds that they were trained on with --replace trained."
    )


def replaced_note(replaced: Collection[frozenset[Kind]]) -> str:
    """Say which frames are replaced, by dictionaries and baselines alike."""
    frames = {
        "all frames of each window" if kinds == frozenset(Kind) else f"{' and '.join(kind_names(kinds))} frames alone"
        for kinds in replaced
    }
    return (
        f"For CE, WER and CER {' or, by site, '.join(sorted(frames))} are replaced, by dictionaries and baselines "
        "alike; windows of long recordings are taken side by side."
    )


def cut_notes(hearing: Hearing) -> list[str]:
    """Say that texts were cut that became too long; nothing where none was."""
    n_cut = sum(heard.n_cut for heard in hearing.by_name.values())
    if not n_cut:
        return []
    return [
        f"{n_cut:,} of {len(hearing.by_name) * len(hearing.clip_ids):,} texts with something in place were cut at "
        f"twice the tokens of the text that is scored and {SPARE_TOKENS} more: most repeat themselves, and error rates "
        "would be higher still without."
    ]


def notes(
    corpus: Corpus,
    halves: Halves,
    entries: Sequence[Entry],
    fits: Mapping[str, Fit],
    tables: Sequence[SiteScores],
    hearing: Hearing | None,
    settings: ScoreSettings,
    unjudged: str | None,
) -> list[str]:
    """Say what a reader of the numbers must know."""
    lines = []
    if halves.split_by == "nothing":
        lines.append("Baselines are fitted to the clip that all is scored on: a corpus of one clip has no halves.")
    else:
        held = "other speakers" if halves.split_by == "speakers" else "other clips, maybe of the same speakers"
        lines.append(
            f"Baselines are fitted to {halves.n_fitted} clips, and everything is scored on the other "
            f"{halves.n_scored}, which have {held}."
        )
    kinds = {entry.site: kinds_of(entry.dictionary) for entry in entries}
    if hearing is not None:
        replaced = {site: replaced_kinds(settings.replaced, trained) for site, trained in kinds.items()}
        lines += [replaced_note(list(replaced.values())), *cut_notes(hearing)]
        if any(replaced[site] - trained for site, trained in kinds.items()):
            lines.append(untrained_note({kind for trained in kinds.values() for kind in trained}))
    for entry, table in zip(entries, tables, strict=True):
        width = len(fits[entry.site].mean)
        lines += _of_site(table, kinds[entry.site], entry.dictionary)
        if table.k >= width:
            lines.append(f"{entry.site}: L0 is {table.k} of {width} dimensions: PCA and neurons are complete.")
        if corpus.name == entry.dictionary.metadata.get("trained_on"):
            lines.append(f"{entry.site}: the dictionary was trained on clips of this corpus, and maybe on the scored.")
    if any(entry.random_decoder is None for entry in entries):
        lines.append("There is no random decoder to compare with: --baseline-frames is 0.")
    few = [steps for entry in entries if (steps := _steps_of(entry.random_decoder)) is not None and steps < FEW_STEPS]
    if few:
        lines.append(
            f"The encoders of random decoders are trained in {min(few):,} steps alone, which makes weak baselines of "
            "them: give more --baseline-frames."
        )
    if any(entry.second is not None for entry in entries):
        lines.append("Stability counts features that are active in some scored frame; dead ones are left out.")
    if unjudged is not None:
        lines.append(f"Phones are not scored: {unjudged}.")
    return lines


def _of_site(table: SiteScores, trained: Collection[Kind], dictionary: Dictionary) -> list[str]:
    """Say what is odd at a site: too little training, an L0 far from its k, unknown kinds of frame, massive values."""
    site, row, notes = table.site, table.row(DICTIONARY), []
    speech, components = row.in_speech, table.row(PCA).in_speech
    if table.is_undertrained:
        steps = _steps_of(dictionary)
        notes.append(
            f"{site}: the dictionary is undertrained: it explains {_share(speech.explained_variance)} of the variance, "
            f"and {table.k} principal components explain {_share(components.explained_variance)}"
            f"{f', after {steps:,} steps' if steps else ''}. What it spoils says nothing of "
            "dictionaries: train it on more frames, or in smaller batches."
        )
    coder = dictionary.metadata.get("coder")
    k = coder.get("k") if isinstance(coder, dict) and coder.get("coder") in WITH_K else None
    if k and abs(speech.l0 - k) > L0_OFF * k:
        notes.append(
            f"{site}: {speech.l0:.1f} features are active in a scored frame, where k was {k} in training: a threshold "
            "that fits the frames that were trained on lets through more or fewer in others. PCA and neurons have "
            "as many."
        )
    poor = [
        f"{_share(scores.explained_variance)} of {kind}"
        for kind in kind_names(set(Kind) - set(trained))
        if (scores := row.by_kind[kind]) is not None and (scores.explained_variance or 0) < 0
    ]
    if poor:
        notes.append(
            f"{site}: on frames that it was not trained on the dictionary is worse than their mean: it explains "
            f"{' and '.join(poor)}."
        )
    return notes + ([massive_note(site, table.massive)] if table.massive else [])


def _steps_of(dictionary: Dictionary | None) -> int | None:
    """How many steps a dictionary was trained in; None where that is not known."""
    steps = None if dictionary is None else dictionary.metadata.get("n_steps")
    return steps if isinstance(steps, int) else None


def _share(share: float | None) -> str:
    return "an unknown share" if share is None else percent(share)
