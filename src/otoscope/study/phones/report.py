"""The results of a phone study: all of them as JSON, and the main ones as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otoscope.base.clocks import FRAME_S
from otoscope.base.layout import count
from otoscope.base.named import on_corpus
from otoscope.base.numbers import Interval, finite
from otoscope.base.report import Column, Report, Table
from otoscope.study.phones.claims import GroupComparison, claims, comparisons, notes, rule
from otoscope.study.phones.counts import count_rows, maximum_rows, phone_rows, rare_phones, site_rows
from otoscope.study.phones.maxima import label_noise

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy, ScoredRun

BASELINES = ("random", "pca", "untrained")


def table(study: PhoneStudy) -> dict[str, Any]:
    """Return everything that is not about single features, as JSON."""
    return {
        "run": _about(study.run),
        "baselines": [_about(run) for run in study.baselines],
        "settings": study.settings.to_json(),
        "intervals": "95%: Wilson for shares, Newcombe for differences; features taken as independent",
        "rule": rule(study),
        "notes": notes(study),
        "claims": claims(study),
        "maximum": maximum_rows(study),
        "label_noise": label_noise(study.settings),
        "sites": site_rows(study),
        "thresholds": list(count_rows(study)),
        "comparisons": [_compared(row) for row in comparisons(study)],
        "phones": phone_rows(study),
        "features": [feature.to_json() for feature in study.features],
    }


def _about(run: ScoredRun) -> dict[str, Any]:
    n = run.ground.n_frames
    return {
        "name": run.name,
        "folder": run.folder,
        "model": run.model,
        "corpus": run.corpus,
        "phone_set": run.phone_set,
        "lag_frames": run.lag_frames,
        "lags": list(run.lags),
        "split_by": run.split_by,
        "n_clips": run.n_clips,
        "n_labelled_clips": run.n_labelled,
        "n_frames": {part: int(frames.sum()) for part, frames in n.items()},
        "n_frames_by_phone": {
            phone: {part: int(frames[p]) for part, frames in n.items()}
            for p, phone in enumerate(run.phones)
            if any(frames[p] for frames in n.values())
        },
        "judged_phones": list(run.ground.phones.names),
        "judged_classes": {
            name: [phone for p, phone in enumerate(run.phones) if run.ground.classes.sets[row, p]]
            for row, name in enumerate(run.ground.classes.names)
        },
        "rare_phones": rare_phones(run),
    }


def _compared(row: GroupComparison) -> dict[str, Any]:
    bounds = row.difference
    return {
        **{name: value for name, value in vars(row).items() if name != "difference"},
        "difference": None if bounds is None else finite(bounds.value),
        "low": None if bounds is None else finite(bounds.low),
        "high": None if bounds is None else finite(bounds.high),
        "beats": row.beats,
    }


def report(study: PhoneStudy) -> Report:
    """Report what the features detect: first the claims, then the tables that they rest on."""
    run = study.run
    n_choose, n_held_out = (f"{run.ground.n_frames[half].sum():,}" for half in ("choose", "held_out"))
    main = [claim for claim in claims(study) if not any(f", {basis}" in claim.split(":")[0] for basis in BASELINES)]
    sentences = main or claims(study)  # baselines are not claimed about, unless there is nothing else
    return Report(
        f"Which phones features detect: {on_corpus(run.model, run.corpus)}",
        f"{count(run.n_labelled, 'clip')} with phones ({run.phone_set}); {_lags(run)}. Phones are chosen on {n_choose} "
        f"frames of speech and scored on {n_held_out}, split by {run.split_by}; 95% intervals",
        display_only=[
            *(("note", note) for note in notes(study)),
            ("compared with", [baseline.name for baseline in study.baselines] or None),
            ("rule", rule(study)),
            *((group, sentence) for group, _, sentence in (claim.partition(": ") for claim in sentences)),
            ("wrong labels", _label_noise(study) if maximum_rows(study) else None),
        ],
        parts=[
            *_maximum(study),
            _sites(study),
            _phones(study),
            *(feature.table() for feature in study.features),
        ],
    )


def _lags(run: ScoredRun) -> str:
    """Say how late each site answers, and how many features have a lag of their own."""
    known = [group for group in run.lags if group["lag_frames"] is not None]
    if not known:
        return "no lag is known"
    ms = sorted({group["lag_frames"] * FRAME_S * 1000 for group in known})
    span = f"{ms[0]:.0f} ms" if len(ms) == 1 else f"{ms[0]:.0f} to {ms[-1]:.0f} ms"
    n_different = sum(group["n_own_lags"] or 0 for group in known)
    its = "its" if n_different == 1 else "their"
    different = f", {count(n_different, 'feature')} by a lag of {its} own" if n_different else ""
    return f"sites answer {span} after the sound{different}"


def _label_noise(study: PhoneStudy) -> str:
    """Say what wrong labels do to the shares at the maximum."""
    agreement = study.settings.label_agreement
    rows = label_noise(study.settings)["reached_by_features_of_one_phone"]
    shares = ", ".join(
        f"{row['share']:.0%} where {row['agreement']:.0%} of the labels are right"
        for row in rows
        if row["agreement"] < 1 and agreement in (None, row["agreement"])
    )
    return f"of features that hear one phone alone, the bar is reached by {shares}"


def _maximum(study: PhoneStudy) -> list[Table]:
    """Show the share of features that are pure at their maximum, over how rare the examples are."""
    rows = [row for row in maximum_rows(study) if row["run"] == study.run.name]
    if not rows:
        return []
    sizes = list(dict.fromkeys(row["n_clips"] for row in rows))
    shares: dict[tuple[str, str], dict[float, float | None]] = {}
    for row in rows:
        shares.setdefault((row["site"], row["basis"]), {})[row["n_clips"]] = row["share_pure"]
    columns = [
        Column(None, "site"),
        Column(None, "basis"),
        *(Column(None, f"of {size:,.0f} clips", "share") for size in sizes),
    ]
    caption = (
        f"Features whose 10 strongest examples, one a clip, share one phone to at least {study.settings.purity:.0%}"
    )
    cells = [(*group, *(share.get(size) for size in sizes)) for group, share in shares.items()]
    return [Table(columns, cells, caption, most=len(cells), n_keys=2)]


_SITE_COLUMNS = (
    ("features", "n_features", "number"),
    ("AUROC {auroc:g}", "n_auroc", "number"),
    ("purity {purity:g}", "n_purity", "number"),
    ("both", "n_both", "number"),
    ("share", "share", "share"),
    ("shuffled", "n_both_shuffled", "number"),
    ("pairs", "n_pair", "number"),
    ("classes", "n_class", "number"),
    ("polysemantic", "n_polysemantic", "number"),
    ("median AUROC", "median_auroc", "three digits"),
    ("bits", "median_information_bits", "three digits"),
)


def _sites(study: PhoneStudy) -> Table:
    """Show for each site and basis how many features detect a phone, beside shuffled labels."""
    thresholds = {"auroc": study.settings.auroc, "purity": study.settings.purity}
    cells = []
    for row in site_rows(study):
        share = None if row["share_both"] is None else Interval(row["share_both"], row["low_both"], row["high_both"])
        values = {**row, **{f"n_{kind}": n for kind, n in row["n_named"].items()}, "share": share}
        basis = row["basis"] if row["run"] == study.run.name else f"{row['basis']} of {row['run']}"
        cells.append((row["site"], basis, *(values[key] for _, key, _ in _SITE_COLUMNS)))
    columns = [Column(None, label.format(**thresholds), unit) for label, _, unit in _SITE_COLUMNS]
    caption = "Features that detect one phone"
    return Table([Column(None, "site"), Column(None, "basis"), *columns], cells, caption, most=len(cells), n_keys=2)


def _phones(study: PhoneStudy) -> Table:
    """Show for every phone the features named after it, and where the best is."""
    rows = phone_rows(study)
    cells = []
    for phone in dict.fromkeys(row["phone"] for row in rows):
        of_phone = [row for row in rows if row["phone"] == phone]
        best = max(of_phone, key=lambda row: row["best_auroc"] or 0)
        by_weakness = " (when weak)" if best["best_sign"] < 0 else ""
        feature = f"{best['site']}:{best['basis']}:{best['best_feature']}{by_weakness}"
        cells.append((phone, sum(row["n_features"] for row in of_phone), best["best_auroc"], feature))
    columns = [
        Column(None, "phone"),
        Column(None, "detectors"),
        Column(None, "best AUROC", "three digits"),
        Column(None, "feature"),
    ]
    return Table(columns, cells, "The best feature for each phone", most=len(cells))
