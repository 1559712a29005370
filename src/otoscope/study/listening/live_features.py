"""Which features of a study fire in a sound, beside the strongest that each fired in the corpus.

Knows the bases that need no calibration: the neurons of the sites that were harvested, and the study's dictionaries.
Costs one product with each dictionary. Reads the study's tables once.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float32, Int8
from torch import Tensor

from otoscope.audio.kinds import Kind
from otoscope.base.clocks import FRAME_S
from otoscope.base.errors import InputError
from otoscope.harvest.bases import DICTIONARY, Group, groups_of
from otoscope.harvest.opened import open_run
from otoscope.model.whisper import Whisper
from otoscope.sae.fit import check_model
from otoscope.study.feature import Feature

SAE = "sae"
"""How pages name the basis of the study's dictionaries."""

MOST_OF_GROUP, MOST_NAMED = 8, 4
"""Features listed of one site in one basis, and how many of those with a name."""

USUAL = 0.5
"""A feature above a tenth of its maximum in so great a share of the corpus's speech says little of one sound."""


FAINT = 0.1
"""A feature whose maximum is below this share of its site's median maximum never fired in the corpus to speak of."""


@dataclass(frozen=True, eq=False)
class KnownGroup:
    """The features of one site in one basis, as the corpus knew them."""

    site: str
    basis: str  # `neuron` or `sae`
    group: Group  # what reads them
    width: int  # length of the site's vectors
    maximum: Float32[np.ndarray, " feature"]  # the strongest in the corpus's speech, float32 [feature]
    is_telling: np.ndarray  # whether it fired in the corpus, and not all the time, bool [feature]
    names: tuple[str, ...]  # what the study calls it; empty where it has no name
    phones: tuple[str, ...]  # the phone that it tells best, named or not; empty where it was not scored


class KnownFeatures:
    """The features of a study."""

    def __init__(self, model: Whisper, study: Path) -> None:
        self._model = model
        self._groups = {(each.site, each.basis): each for each in _known(model, study)}

    @property
    def sites(self) -> list[str]:
        """The sites to be read, each once."""
        return list(dict.fromkeys(site for site, _ in self._groups))

    def fired(
        self, values: Mapping[str, Tensor], kinds: Int8[np.ndarray, " frame"], n_sound: int
    ) -> list[dict[str, Any]]:
        """List the features that fire most in speech, each beside its maximum in the corpus.

        Returns up to `MOST_OF_GROUP` of every site and basis and its first `MOST_NAMED` with a name, strongest share
        first; `curve` is the strength over the frames, base64 of uint8, 255 its own maximum.
        """
        is_speech = kinds[:n_sound] == Kind.SPEECH
        if not is_speech.any():
            return []
        rows = []
        for known in self._groups.values():
            strengths = known.group.directions.strengths(values[known.site][:n_sound]).cpu().numpy()
            in_speech = np.where(is_speech[:, None], strengths, -np.inf)
            peaks = in_speech.max(axis=0)
            is_alive = known.is_telling & (peaks > 0)
            shares = np.where(is_alive, peaks / np.where(is_alive, known.maximum, 1), 0)
            order = [index for index in np.argsort(-shares, kind="stable").tolist() if shares[index] > 0]
            named = [index for index in order if known.names[index]][:MOST_NAMED]
            for index in dict.fromkeys(order[:MOST_OF_GROUP] + named):
                rows.append(_row(known, index, float(shares[index]), in_speech[:, index], strengths[:, index]))
        return sorted(rows, key=lambda row: -row["share_of_maximum"])

    def feature(self, site: str, basis: str, index: int) -> Feature:
        """Find a feature by its address."""
        known = self._groups.get((site, basis))
        if known is None:
            there = "; ".join(f"{site} {basis}" for site, basis in self._groups) or "none"
            raise InputError(f"features of {site[:80]!r} {basis[:40]!r} are not known here. These are: {there}.")
        n_features = known.group.n_features
        if not 0 <= index < n_features:
            raise InputError(f"{site} {basis} has no feature {index}: give a number from 0 to {n_features - 1}.")
        model = self._model
        return Feature(site, basis, index, known.group.directions, known.width, model.id, model.weights_hash)


