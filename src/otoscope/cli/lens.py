"""`otoscope lens`: what each decoder block would already say, by blocks, heads, languages or encoder blocks."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.base.errors import InputError
from otoscope.base.settings import Settings
from otoscope.cli import options
from otoscope.cli.command import command
from otoscope.cli.job import Job
from otoscope.cli.sources import is_one_recording
from otoscope.study.lens.settings import (
    LanguageLensSettings,
    LensCurveSettings,
    LensOptions,
    LensSettings,
    SaidSettings,
)

TOKEN_BY_TOKEN: dict[str, tuple[str, str, type[Settings]]] = {
    "blocks": ("decoder's blocks", "experiment:lens", LensSettings),
    "heads": ("decoder's heads", "heads:head_lens", SaidSettings),
}
OVER_CLIPS: dict[str, tuple[str, str, type[Settings]]] = {
    "blocks": ("decoder's blocks", "curve:lens_curve", LensCurveSettings),
    "heads": ("decoder's heads", "heads_mean:head_lens_mean", LensCurveSettings),
    "languages": ("languages", "languages:language_lens", LanguageLensSettings),
    "encoder": ("encoder, cut off after each block,", "encoder:encoder_lens", LensCurveSettings),
}
"""Mode to a description, the function (`module:name`) and its settings."""


@command(LensOptions)
def lens(
    audio: Annotated[
        str, typer.Argument(metavar="AUDIO|CORPUS", help="One recording or demo:ID, token by token; or a corpus.")
    ],
    heads: Annotated[
        bool, typer.Option("--heads", help="What each head adds to the logit of the correct token.")
    ] = False,
    languages: Annotated[
        bool, typer.Option("--languages", help="Which language each block and head points to.")
    ] = False,
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Transcribe with the encoder cut off after each of its blocks.")
    ] = False,
    clips: options.Clips = None,
    *,
    settings: LensOptions,
    job: Job,
) -> None:
    """Read what every block of the decoder would already say (the logit lens).

    For one recording the result is given token by token, for a corpus on average. --out gets lens.json, lens.npz and
    lens.png, or for a corpus lens_curve.json and .png; the other modes write head_lens, head_lens_mean, language_lens
    or encoder_lens.
    """
    chosen = {"heads": heads, "languages": languages, "encoder": encoder}
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise InputError(f"--{' and --'.join(names)} are different experiments: give one at a time.")
    name = names[0] if names else "blocks"
    is_one = is_one_recording([audio])
    if is_one and clips is not None:
        raise InputError(f"--clips counts the recordings of a corpus, and {audio!r} is one recording. Leave it out.")
    _check(name, settings, has_tokens=is_one and name in TOKEN_BY_TOKEN)
    if is_one and name in TOKEN_BY_TOKEN:
        about, measure, kind = TOKEN_BY_TOKEN[name]
        job.on(audio, f"Reading the {about} over", f"otoscope.study.lens.{measure}", settings.narrowed(kind))
    else:
        about, measure, kind = OVER_CLIPS[name]
        job.over(audio, clips, f"Reading the {about} over", f"otoscope.study.lens.{measure}", settings.narrowed(kind))


def _check(name: str, settings: LensOptions, *, has_tokens: bool) -> None:
    """Refuse options that do not go together, before anything is read."""
    if (settings.text, settings.window) != (None, None) and not has_tokens:
        raise InputError(
            "--text and --window are for the blocks or --heads of one recording. Leave them out, or name one recording."
        )
    if settings.top != LensSettings.top and not (has_tokens and name == "blocks"):
        raise InputError("--top is for the blocks of one recording. Leave it out, or name one recording.")
    if name == "languages" and settings.language is not None:
        raise InputError("--languages measures which language is heard: leave out --language.")
