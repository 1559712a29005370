"""The options that commands share, each with one name and one help text, and the parsing of lists in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from otoscope.base.errors import InputError
from otoscope.base.settings import LANGUAGE, SEED

N = TypeVar("N", int, float)

CORPUS_HELP = (
    "A folder of recordings, a LibriSpeech tree, a manifest (.jsonl, .csv, .tsv, .parquet), "
    "hf:NAME[:CONFIG[:SPLIT]], one recording, demo (the clips in the package), or demo:ID (one of them)."
)

Recordings = Annotated[
    list[str],
    typer.Argument(
        metavar="AUDIO...",
        help="Recordings, folders of recordings, manifests, hf:NAME, demo (the clips in the package), or demo:ID.",
    ),
]
Recording = Annotated[
    str, typer.Argument(metavar="AUDIO", help="One recording, or demo:ID for a clip of the package (demo:en-us-f2-1).")
]
Corpus = Annotated[str, typer.Argument(metavar="CORPUS", help=CORPUS_HELP)]

Model = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="demo, a name (tiny, small.en, turbo, or one listed by 'otoscope models'), a Hugging Face id, or the "
        "file or folder of a Whisper.",
    ),
]
BaseModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="The model that --model was made from: a LoRA adapter is merged into it, and a missing tokenizer is taken "
        "from it. By default the one that the checkpoint names.",
    ),
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")]
Dtype = Annotated[str, typer.Option(metavar="float32|bfloat16|float16", help="Precision of the weights.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write the results to this new folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, everything else on stderr.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results in a folder that exists.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No plan, notes or progress: only warnings and errors.")]
Seed = Annotated[int, typer.Option(metavar=SEED.metavar, help=SEED.help)]
Language = Annotated[str | None, typer.Option(metavar=LANGUAGE.metavar, help=LANGUAGE.help)]
Clips = Annotated[
    int | None, typer.Option("--clips", metavar="N", help="Use only the first N recordings; all by default.")
]
PhoneSet = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The phone set of the labels (arpabet-stress, timit61, ipa, ...); detected by default.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
AttentionWindow = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="Let encoder frames attend only to K frames (20 ms each) on either side; no limit by default.",
    ),
]
AlignmentHead = Annotated[
    list[str] | None,
    typer.Option(
        metavar="BLOCK.HEAD",
        help="Time words by this cross-attention head; repeat for several. Default: the model's own.",
    ),
]


def heads(values: Sequence[str] | None) -> tuple[tuple[int, int], ...] | None:
    """Parse cross-attention heads given as BLOCK.HEAD; None if there are none.

    Raises:
        InputError: A value is not two whole numbers.
    """
    pairs = []
    for value in values or ():
        block, dot, head = value.partition(".")
        if not (dot and block.isdecimal() and head.isdecimal()):
            raise InputError(f"--alignment-head {value!r} is not a head: give block and head from 0, such as 3.1.")
        pairs.append((int(block), int(head)))
    return tuple(pairs) or None


def numbers(values: Sequence[str] | None, option: str, *, least: int | None = None) -> tuple[int, ...] | None:
    """Parse whole numbers given with commas, by repeating an option, or both.

    `values`: the option's values; None if it was not given.
    `least`: the smallest number that is allowed; None for any.
    Returns the numbers in order, or None if there are none.
    """
    if not values:
        return None
    parsed = _parsed(values, option, int, "a whole number", "3,1")
    if least is not None and min(parsed) < least:
        raise InputError(f"{option} {min(parsed)} is too small: give whole numbers of {least} or more.")
    return parsed


def decimals(values: Sequence[str], option: str) -> tuple[float, ...]:
    """Parse numbers given with commas, by repeating an option, or both."""
    return _parsed(values, option, float, "a number", "0.5,1")


def _parsed(values: Sequence[str], option: str, kind: Callable[[str], N], name: str, example: str) -> tuple[N, ...]:
    words = [word.strip() for value in values for word in value.split(",")]
    for word in words:
        try:
            kind(word)
        except ValueError:
            raise InputError(
                f"{option} {word!r} is not {name}: give numbers with commas between them ({option} {example}) or "
                "repeat the option."
            ) from None
    return tuple(map(kind, words))