def as_curve(values: np.ndarray) -> str:
    """Write a curve as pages read it: base64 of uint8, 255 its own maximum, 0 whatever is below 0."""
    top = float(values.max(initial=0))
    scaled = np.clip(values / top, 0, 1) * 255 if top > 0 else np.zeros(len(values))
    return base64.b64encode(np.round(scaled).astype(np.uint8).tobytes()).decode("ascii")


def _row(known: KnownGroup, index: int, share: float, in_speech: np.ndarray, strengths: np.ndarray) -> dict[str, Any]:
    peak = int(in_speech.argmax())
    return {
        "site": known.site,
        "basis": known.basis,
        "feature": index,
        "name": known.names[index],
        "phone": known.phones[index],
        "peak_s": round((peak + 0.5) * FRAME_S, 3),
        "strength": float(strengths[peak]),
        "share_of_maximum": share,
        "curve": as_curve(strengths),
    }


def _known(model: Whisper, study: Path) -> list[KnownGroup]:
    """Read what the study knows of its features; nothing where it harvested none."""
    if not (study / "harvest" / "manifest.json").is_file():
        return []
    run = open_run(study / "harvest")
    widths = {site.name: site.shape[-1] for site in model.sites() if len(site.shape) == 3 and site.shape[-1]}
    called = _called(study)
    found, made = [], _groups(model, study, widths)
    for key in run.groups:
        basis = SAE if key.basis.startswith(DICTIONARY) else key.basis
        group = made.get((key.site, basis))
        if group is None or group.n_features != key.n_features or not key.site.startswith("encoder."):
            continue
        columns = run.features(key)
        own = [called.get((key.site, key.basis), {}).get(index, ("", "")) for index in range(key.n_features)]
        found.append(
            KnownGroup(
                key.site,
                basis,
                group,
                int(widths[key.site] or 0),
                columns["maximum"].astype(np.float32),
                _is_telling(columns),
                tuple(name for name, _ in own),
                tuple(phone for _, phone in own),
            )
        )
    return found


def _is_telling(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Leave out features that hardly ever fire, and those that fire in all speech."""
    maximum = columns["maximum"]
    fires = maximum > 0
    least = FAINT * float(np.median(maximum[fires])) if fires.any() else 0.0
    told: np.ndarray = fires & (maximum >= least) & (columns["share_above_tenth"] <= USUAL)
    return told


def _groups(model: Whisper, study: Path, widths: Mapping[str, int | None]) -> dict[tuple[str, str], Group]:
    """Make what reads neurons and dictionaries, for every site."""
    wide = {site: int(width) for site, width in widths.items() if width}
    groups = groups_of(wide, ["neuron"], {}, 0)
    if (study / "dictionaries").is_dir():
        trained = groups_of(wide, [f"{DICTIONARY}{study / 'dictionaries'}"], {}, 0)
        for group in trained:
            assert group.directions.dictionary is not None, "that is what was asked for"
            check_model(
                group.directions.dictionary,
                model_id=model.id,
                weights_hash=model.weights_hash,
                force=False,
                name=f"the dictionary of {group.site}",
            )
        groups += trained
    return {(group.site, SAE if group.basis.startswith(DICTIONARY) else group.basis): group for group in groups}


def _called(study: Path) -> dict[tuple[str, str], dict[int, tuple[str, str]]]:
    """Read the names of features and their best phones by site and basis, where features were scored."""
    path = study / "phones" / "feature_scores.parquet"
    if not path.is_file():
        return {}
    try:
        table = pq.read_table(path, columns=["site", "basis", "feature", "name", "name_kind", "phone_best"])
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): run the study again.") from error
    called: dict[tuple[str, str], dict[int, tuple[str, str]]] = {}
    for row in table.to_pylist():
        name = "" if row["name_kind"] in ("unclear", None) else row["name"] or ""
        called.setdefault((row["site"], row["basis"]), {})[row["feature"]] = name, row["phone_best"] or ""
    return called
