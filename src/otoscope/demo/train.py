"""Train the demo model: `python -m otoscope.demo.train --out FOLDER`.

Trains on transcripts alone, as Whisper was trained: the only loss is that of the next token. After a stop, the same
command continues from the last checkpoint. Needs the `speech` extra; takes about two hours on two cores. The learning
rate falls to zero over the last part of the steps, so `--steps` must not change once that part has begun.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from otoscope.audio.mel import log_mel
from otoscope.base.clocks import SAMPLE_RATE_HZ
from otoscope.demo import checkpoint
from otoscope.demo.checkpoint import Progress
from otoscope.demo.evaluate import HeldOutSpeech, evaluate, held_out_speech
from otoscope.demo.feeder import IGNORED, STAGES, WINDOW_S, Feeder, SpeechBatch, Spelling
from otoscope.demo.network import N_MELS, build_network, export, set_window, special_tokens
from otoscope.demo.tokenizer import build_tokenizer

_PEAK_RATE = 1.5e-3
_WARM_UP_STEPS = 300
_DECAY_SHARE = 0.3
_LOSS_MEMORY = 0.98
_CHECKPOINT_STEPS = 100
_EVALUATE_STEPS = 1_000
_FEWEST_STAGE_STEPS = 100
_FIRST_STAGE_EVALUATED = 3
_HELD_OUT_SENTENCES = 60


def rate(step: int, steps: int) -> float:
    """Learning rate: warm-up, level, then a straight line to zero over the last part."""
    left = (steps - step) / (steps * _DECAY_SHARE)
    return _PEAK_RATE * min(1.0, (step + 1) / _WARM_UP_STEPS, max(left, 0.0))


class DemoTrainer:
    """One training run in one folder."""

    def __init__(self, folder: Path, steps: int, seed: int) -> None:
        self._folder = folder
        self._steps = steps
        self._seed = seed
        folder.mkdir(parents=True, exist_ok=True)
        self._tokenizer = build_tokenizer(WINDOW_S)
        self._special = special_tokens(self._tokenizer)
        self._network = build_network(self._tokenizer, WINDOW_S, seed)
        trained = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=_PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
        self._progress = Progress()
        self._checkpoint = folder / "checkpoint.safetensors"
        if self._checkpoint.exists():
            self._progress = checkpoint.restore(self._checkpoint, self._network, self._optimizer)
            Console().print(f"continuing from step {self._progress.step}, {STAGES[self._progress.stage].name}")

    def run(self) -> None:
        """Train to the end, then write the model's folder."""
        spelling = Spelling(self._tokenizer.backend_tokenizer.to_str(), self._special)
        progress = self._progress
        set_window(self._network, STAGES[progress.stage].window_s)
        feeder = Feeder(progress.stage, progress.step, self._seed, spelling)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Bar(*columns) as bar:
                task = bar.add_task("training", total=self._steps, completed=progress.step)
                while progress.step < self._steps:
                    self._step(feeder.next())
                    bar.update(task, completed=progress.step, description=self._description())
                    if self._stage_is_done():
                        self._next_stage(feeder)
                    if progress.step % _CHECKPOINT_STEPS == 0:
                        checkpoint.save(self._checkpoint, self._network, self._optimizer, progress)
                        self._write_down({})
                    if progress.step % _EVALUATE_STEPS == 0 and progress.stage >= _FIRST_STAGE_EVALUATED:
                        self._evaluate()
        finally:
            feeder.stop()
        self._write_down({"finished": "training"})
        checkpoint.save(self._checkpoint, self._network, self._optimizer, progress)
        set_window(self._network, WINDOW_S)
        export(self._network, self._tokenizer, self._folder / "model", WINDOW_S)

    @cached_property
    def _held_out(self) -> dict[str, HeldOutSpeech]:
        return held_out_speech(_HELD_OUT_SENTENCES, WINDOW_S, self._seed)

    def _step(self, batch: SpeechBatch) -> None:
        began = time.perf_counter()
        for group in self._optimizer.param_groups:
            group["lr"] = rate(self._progress.step, self._steps)
        mel = log_mel(torch.from_numpy(batch.samples), N_MELS)
        with torch.autocast("cpu", torch.bfloat16):
            inputs = torch.from_numpy(batch.inputs)
            logits = self._network(input_features=mel, decoder_input_ids=inputs, use_cache=False).logits
        targets = torch.from_numpy(batch.targets).flatten()
        losses = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets, ignore_index=IGNORED, reduction="none"
        )
        (losses.sum() / (targets != IGNORED).sum()).backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        progress = self._progress
        memory = _LOSS_MEMORY if progress.stage_steps else 0.0
        is_text = (targets >= 0) & (targets < self._special.end)
        progress.loss = memory * progress.loss + (1 - memory) * losses.detach()[is_text].mean().item()
        progress.step += 1
        progress.stage_steps += 1
        progress.audio_hours += batch.samples.size / SAMPLE_RATE_HZ / 3600
        progress.train_hours += (time.perf_counter() - began) / 3600

    def _description(self) -> str:
        return f"{STAGES[self._progress.stage].name}, loss {self._progress.loss:.3f}"

    def _stage_is_done(self) -> bool:
        stage, progress = STAGES[self._progress.stage], self._progress
        learnt = progress.loss < stage.until_loss and progress.stage_steps >= _FEWEST_STAGE_STEPS
        return learnt or progress.stage_steps >= stage.most_steps

    def _next_stage(self, feeder: Feeder) -> None:
        self._write_down({"finished": STAGES[self._progress.stage].name})
        self._progress.stage += 1
        self._progress.stage_steps = 0
        set_window(self._network, STAGES[self._progress.stage].window_s)
        feeder.move_on(self._progress.stage)

    def _evaluate(self) -> None:
        set_window(self._network, WINDOW_S)
        self._write_down({"held out": evaluate(self._network, self._tokenizer, self._held_out)})
        set_window(self._network, STAGES[self._progress.stage].window_s)

    def _write_down(self, more: dict[str, object]) -> None:
        with (self._folder / "progress.jsonl").open("a") as file:
            file.write(json.dumps({**asdict(self._progress), **more}) + "\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m otoscope.demo.train", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("demo-training"), help="folder of the run; a run in it is continued"
    )
    parser.add_argument("--steps", type=int, default=12_000, help="optimizer steps in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="threads for the network")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    DemoTrainer(arguments.out, arguments.steps, arguments.seed).run()


if __name__ == "__main__":
    main()
