"""The tables that `otoscope lens` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otoscope.base.layout import between, count, one_line, percent, table

if TYPE_CHECKING:
    from otoscope.study.lens.curve import LensCurve
    from otoscope.study.lens.encoder import EncoderLens
    from otoscope.study.lens.experiment import Lens
    from otoscope.study.lens.heads import HeadLens
    from otoscope.study.lens.heads_mean import HeadLensMean
    from otoscope.study.lens.languages import LanguageLens


def lens_summary(result: Lens) -> str:
    """Put the stages side by side for every token: first choice, and how likely the due token is."""
    rows = []
    for token in result.to_json()["tokens"]:
        cells = [
            f"{_token(stage['top'][0]['text'])} {_chance(stage['log_probability'])}"
            + ("*" if stage["rank"] == 1 else "")
            for stage in token["stages"]
        ]
        rows.append((_token(token["text"]), *cells))
    means = []
    for stage in result.to_json()["stages"]:
        means.append(
            (
                stage["stage"],
                f"{stage['sound']['mean_log_probability']:.2f}",
                f"{stage['sound']['n_likeliest']} of {len(result.tokens)}",
                f"{stage['no_sound']['mean_log_probability']:.2f}",
                f"{stage['no_sound']['n_likeliest']} of {len(result.tokens)}",
            )
        )
    return "\n".join(
        [
            f"{result.clip_id}: {one_line(result.text)}",
            "First choice of each stage, and the probability of the token that is due (*: it is the first choice):",
            table(("due", *result.stages), rows),
            "",
            table(("", "log-probability", "first choice", "... without sound", "first choice"), means),
        ]
    )


def curve_summary(result: LensCurve) -> str:
    """Give the means over a corpus, with and without the sound."""
    rows = []
    for stage in result.to_json()["stages"]:
        cells: list[str] = []
        for sound in ("sound", "no_sound"):
            means = stage[sound]
            cells += [_number(means["log_probability"]), _share(means["is_likeliest"])]
        rows.append((stage["stage"], *cells))
    chance = result.chance["log_probability"]
    rows.append(("chance", f"{chance:.2f}", f"{1 / result.vocab_size:.1%}", f"{chance:.2f}", ""))
    header = ("", "log-probability", "first choice", "... without sound", "first choice")
    return "\n".join(
        [
            f"{count(len(result.clip_ids), 'clip')}, {count(int(result.n_tokens.sum()), 'token')}; 95% intervals over "
            "clips. How sure each block of the decoder is of the token that is due:",
            table(header, rows),
        ]
    )


def _token(text: str) -> str:
    """Write a token so that its space is seen."""
    shown = f"_{text[1:]}" if text[:1] == " " else text
    return "".join(letter if letter.isprintable() else "\u00b7" for letter in shown)


def _chance(log_probability: float | None) -> str:
    import math

    return "-" if log_probability is None else f"{math.exp(log_probability):.2f}"


def _number(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "-"
    if entry["low"] is None:
        return f"{entry['value']:.2f}"
    return f"{entry['value']:.2f} ({entry['low']:.2f} to {entry['high']:.2f})"


def _share(entry: dict[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "-"
    return between(entry["value"], entry["low"], entry["high"])


def heads_summary(result: HeadLens) -> str:
    """Give for every token the sums of the groups, and the heads that add most."""
    found = result.to_json()
    rows = []
    for token in found["tokens"]:
        sums = [f"{value:.1f}" for name, value in token["groups"].items() if name != "rest"]
        heads = ", ".join(f"{_short(head['part'])} {head['logits']:+.1f}" for head in token["heads"][:3])
        rows.append((_token(token["text"]), f"{token['logit'] - token['mean_logit']:.1f}", *sums, heads))
    groups = [name for name in found["tokens"][0]["groups"] if name != "rest"]
    return "\n".join(
        [
            f"{result.clip_id}: {one_line(result.text)}",
            "What each part adds to the logit of the token that is due (less the mean logit); c: cross-attention, "
            "s: self-attention, block.head:",
            table(("due", "logit", *groups, "heads that add most"), rows),
            f"What edits and rounding add is {found['largest_rest']:.1g} at most.",
        ]
    )


def mean_heads_summary(result: HeadLensMean, n_named: int = 10) -> str:
    """Give the groups, and the heads that tell the due token best from another."""
    found = result.to_json()
    header = ("", "due token", "another token", "difference")
    groups = [(name, *_three(row)) for name, row in found["groups"].items() if name != "rest"]
    heads = [row for row in found["parts"] if row["head"] is not None]
    heads.sort(key=lambda row: -abs(row["difference"]["value"]))
    named = [(row["part"], *_three(row)) for row in heads[:n_named]]
    return "\n".join(
        [
            f"{count(found['n_clips'], 'clip')}, {count(found['n_tokens'], 'token')}; 95% intervals over clips. Logits "
            "that each kind of part adds:",
            table(header, groups),
            "",
            f"The {len(named)} heads of {len(heads)} that tell the due token best from another:",
            table(header, named),
        ]
    )


def _three(row: dict[str, Any]) -> tuple[str, str, str]:
    return _number(row["due"]), _number(row["another"]), _number(row["difference"])


def _short(part: str) -> str:
    return part.replace("cross-attention ", "c").replace("self-attention ", "s")


def languages_summary(result: LanguageLens, n_named: int = 8) -> str:
    """Give the languages by block, and the heads that add most to the one found."""
    found = result.to_json()
    rows = [
        (
            stage["stage"],
            ", ".join(f"{one['language']} {one['probability']:.2f}" for one in stage["likeliest"][:3]),
            _number(stage["found_probability"]),
            _number(stage["no_sound_found_probability"]),
            _share(stage["agrees_with_last"]),
            _share(stage["accuracy"]),
        )
        for stage in found["stages"]
    ]
    header = ("", "likeliest", "of the one found", "... without sound", "as the last block", "as labelled")
    heads = [row for row in found["parts"] if row["head"] is not None]
    heads.sort(key=lambda row: -abs(row["to_found"]["value"]))
    named = [
        (
            row["part"],
            _number(row["to_found"]),
            _number(row["no_sound_to_found"]),
            f"{row['most_to']} {row['most']:.2f}",
        )
        for row in heads[:n_named]
    ]
    return "\n".join(
        [
            f"{count(found['n_clips'], 'clip')}, {found['n_labelled']} with their language; "
            f"{found['n_languages']} to choose from, {found['chance']:.1%} each by chance; 95% intervals.",
            table(header, rows),
            "",
            f"The {len(named)} heads of {len(heads)} that add most to the logit of the language found, less the mean:",
            table(("", "with the sound", "without", "adds most to"), named),
        ]
    )


def encoder_summary(result: EncoderLens, *, is_one: bool) -> str:
    """Give the transcripts of one recording by stage, or error rates over many."""
    found = result.to_json()
    if is_one:
        from otoscope.study.writing import marked

        rows = [
            (
                stage["stage"],
                percent(stage["wer"]),
                percent(stage["reference_wer"]),
                f"{stage['log_probability']:.2f}",
                marked(one_line(stage["text"]), is_stopped=stage["stopped"]),
            )
            for stage in found["clips"][0]["stages"]
        ]
        return table(("", "wer", "against the reference", "log-probability", "transcript"), rows)
    means = [
        (stage["stage"], _share(stage["wer"]), _share(stage["reference_wer"]), _number(stage["log_probability"]))
        for stage in found["stages"]
    ]
    return "\n".join(
        [
            f"{count(found['n_clips'], 'clip')}, {found['n_clips_with_reference']} with a reference, "
            f"{count(found['n_tokens'], 'token')}; 95% intervals over clips. With the encoder ended after:",
            table(("", "wer against the whole", "against the reference", "log-probability of a token"), means),
        ]
    )
