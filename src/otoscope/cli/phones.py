"""`otoscope phones`: which phone each feature of a harvest detects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.base.clocks import FRAME_S
from otoscope.base.files import to_json_text
from otoscope.base.layout import count, percent, table
from otoscope.cli import options
from otoscope.cli.console import Console
from otoscope.cli.job import check_out

if TYPE_CHECKING:
    from otoscope.study.phones.experiment import PhoneStudy
    from otoscope.study.phones.ranges import FeatureRanges

BASELINES = ("random", "pca", "untrained")
MOST_FILES = 8
"""Up to so many files are named when results are written; of more, their number."""


def phones(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What 'otoscope harvest' wrote.")],
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="A run to compare with, such as one of an untrained model; repeat for several."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(metavar="N", help="The N strongest examples alone; all that the run kept by default.")
    ] = None,
    auroc: Annotated[float, typer.Option(metavar="A", help="A phone is detected from this held-out AUROC on.")] = 0.9,
    purity: Annotated[
        float, typer.Option(metavar="P", help="And where this share of the top examples falls in it.")
    ] = 0.8,
    min_frames: Annotated[
        int, typer.Option(metavar="N", help="A phone with fewer speech frames in either half is not judged.")
    ] = 20,
    min_examples: Annotated[
        int, typer.Option(metavar="N", help="A feature with fewer labelled top examples has no purity.")
    ] = 10,
    label_agreement: Annotated[
        float | None,
        typer.Option(metavar="A", help="Share of the labels that are right, such as an aligner's against hand labels."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE:BASIS:INDEX", help="Show this feature range by range; repeat for several."),
    ] = None,
    out: options.Out = None,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Score every feature of a harvest against the phones: what it detects, how purely, and what else.

    First, whether the strongest examples share one phone, the more so the rarer they are. --out gets phones.json,
    feature_scores.parquet, detect_counts.parquet, and pictures.
    """
    console = Console(quiet)
    check_out(out, overwrite=overwrite)

    from otoscope.study.phones.experiment import PhoneSettings
    from otoscope.study.phones.experiment import phones as score

    settings = PhoneSettings(
        top=top,
        auroc=auroc,
        purity=purity,
        min_frames=min_frames,
        min_examples=min_examples,
        label_agreement=label_agreement,
    )
    with console.progress("Scoring"):
        study = score(run, baselines=baseline or (), features=feature or (), settings=settings)
    if out is not None:
        _write(study, out, console, overwrite=overwrite)
    print(to_json_text(study.to_json()) if json else summary(study))


def summary(study: PhoneStudy) -> str:
    """Say in words and tables what the features detect."""
    run = study.run
    found = study.to_json()
    lag = _lags(found["run"]["lags"])
    n_frames = {part: f"{n:,}" for part, n in found["run"]["n_frames"].items()}
    lines = [
        f"{run.model} on {run.corpus}: {count(run.n_labelled, 'clip')} with phones ({run.phone_set}); {lag}.",
        f"Phones are chosen on {n_frames['choose']} frames of speech and scored on {n_frames['held_out']}, "
        f"split by {run.split_by}.",
        *study.notes,
        "",
        *_maximum(found, study),
        _site_table(found["sites"], study),
        "",
        found["rule"],
        *_own_claims(study),
        "",
        _phone_table(found["phones"]),
    ]
    for shown in study.features:
        lines += ["", _feature_table(shown)]
    return "\n".join(lines)


def _own_claims(study: PhoneStudy) -> list[str]:
    """The claims of the bases that are no baseline themselves, where there are any; all of them are in the JSON."""
    own = [claim for claim in study.claims if not any(f", {basis}" in claim.split(":")[0] for basis in BASELINES)]
    return own or list(study.claims)


def _lags(groups: list[dict[str, Any]]) -> str:
    """Say how late each site answers, and how many features have a lag of their own."""
    known = [group for group in groups if group["lag_frames"] is not None]
    if not known:
        return "no lag is known"
    ms = sorted({group["lag_frames"] * FRAME_S * 1000 for group in known})
    span = f"{ms[0]:.0f} ms" if len(ms) == 1 else f"{ms[0]:.0f} to {ms[-1]:.0f} ms"
    n_own = sum(group["n_own_lags"] or 0 for group in known)
    own = f", {count(n_own, 'feature')} by a lag of {'its' if n_own == 1 else 'their'} own" if n_own else ""
    return f"sites answer {span} after the sound{own}"


