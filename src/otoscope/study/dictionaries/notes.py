"""What is said of scored dictionaries beside their numbers: what each row is, stability, what a reader must know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch

from otoscope.audio.kinds import Kind
from otoscope.corpus import Corpus
from otoscope.sae.matching import best_cosines
from otoscope.study.dictionaries.baselines import Fit
from otoscope.study.dictionaries.entries import Entry, ScoreSettings, kinds_of
from otoscope.study.dictionaries.measure import ALL, ByKind, Halves
from otoscope.study.dictionaries.results import DICTIONARY, MEAN, NEURONS, PCA, RANDOM_DECODER, SECOND, ZERO, Stability


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
    rows = []
    for name, dictionary in ((DICTIONARY, entry.dictionary), (SECOND, entry.second)):
        found = scores[entry.site, name][ALL]
        assert found is not None
        rows.append(dictionary.directions()[found.feature_density > 0])
    own, other = rows
    if not len(own) or not len(other):
        return None
    generator = torch.Generator().manual_seed(settings.seed)
    chance = best_cosines(torch.randn(own.shape, generator=generator), other)
    best = best_cosines(own, other)
    return Stability(
        share=float((best >= settings.partner).double().mean()),
        mean=float(best.double().mean()),
        least=settings.partner,
        n_features=len(own),
        n_dead=entry.dictionary.n_features - len(own),
        n_second=len(other),
        random_share=float((chance >= settings.partner).double().mean()),
        random_mean=float(chance.double().mean()),
    )


def untrained_note(trained: Collection[Kind]) -> str:
    """Say that frames are replaced of kinds that nothing was trained or fitted on."""
    words = " and ".join(kind.name.lower() for kind in sorted(trained))
    return (
        f"Dictionaries and baselines know {words} frames alone, and others are replaced, too: errors may come from "
        "those. To tell, replace speech alone with --replace speech."
    )


def notes(
    corpus: Corpus,
    halves: Halves,
    entries: Sequence[Entry],
    fits: Mapping[str, Fit],
    ks: Mapping[str, int],
    settings: ScoreSettings,
    unjudged: str | None,
) -> list[str]:
    """Say what a reader of the numbers must know."""
    found = []
    if halves.split_by == "nothing":
        found.append("Baselines are fitted to the clip that all is scored on: a corpus of one clip has no halves.")
    else:
        held = "other speakers" if halves.split_by == "speakers" else "other clips, maybe of the same speakers"
        found.append(
            f"Baselines are fitted to {halves.n_fitted} clips, and everything is scored on the other "
            f"{halves.n_scored}, which have {held}."
        )
    replaced = "all frames of each window" if settings.replaced == "all" else "speech frames alone"
    if settings.has_transcripts:
        found.append(f"For CE, WER and CER {replaced} are replaced; windows of long recordings are taken side by side.")
    trained = {kind for entry in entries for kind in kinds_of(entry.dictionary)}
    if settings.has_transcripts and (settings.replaced_kinds or frozenset(Kind)) - trained:
        found.append(untrained_note(trained))
    for entry in entries:
        width = len(fits[entry.site].mean)
        if ks[entry.site] >= width:
            found.append(f"{entry.site}: L0 is {ks[entry.site]} of {width} dimensions: PCA and neurons are complete.")
        if corpus.name == entry.dictionary.metadata.get("trained_on"):
            found.append(f"{entry.site}: the dictionary was trained on clips of this corpus, and maybe on the scored.")
    if any(entry.random_decoder is None for entry in entries):
        found.append("There is no random decoder to compare with: --baseline-frames is 0.")
    if any(entry.second is not None for entry in entries):
        found.append("Stability counts features that are active in some scored frame; dead ones are left out.")
    if unjudged is not None:
        found.append(f"Phones are not scored: {unjudged}.")
    return found
