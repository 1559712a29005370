"""What `otoscope demo` found, in words: a summary for the terminal, and a page that shows the pictures.

Every figure comes from the results; none is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otoscope.base.clocks import FRAME_S
from otoscope.cli.layout import between, count, duration, one_line, percent
from otoscope.cli.splice import words_summary
from otoscope.study.error_rate import Interval, bootstrap_rate, word_errors

if TYPE_CHECKING:
    from otoscope.audio.clip import Clip
    from otoscope.model.transcription import Transcription
    from otoscope.study.bigrams.experiment import Bigrams
    from otoscope.study.locality.experiment import Locality
    from otoscope.study.neighbours.experiment import Neighbours
    from otoscope.study.relevance.experiment import Relevance
    from otoscope.study.splice.experiment import Splice
    from otoscope.study.splice.words import SpliceWords
    from otoscope.study.window.experiment import WindowStudy

N_WORDS, N_NEIGHBOURS = 4, 10
"""Words named for a prompt, and tokens for a word; the tables have more."""

NEAR_FRAMES = 25
"""Half a second: relevance from no further away is called near."""


@dataclass(frozen=True, eq=False)
class Voices:
    """What was found on one group of voices.

    Attributes:
        name: `heard` or `unheard` in training; the folder of its results.
        clips: Its clips.
        transcripts: What the model made of each.
        maps: The relevance map of each.
        windows: Transcripts under attention windows.
        word: The word spliced out of one clip.
        splice: That splice.
        words: Every word of every clip spliced out.
    """

    name: str
    clips: tuple[Clip, ...]
    transcripts: tuple[Transcription, ...]
    maps: tuple[Relevance, ...]
    windows: WindowStudy
    word: str
    splice: Splice
    words: SpliceWords

    @property
    def wer(self) -> Interval:
        """Word error rate against what was said, with its 95% interval over clips."""
        pairs = zip(self.clips, self.transcripts, strict=True)
        return bootstrap_rate([word_errors(clip.transcript or "", heard.text) for clip, heard in pairs])

    @property
    def near(self) -> tuple[float, float]:
        """Mean share of relevance within `NEAR_FRAMES`, and what it would be if spread evenly; NaN without speech."""
        return (
            _mean([one.share_within(NEAR_FRAMES) for one in self.maps]),
            _mean([one.even_share_within(NEAR_FRAMES) for one in self.maps]),
        )

    @property
    def n_voices(self) -> int:
        """How many voices speak."""
        return len({clip.speaker for clip in self.clips})

    def to_json(self) -> dict[str, Any]:
        """Give the table entries; the experiments' own tables lie beside."""
        near, even = self.near
        table = self.words.to_json()
        return {
            "n_clips": len(self.clips),
            "n_voices": self.n_voices,
            "wer": self.wer,
            "relevance_near": {"within_frames": NEAR_FRAMES, "share": near, "if_even": even},
            "window_curve": [point.to_json() for point in self.windows.curve()],
            "splice": {"word": self.word, **self.splice.to_json()},
            "splice_words": {name: value for name, value in table.items() if name != "trials"},
        }

    def transcripts_json(self) -> list[dict[str, Any]]:
        """Give what was said and what was heard, clip by clip, with the words in time."""
        return [
            {
                "clip": clip.id,
                "voice": clip.speaker,
                "said": clip.transcript,
                "heard": heard.text,
                "words": [(word.start_s, word.end_s, word.text) for word in heard.words or ()],
            }
            for clip, heard in zip(self.clips, self.transcripts, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in all.

    Attributes:
        model: The model's id.
        heard: On voices heard in training.
        unheard: On voices never heard.
        locality: Attended distances over all clips.
        said: What the decoder says next with no sound.
        grammar: For each of its prompts the true probability of the words that follow it in the demo language.
        near: The nearest tokens of some words.
    """

    model: str
    heard: Voices
    unheard: Voices
    locality: Locality
    said: Bigrams
    grammar: Mapping[str, Mapping[str, float]]
    near: Neighbours

    @property
    def groups(self) -> tuple[Voices, Voices]:
        """Both groups of voices."""
        return self.heard, self.unheard

    def to_json(self) -> dict[str, Any]:
        """Give the table."""
        is_local = self.locality.is_local
        return {
            "model": self.model,
            "voices": {group.name: group.to_json() for group in self.groups},
            "local_heads": {"n_local": int(is_local.sum()), "n_heads": int(is_local.size)},
            "bigrams": {
                **self.said.to_json(),
                "grammar": {prompt: dict(true) for prompt, true in self.grammar.items()},
            },
            "neighbours": self.near.to_json(),
        }


def summary(findings: Findings, out: Path) -> str:
    """Say in plain words what was found, and where the rest is.

    Args:
        findings: What was found.
        out: The folder of results.

    Returns:
        Lines, without a line end after the last.
    """
    lines = [f"What otoscope found inside {findings.model}, on voices it was trained on and voices it never heard:", ""]
    lines += [f"{question}\n{indented(answer)}\n" for question, answer in _answers(findings)]
    return "\n".join([*lines, f"Read on, with pictures: {out / 'summary.md'}"])


def page(findings: Findings) -> str:
    """Write the page of the results, in Markdown, pictures included."""
    parts = [
        f"# Inside {findings.model}",
        f"{count(len(findings.heard.clips), 'clip')} of {count(findings.heard.n_voices, 'voice')} that the model was "
        f"trained on, {count(len(findings.unheard.clips), 'clip')} of {count(findings.unheard.n_voices, 'voice')} that "
        f"it never heard: {duration(sum(clip.duration_s for group in findings.groups for clip in group.clips))} of "
        "speech. Intervals hold 95%. The tables lie beside the pictures.",
    ]
    pictures = _pictures()
    for (question, answer), names in zip(_answers(findings), pictures, strict=True):
        parts += [f"## {question}", answer.replace("\n", "  \n"), *(f"![{title}]({path})" for path, title in names)]
    parts += [
        "## Every word spliced out in turn",
        *(f"{_who(group)}:\n\n```\n{words_summary(group.words)}\n```" for group in findings.groups),
        "![Words spliced out, voices heard](heard/splice_words/splice_words.png)",
        "![Words spliced out, voices never heard](unheard/splice_words/splice_words.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _pictures() -> list[list[tuple[str, str]]]:
    """Name the pictures under each answer."""
    return [
        [],
        [
            ("heard/relevance/relevance.png", "Relevance map of a voice heard in training"),
            ("unheard/relevance/relevance.png", "Relevance map of a voice never heard"),
            ("locality/locality.png", "Attended distance of all heads"),
        ],
        [
            ("heard/window/window.png", "Error rate against the attention window, voices heard in training"),
            ("unheard/window/window.png", "Error rate against the attention window, voices never heard"),
            ("heard/window/window_mask.png", "The masks"),
        ],
        [
            ("heard/splice/splice.png", "A word spliced out, voice heard in training"),
            ("unheard/splice/splice.png", "A word spliced out, voice never heard"),
        ],
        [("bigrams/bigrams.png", "The likeliest next tokens with no sound")],
        [("neighbours/neighbours.png", "The nearest tokens")],
    ]


def _answers(findings: Findings) -> list[tuple[str, str]]:
    """Put each question with its answer, a few lines each."""
    return [
        ("What does it hear?", "\n".join(f"{_who(group)}: WER {_rate(group.wer)}" for group in findings.groups)),
        ("How far does a frame listen?", _how_far(findings)),
        ("And when frames may attend to k neighbours on either side alone?", _windows(findings)),
        ("Does a word go with its frames?", "\n".join(_splices(group) for group in findings.groups)),
        ("What does the decoder say next with no sound at all?", _next_words(findings)),
        ("Which tokens lie nearest?", _nearest(findings)),
    ]


def _how_far(findings: Findings) -> str:
    is_local, within = findings.locality.is_local, findings.locality.local_within
    lines = []
    for group in findings.groups:
        near, even = group.near
        lines.append(
            f"{_who(group)}: {percent(near)} of the relevance to a frame of speech comes from at most {NEAR_FRAMES} "
            f"frames ({NEAR_FRAMES * FRAME_S:g} s) away; spread evenly it would be {percent(even)}"
        )
    lines.append(
        f"{is_local.sum()} of {is_local.size} heads are local: {findings.locality.local_share:.0%} of their attention "
        f"or more is at most {within} frames ({within * FRAME_S:g} s) away"
    )
    return "\n".join(lines)


def _windows(findings: Findings) -> str:
    lines = []
    for group in findings.groups:
        rates = [
            f"{'no limit' if point.k is None else f'k={point.k}'} "
            f"{percent(None if point.reference_wer is None else point.reference_wer.value)}"
            for point in group.windows.curve()
        ]
        lines.append(f"{_who(group)}: WER {', '.join(rates)}")
    return "\n".join(lines)


def _splices(group: Voices) -> str:
    own, elsewhere = group.words.own, group.words.elsewhere
    one = group.splice
    return (
        f"{_who(group)}: exactly the word whose frames were replaced went in {_rate(own.exact)} of {own.n} cases\n"
        f"  it went, alone or with others, in {_rate(own.gone)}; "
        f"with as long a stretch elsewhere replaced, in {_rate(elsewhere.gone)}\n"
        f"  for instance “{one_line(one.original)}” without the frames of “{group.word}”: “{one_line(one.spliced)}”"
    )


def _next_words(findings: Findings) -> str:
    """Put the likeliest words of each prompt beside what the language of the clips has there."""
    lines = []
    for prompt in findings.said.prompts:
        for one in findings.said.continuations:
            if one.prompt == prompt:
                words = [(token.text.strip(), token.probability) for token in one.next if token.text.strip().isalpha()]
                lines.append(f"“{prompt} …” over {one.label}: {_likeliest(words)}")
        lines.append(f"  in the language of the clips: {_likeliest(list(findings.grammar[prompt].items()))}")
    return "\n".join(lines)


def _likeliest(words: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{word} {percent(share)}" for word, share in words[:N_WORDS])


def _nearest(findings: Findings) -> str:
    return "\n".join(
        f"“{one.asked.word}”: {', '.join(near.text.strip() for near in one.neighbours[:N_NEIGHBOURS])}"
        for one in findings.near.found
    )


def _who(group: Voices) -> str:
    return "Voices heard in training" if group.name == "heard" else "Voices never heard"


def _rate(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)


def _mean(shares: Sequence[float | None]) -> float:
    known = [share for share in shares if share is not None]
    return float(np.mean(known)) if known else float("nan")


def indented(text: str) -> str:
    """Move lines two letters to the right."""
    return "\n".join(f"  {line}" for line in text.splitlines())
