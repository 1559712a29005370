"""The page that compares the study's outputs, and other published figures, with what otoscope measures.

Reads the measured outputs as plain JSON; knows neither models nor recordings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.base.numbers import finite
from otoscope.study.whole.folder import LEFT_OUT
from reproduction import printed
from reproduction.outputs import NO_ENCODER, WHITE, ZERO
from reproduction.studies import WITHOUT_FINDINGS, Finished

Pieces = Mapping[str, Mapping[str, Any]]
"""Model to its outputs, see `outputs.measure`."""
Studies = Mapping[tuple[str, str], Finished]
"""(corpus, model) to the finished study."""

N_SHOWN, LONGEST = 12, 160

_YOU = 'all of it " you", tiny and small (WhisperGate)'
SOUNDS = {ZERO: _YOU, WHITE: _YOU, "a quiet room": "", "pink noise": "", "music": "", NO_ENCODER: ""}
"""Sounds without speech, and what others published about them."""


def write(models: Pieces, studies: Studies, about: str) -> str:
    """Write the page.

    Args:
        models: The outputs of each model.
        studies: The whole study of each model over each corpus.
        about: When and on what machine it was made.

    Returns:
        Markdown.
    """
    parts = [
        "# The study on released models",
        (
            'Every output that "Interpreting OpenAI\'s Whisper" (Ellena Reid, 2023) prints, beside what comes out '
            "here, and the three claims judged on real speech. The study used whisper-tiny, which is multilingual; "
            f"here are {_and(models)}. {about} Made by `make released`; change nothing by hand."
        ),
        "## The three claims",
        _claims(studies),
        "## Claim 1: acoustic features are local",
        _relevance(models),
        _windows(models),
        _splices(models),
        "## Claim 2: named neurons",
        _neurons(studies),
        "## Claim 3: the decoder is a weak language model",
        _next_tokens(models),
        _neighbours(models),
        "## Other published figures",
        _published(models),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows])


def _and(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _quoted(text: str) -> str:
    stripped = text.strip() or "(nothing)"
    return stripped if len(stripped) <= LONGEST else f"{stripped[:LONGEST]}... (it goes on so)"


def _claims(studies: Studies) -> str:
    """One table per claim, with a row per finding and a column per study."""
    columns = [f"{corpus}, {model}" for corpus, model in studies]
    sizes = [
        f"- {corpus}, {model}: {done.about['corpus']['n_clips']} clips, "
        f"{60 * done.about['corpus']['hours']:.1f} minutes of sound, "
        f"{done.about['corpus']['n_speakers'] or 'unknown'} speakers; "
        f"{done.about['minutes']:.1f} minutes of computing{_left_out(done)}"
        for (corpus, model), done in studies.items()
    ]
    parts = [
        "Each cell: the outcome, the figure with its 95% interval, and the baseline it is held against. What each "
        "finding asks and by which rule it is decided is said in [atlas.md](atlas.md).",
        "\n".join(sizes),
    ]
    by_study = [{claim["id"]: claim for claim in done.claims} for done in studies.values()]
    for claim in next(iter(by_study), {}).values():
        verdicts = [claims[claim["id"]]["verdict"] for claims in by_study]
        rows = [["**verdict**", *(f"**{verdict}**" for verdict in verdicts)]]
        ids = dict.fromkeys(row["id"] for claims in by_study for row in claims[claim["id"]]["findings"])
        for name in ids:
            findings = [{row["id"]: row for row in claims[claim["id"]]["findings"]}.get(name) for claims in by_study]
            short = next(row["short"] for row in findings if row)
            rows.append([short, *("" if row is None else _finding(row) for row in findings)])
        parts += [f"### {claim['title']}", _table(["finding", *columns], rows)]
    return "\n\n".join(parts)


def _left_out(done: Finished) -> str:
    """Name the parts that findings need and that were not run."""
    names = [part["name"] for part in done.about.get("parts", ()) if part["state"] == LEFT_OUT]
    missing = [name for name in names if name not in WITHOUT_FINDINGS]
    return f"; left out: {', '.join(missing)}" if missing else ""


def _finding(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return f"{row['outcome']}: it takes {row['needs']}" if row.get("needs") else str(row["outcome"])
    base = row["baseline"]
    against = "" if base["value"] is None else f"; {base['name']} {_number(base['value'], row['unit'])}"
    bounds = (
        ""
        if row["low"] is None or row["high"] is None
        else f" ({_number(row['low'], row['unit'])} to {_number(row['high'], row['unit'])})"
    )
    return f"{row['outcome']}: {_number(row['value'], row['unit'])}{bounds}{against}"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.1f}%" if unit in ("share", "rate") else f"{value:.3g}"


def _relevance(models: Pieces) -> str:
    rows = []
    for name, pieces in models.items():
        relevance = pieces["relevance"]
        near = relevance["share_within"]["25"]
        rows.append(
            [name, f"{100 * near['added']:.1f}%", f"{100 * near['even']:.1f}%", str(relevance["speech_end_frame"])]
        )
    return (
        "**The relevance map.** In the study's figure relevance lies along a diagonal up to the end of speech "
        "(frame 500 or so), and from there on every frame looks back to that end. Here, for a recording of 11 s:\n\n"
        "![Relevance map of a recording on a released model](images/relevance_released.png)\n\n"
        + _table(["model", "relevance from within 0.5 s", "if it were spread evenly", "last frame of speech"], rows)
    )


def _windows(models: Pieces) -> str:
    rows = [
        [
            "no limit" if k is None else f"k = {k}",
            _quoted(text),
            *(_quoted(pieces["windows"][json.dumps(k)]) for pieces in models.values()),
        ]
        for k, text in printed.WINDOWS.items()
    ]
    return (
        "**Transcripts when a frame may attend to k frames on either side.** The study's recording is the same; its "
        "model is another.\n\n" + _table(["", "the study (tiny)", *models], rows)
    )


def _splices(models: Pieces) -> str:
    rows = [
        [
            f"frames {start} to {stop}",
            _quoted(text),
            *(_quoted(pieces["splices"][f"{start}-{stop}"]) for pieces in models.values()),
        ]
        for (start, stop), text in printed.SPLICES.items()
    ]
    return "**Words removed by splicing padding into the encoder's output.**\n\n" + _table(
        ["replaced", "the study (tiny)", *models], rows
    )


def _next_tokens(models: Pieces) -> str:
    rows = []
    for prompt, tokens in printed.NEXT_TOKENS.items():
        cells = [_listed(tokens)]
        for pieces in models.values():
            likeliest = pieces["next_tokens"][prompt]
            shared = len({token.strip() for token in tokens} & {token.strip() for token in likeliest})
            cells.append(f"{_listed(likeliest)} ({shared} of the study's {len({t.strip() for t in tokens})})")
        rows.append([f"`{prompt}`", *cells])
    return (
        f"**What is said next with padding for sound.** The {N_SHOWN} likeliest tokens; in brackets how many of all "
        "that the study shows are among the 20 likeliest here.\n\n"
        + _table(["prompt", "the study (tiny)", *models], rows)
    )


def _neighbours(models: Pieces) -> str:
    rows = []
    for word, tokens in printed.NEIGHBOURS.items():
        row = [f"`{word}`", _listed(tokens)]
        for pieces in models.values():
            entry = next(entry for entry in pieces["neighbours"]["words"] if entry["word"] == word)
            row.append(_listed([near["text"] for near in entry["neighbours"]]))
        rows.append(row)
    return f"**The {N_SHOWN} tokens nearest to a word in the embedding.**\n\n" + _table(
        ["word", "the study (tiny)", *models], rows
    )


def _listed(tokens: Sequence[str]) -> str:
    return ", ".join(f"`{token.strip() or repr(token)}`" for token in tokens[:N_SHOWN])


def _neurons(studies: Studies) -> str:
    """The neurons that the study names, by number, on the models whose sites and widths are the same."""
    columns = {names: done.neurons for names, done in studies.items() if done.neurons}
    if not columns:
        return ""
    rows = [
        [f"`{site}`, {number}", heard, *(_neuron(neurons.get((site, number))) for neurons in columns.values())]
        for (site, number), heard in printed.NEURONS.items()
    ]
    return (
        "The study names neurons of whisper-tiny. Models that were trained apart share no numbering, so the neurons of "
        "the same numbers are others here; the table says what these detect. At the maximum: the phone that most "
        "of the strongest examples share, and their share; over all frames: the phone with the best AUROC on held-out "
        "clips.\n\n" + _table(["neuron", "the study (tiny)", *(f"{a}, {b}" for a, b in columns)], rows)
    )


def _neuron(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    share, auroc = finite(row["purity_positive"]), finite(row["phone_auroc"])
    at_maximum = "too few examples" if share is None else f"{row['purity_phone_positive']} {100 * share:.0f}%"
    over_all = "no phone" if auroc is None else f"{row['phone_best']} {auroc:.2f}"
    return f"at the maximum {at_maximum}; over all frames {over_all}"


def _published(models: Pieces) -> str:
    rows = [
        [kind, source, *(_heard(pieces["no_speech"][kind]) for pieces in models.values())]
        for kind, source in SOUNDS.items()
    ]
    return "**What is heard where nobody speaks.** A window of 30 s each.\n\n" + _table(
        ["sound", "published", *models], rows
    )


def _heard(counted: Mapping[str, int]) -> str:
    n = sum(counted.values())
    shown = [f"{_short(text)} {count} of {n}" for text, count in list(counted.items())[:3]]
    return ", ".join(shown) + (f", {len(counted) - 3} others" if len(counted) > 3 else "")


def _short(text: str) -> str:
    quoted = _quoted(text)
    return f'"{quoted}"' if len(quoted) <= 40 else f'"{quoted[:40]}..."'


def picture(folder: Path) -> Path:
    """Where `outputs.measure` writes the picture of a model's relevance map."""
    return folder / "relevance.png"