def _maximum(found: dict[str, Any], study: PhoneStudy) -> list[str]:
    """Show the share of features that are pure at their maximum, over how rare the examples are."""
    rows = [row for row in found["maximum"] if row["run"] == study.run.name]
    if not rows:
        return []
    sizes = list(dict.fromkeys(row["n_clips"] for row in rows))
    cells: dict[tuple[str, str], dict[float, str]] = {}
    for row in rows:
        cells.setdefault((row["site"], row["basis"]), {})[row["n_clips"]] = percent(row["share_pure"])
    head = ("site", "basis", *(f"of {size:,.0f} clips" for size in sizes))
    noise = [row for row in found["label_noise"]["reached_by_features_of_one_phone"] if row["agreement"] < 1]
    told = study.settings.label_agreement
    reached = ", ".join(
        f"{row['share']:.0%} where {row['agreement']:.0%} of the labels are right"
        for row in noise
        if told is None or row["agreement"] == told
    )
    return [
        f"Features whose 10 strongest examples, one a clip, share one phone to at least {study.settings.purity:.0%}:",
        table(head, [(*key, *(own.get(size, "-") for size in sizes)) for key, own in cells.items()]),
        f"Wrong labels lower these shares. Of features that hear one phone alone, the bar is reached by {reached}.",
        "",
    ]


def _site_table(rows: list[dict[str, Any]], study: PhoneStudy) -> str:
    names = (
        "site", "basis", "features", f"AUROC {study.settings.auroc:g}", f"purity {study.settings.purity:g}", "both",
        "share", "shuffled", "pairs", "classes", "polysemantic", "median AUROC", "bits",
    )  # fmt: skip
    several = bool(study.baselines)
    cells = [
        (
            row["site"],
            f"{row['basis']} of {row['run']}" if several and row["run"] != study.run.name else row["basis"],
            str(row["n_features"]),
            _number(row["n_auroc"]),
            _number(row["n_purity"]),
            _number(row["n_both"]),
            percent(row["share_both"]),
            _number(row["n_both_shuffled"]),
            str(row["n_named"]["pair"]),
            str(row["n_named"]["class"]),
            str(row["n_polysemantic"]),
            _decimal(row["median_auroc"]),
            _decimal(row["median_information_bits"]),
        )
        for row in rows
    ]
    return table(names, cells)


def _phone_table(rows: list[dict[str, Any]]) -> str:
    """For every phone the features named after it, and where the best is."""
    order = list(dict.fromkeys(row["phone"] for row in rows))
    lines = []
    for phone in order:
        own = [row for row in rows if row["phone"] == phone]
        best = max(own, key=lambda row: row["best_auroc"] or 0)
        where = f"{best['site']}:{best['basis']}:{best['best_feature']}"
        by_weakness = " (when weak)" if best["best_sign"] < 0 else ""
        lines.append(
            (phone, str(sum(row["n_features"] for row in own)), _decimal(best["best_auroc"]), where + by_weakness)
        )
    return table(("phone", "detectors", "best AUROC", "feature"), lines)


def _feature_table(shown: FeatureRanges) -> str:
    head = f"{shown.site}:{shown.basis}:{shown.feature} {shown.name}"
    rows = [
        (
            "above 0" if row["sign"] > 0 else "below 0",
            f"{row['low']:.2f}-{row['high']:.2f}",
            str(row["n_peaks"]),
            "-" if row["effective_phones"] is None else f"{row['effective_phones']:.1f}",
            " ".join(
                [
                    *(f"{phone} {n}" for phone, n in row["phones"].items()),
                    *([f"none {row['no_phone']}"] if row["no_phone"] else []),
                ]
            ),
        )
        for row in shown.to_json()["ranges"]
    ]
    return f"{head}\n{table(('strengths', 'range', 'peaks', 'effective phones', 'samples by phone'), rows)}"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _write(study: PhoneStudy, out: Path, console: Console, *, overwrite: bool) -> None:
    from otoscope.base.results import result_folder

    manifest = {
        "model": {"id": study.run.model},
        "run": study.run.folder,
        "baselines": [run.folder for run in study.baselines],
        "settings": vars(study.settings),
    }
    with result_folder(out, overwrite=overwrite, manifest=manifest) as folder:
        names = sorted(path.name for path in study.save(folder))
    shown = ", ".join(names) if len(names) <= MOST_FILES else f"{len(names)} files"
    console.note(f"Results in {out}: {shown}")
