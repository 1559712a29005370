"""What `otoscope steer` prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otoscope.base.layout import between, count, percent, table

if TYPE_CHECKING:
    from otoscope.base.numbers import Interval
    from otoscope.study.steer.experiment import Outcome, Steer
    from otoscope.study.steer.head_ablation import HeadAblation
    from otoscope.study.steer.phones import PhoneSwaps
    from otoscope.study.steer.sounds import SteerSounds

MOST_SWAPS = 5
MOST_HEADS = 10


def sweep_summary(result: Steer) -> str:
    """Lay out what changed at each strength, beside changes at random."""
    rows = []
    for place, outcome in enumerate(result.own):
        random = result.random[place] if result.random else None
        rate = result.wer if result.n_references else result.wer_to_clean
        rows.append(
            (
                f"{outcome.strength:g}",
                _share(result.changed(outcome)),
                "-" if random is None else _share(result.changed(random)),
                _share(rate(outcome)),
                "-" if random is None else _share(rate(random)),
                _language(result, outcome),
            )
        )
    wer = "WER" if result.n_references else "WER to clean"
    header = ("strength", "transcripts changed", "at random", wer, f"{wer} at random", "other language")
    lengths = [f"{length:.2f}" for length in result.lengths]
    lines = [
        f"{count(len(result.clip_ids), 'clip')}: {' and '.join(result.changes)}; {result.where} "
        f"({result.n_frames:,} frames)",
        *(
            [f"Added at strength 1, over the mean length of what the site holds: {', '.join(lengths)}"]
            if lengths
            else []
        ),
        *([f"With nothing changed: WER {_share(result.wer(None))}"] if result.n_references else []),
        table(header, rows),
    ]
    return "\n".join([*lines, *_swap_lines(result)])


def _swap_lines(result: Steer) -> list[str]:
    lines = []
    for outcome in result.own:
        found = [
            f"{before or '(nothing)'} > {after or '(nothing)'}" + (f" x{n}" if n > 1 else "")
            for before, after, n in result.swaps(outcome)[:MOST_SWAPS]
        ]
        if found:
            lines.append(f"at {outcome.strength:g}: {'; '.join(found)}")
    return lines


def _language(result: Steer, outcome: Outcome) -> str:
    rate = result.language_changed(outcome)
    return "-" if rate is None else percent(rate.value)


def sounds_summary(result: SteerSounds) -> str:
    """Lay out words said over no speech, and the word error rate on speech, at each strength."""
    rows = []
    for kind in result.sounds:
        rows.append((kind.kind, "nothing changed", _share(kind.wordy(None)), _number(kind.words(None)), "-", "-"))
        for place, outcome in enumerate(kind.result.own):
            random = kind.result.random[place] if kind.result.random else None
            rows.append(
                (
                    kind.kind,
                    f"strength {outcome.strength:g}",
                    _share(kind.wordy(outcome)),
                    _number(kind.words(outcome)),
                    _number(kind.change(outcome)),
                    "-" if random is None else _number(kind.words(random)),
                )
            )
    lines = [
        f"{' and '.join(result.changes)}: {len(result.sounds[0].result.clip_ids)} sounds of each kind, "
        f"{result.duration_s:g} s, without speech",
        table(("sound", "", "with words said", "words a sound", "change", "words at random"), rows),
    ]
    if result.speech is not None:
        lines += ["Clean speech:", sweep_summary(result.speech)]
    return "\n".join(lines)


def heads_summary(result: HeadAblation) -> str:
    """Lay out the heads that change most words over no speech."""
    rows = [
        (
            effect.name,
            _number(effect.words_change),
            f"{effect.words.value:.1f}",
            _share(effect.wer_change),
            "-" if effect.wer is None else percent(effect.wer.value),
        )
        for effect in result.effects[:MOST_HEADS]
    ]
    wer = "" if result.wer is None else f"; WER {_share(result.wer)} on {count(result.n_clips, 'clip')} of speech"
    return "\n".join(
        [
            f"With all heads {_number(result.words)} words a sound over {count(result.n_sounds, 'sound')} of "
            f"{result.duration_s:g} s without speech{wer}. One head removed, the {len(rows)} of "
            f"{len(result.effects)} that change it most:",
            table(("head", "words more", "words a sound", "WER more", "WER"), rows),
        ]
    )


def phones_summary(result: PhoneSwaps) -> str:
    """Lay out how often the other word was heard at each site and strength."""
    rows = [
        (
            rate.site,
            f"{rate.strength:g}",
            _share(result.hits(rate.texts)),
            _share(result.hits(rate.random_texts)),
            _share(result.gone(rate.texts)),
            _share(result.gone(rate.random_texts)),
        )
        for rate in result.rates
    ]
    different = len({(pair.word, pair.target) for pair in result.pairs})
    return "\n".join(
        [
            f"{count(len(result.pairs), 'word')} with a minimal pair ({different} different) in "
            f"{count(result.n_clips, 'clip')}; means of phones from the other half of the {result.split_by}:",
            table(("site", "strength", "other word heard", "at random", "word gone", "at random"), rows),
        ]
    )


def _share(rate: Interval | None) -> str:
    return "-" if rate is None else between(rate.value, rate.low, rate.high)


def _number(rate: Interval) -> str:
    return f"{rate.value:.1f}" if rate.low is None else f"{rate.value:.1f} ({rate.low:.1f} to {rate.high:.1f})"
