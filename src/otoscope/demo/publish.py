"""Put a finished training run into the package: `python -m otoscope.demo.publish --run FOLDER`.

Chooses the alignment heads, measures word error rates on many held-out sentences, and writes the checkpoint with
`training.json`, which records how it was trained and its error rates. Needs the `speech` extra; takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from otoscope.audio.clip import Clip, Span
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.base.files import write_json, write_text
from otoscope.demo.alignment_heads import choose_heads
from otoscope.demo.evaluate import error_rate, held_out_speech
from otoscope.demo.feeder import WINDOW_S
from otoscope.demo.network import export
from otoscope.demo.speech import Studio, draw_sentence
from otoscope.demo.voices import training_voice
from otoscope.model.load import load
from otoscope.model.whisper import Whisper

_HEAD_CLIPS = 40
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def _training_clips(n_clips: int, seed: int) -> list[Clip]:
    """Make speech like that of training, with word times."""
    rng = random.Random(seed)
    studio = Studio()
    clips = []
    for number in range(n_clips):
        piece = studio.passage([draw_sentence(rng)], training_voice(rng), rng).pieces[0]
        lead = rng.randint(0, SAMPLE_RATE_HZ // 2)
        samples = torch.nn.functional.pad(torch.from_numpy(piece.samples), (lead, 0)).numpy()
        words = tuple(
            Span(w.start_s + lead / SAMPLE_RATE_HZ, w.end_s + lead / SAMPLE_RATE_HZ, w.text) for w in piece.words
        )
        clips.append(Clip(samples, f"training-{number}", transcript=piece.text, words=words))
    return clips


def measure(model: Whisper, n_sentences: int, seed: int) -> dict[str, Any]:
    """Measure word error rates in the full window by kind of voice, with and without timestamps."""
    rates: dict[str, Any] = {}
    for kind, spoken in held_out_speech(n_sentences, WINDOW_S, seed).items():
        for timestamps in (False, True):
            heard = model.transcribe_many(list(spoken.samples), language="en", timestamps=timestamps)
            name = f"{kind}, with timestamps" if timestamps else kind
            rates[name] = asdict(error_rate(spoken.texts, [transcription.text for transcription in heard]))
    return rates


def figures(training: dict[str, Any]) -> str:
    """Format the content of `training.json` as a Markdown table."""
    rows = [
        ("steps", f"{training['steps']:,}"),
        ("hours of sound heard, padding included", f"{training['audio_hours']:.0f}"),
        ("hours of computing, two cores, shared with other work", f"{training['train_hours']:.1f}"),
        (
            "word times: mean distance of starts and ends from the truth",
            f"{training['word_timing_error_s'] * 1000:.0f} ms",
        ),
    ]
    for kind, rate in training["word_error_rates"].items():
        parts = ", ".join(f"{rate[part]:.1%} {part}" for part in ("substitutions", "insertions", "deletions"))
        sample = f"{rate['sentences']} held-out sentences, {rate['words']:,} words"
        rows.append((f"word error rate, {kind} ({sample})", f"**{rate['wer']:.1%}** ({parts})"))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def write_figures(page: Path, training: dict[str, Any]) -> None:
    """Write the figures between their markers in a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    write_text(page, f"{before}{_BEGIN}\n{figures(training)}\n{_END}{after}")


def publish(run: Path, out: Path, *, n_sentences: int, seed: int) -> dict[str, Any]:
    """Finish and write the checkpoint of a run."""
    progress = json.loads((run / "progress.jsonl").read_text().splitlines()[-1])
    model = load(run / "model")
    heads, error_s = choose_heads(model, _training_clips(_HEAD_CLIPS, seed))
    model.hf.generation_config.alignment_heads = [list(head) for head in heads]
    training = {
        "steps": progress["step"],
        "audio_hours": round(progress["audio_hours"], 1),
        "train_hours": round(progress["train_hours"], 2),
        "alignment_heads": heads,
        "word_timing_error_s": round(error_s, 4),
        "word_error_rates": measure(model, n_sentences, seed),
    }
    export(model.hf, model.tokenizer, out, WINDOW_S)
    write_json(out / "training.json", training)
    return training


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(prog="python -m otoscope.demo.publish", description="Put a run into the package.")
    parser.add_argument("--run", type=Path, default=Path("demo-training"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "model")
    parser.add_argument("--docs", type=Path, help="page to put the figures into, as docs/demo_model.md")
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    training = publish(arguments.run, arguments.out, n_sentences=arguments.sentences, seed=arguments.seed)
    if arguments.docs:
        write_figures(arguments.docs, training)
    Console().print_json(json.dumps(training))


if __name__ == "__main__":
    main()
