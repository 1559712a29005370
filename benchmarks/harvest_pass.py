"""What does a harvest cost, compared with an encoder pass over the same recordings?

Both begin with the files: a bare pass decodes them, computes the log-mel and runs the transformers encoder; a harvest
also gathers examples, ranges, statistics and counts by phone of every feature. Rounds of a few recordings each go
through both in turns. What a harvest does besides its pass has its own rows, in seconds.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import soundfile
import torch

from benchmarks.row import Row
from benchmarks.spoken import Recording, corpus_of, record
from benchmarks.subject import Subject
from benchmarks.timing import WARM_UP_ROUNDS, Rounds, Spread, take_turns
from otoscope.audio.mel import log_mel
from otoscope.harvest.activity import EncoderReader
from otoscope.harvest.calibration import Calibration, calibrate
from otoscope.harvest.labels import label_set
from otoscope.harvest.part import CorpusPass, PartLog, gather_part
from otoscope.harvest.run import CHECKPOINT_S, make_pass
from otoscope.harvest.settings import HarvestSettings
from otoscope.harvest.tables import Gathered, write_tables
from otoscope.harvest.work import Work
from otoscope.model.whisper import Whisper

TARGET = 1.25
ROUNDS = 10
WINDOWS_A_ROUND = 4
FIRST_ROUNDS = 2
"""The first windows have their own row: nearly all their peaks are kept, and memory is used for the first time."""
SETTINGS = HarvestSettings(sites=("encoder.blocks.*.mlp.1", "encoder.blocks.*"), part_clips=WINDOWS_A_ROUND)
HOUR_S = 3_600


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A harvest that is ready for its pass."""

    recordings: list[Recording]  # the recordings to harvest
    harvest_pass: CorpusPass
    calibration: Calibration
    calibration_s: float  # how long calibrating took

    @property
    def n_features(self) -> int:
        """Features of all groups."""
        return sum(group.n_features for group in self.harvest_pass.groups)


@contextmanager
def prepared(model: Whisper, n_windows: int, n_threads: int) -> Iterator[Prepared]:
    """Write recordings, and get a harvest of them ready.

    Args:
        model: The model.
        n_windows: Number of recordings; each fills a window of the model.
        n_threads: Threads that share the features.

    Yields:
        The harvest; its recordings are gone afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        recordings = record(Path(folder), n_windows, model.window_s)
        corpus = corpus_of(recordings)
        labels = label_set(corpus, SETTINGS.phone_set, SETTINGS.seed)
        reader = EncoderReader(model, SETTINGS.sites)
        start = time.perf_counter()
        calibration = calibrate(reader, corpus, labels, SETTINGS)
        calibration_s = time.perf_counter() - start
        harvest_pass = make_pass(reader, corpus, labels, SETTINGS, calibration, n_threads)
        yield Prepared(recordings, harvest_pass, calibration, calibration_s)


class Harvest:
    """Gathers the next part whenever it is called.

    Attributes:
        state: What was gathered.
        logs: The log of each part.

    Args:
        harvest_pass: The pass.
    """

    def __init__(self, harvest_pass: CorpusPass) -> None:
        self._pass = harvest_pass
        self._warm_up_state = harvest_pass.empty_state()  # so that the first measured round starts with an empty state
        self.state = harvest_pass.empty_state()
        self.logs: list[PartLog] = []
        self._parts = next_parts()

    def __call__(self) -> None:
        """Gather a part."""
        part, is_warm_up = next(self._parts)
        log = gather_part(self._pass, part, self._warm_up_state if is_warm_up else self.state, {})
        if not is_warm_up:
            self.logs.append(log)


def next_parts() -> Iterator[tuple[int, bool]]:
    """Number the parts in the order of `take_turns`, with whether each is a warm-up; warm-up parts are repeated."""
    yield from ((part, True) for part in range(WARM_UP_ROUNDS))
    part = 0
    while True:
        yield part, False
        part += 1


def bare_pass(model: Whisper, recordings: Sequence[Recording]) -> Callable[[], None]:
    """Make a contestant that runs the next recordings through the transformers encoder, and nothing else.

    The log-mel is otoscope's, because it is faster than the framework's.
    """
    parts = next_parts()

    def run() -> None:
        part, _ = next(parts)
        for recording in recordings_of(recordings, part):
            samples, _ = soundfile.read(recording.path, dtype="float32")
            with torch.no_grad():
                model.hf.model.encoder(log_mel(torch.from_numpy(samples)[None], model.n_mels))

    return run


def recordings_of(recordings: Sequence[Recording], part: int) -> Sequence[Recording]:
    """The recordings of a part."""
    return recordings[part * WINDOWS_A_ROUND : (part + 1) * WINDOWS_A_ROUND]


def measure(subject: Subject) -> list[Row]:
    """Compare a harvest with bare passes, and time its other work.

    Args:
        subject: The model; its sound is not used.

    Returns:
        The ratio over all windows, over the first, over the later ones, and for an hour of sound with the work that is
        done once; then the seconds of that work.
    """
    model, threads = subject.model, subject.settings.threads
    n_rounds = max(FIRST_ROUNDS + 1, subject.settings.rounds(ROUNDS))
    with prepared(model, n_rounds * WINDOWS_A_ROUND, threads) as ready:
        harvest = Harvest(ready.harvest_pass)
        rounds = take_turns({"bare": bare_pass(model, ready.recordings), "harvest": harvest}, n_rounds)
        tables_s, saving_s = _tables_s(ready, harvest), _saving_s(harvest)
    name = f"harvest of {ready.n_features:,} features against a bare pass over the same recordings"
    kinds = harvest.state.frames["kind"]
    labelled = int(harvest.state.frames["phone"][:-1].sum())
    n_peaks = sum(float(group.arrays["cell_counts"].sum()) for group in harvest.state.groups)
    sound = (
        f"{kinds[0] / kinds.sum():.0%} of the frames speech, {labelled / kinds.sum():.0%} with a phone, "
        f"{n_peaks / ready.n_features / kinds[0]:.2f} peaks a feature and frame of speech"
    )
    first, later = _rounds(rounds, 0, FIRST_ROUNDS), _rounds(rounds, FIRST_ROUNDS, n_rounds)
    per_round = f"for {WINDOWS_A_ROUND} windows of {model.window_s:.3g} s"
    rows = [
        Row(
            name,
            result=rounds.ratio("harvest", "bare"),
            target=TARGET,
            detail=f"{_behind(rounds)} {per_round}; {sound}",
        )
    ]
    for what, part_rounds in (
        (f"the first {FIRST_ROUNDS * WINDOWS_A_ROUND} windows", first),
        (f"the {(n_rounds - FIRST_ROUNDS) * WINDOWS_A_ROUND} windows after them", later),
    ):
        rows.append(
            Row(
                f"the same over {what}",
                result=part_rounds.ratio("harvest", "bare"),
                detail=f"{_behind(part_rounds)} {per_round}",
            )
        )
    return rows + _once(later, model.window_s, ready, tables_s, saving_s)


def _once(later: Rounds, window_s: float, ready: Prepared, tables_s: float, saving_s: float) -> list[Row]:
    """Rows for the work done once per run or once per minute, and for an hour of sound with all of it."""
    n_rounds = HOUR_S / (window_s * WINDOWS_A_ROUND)
    bare_s, pass_s = (later.time(name).median * n_rounds for name in ("bare", "harvest"))
    besides = {
        "harvest: calibration, once a run": (ready.calibration_s, f"from {ready.calibration.n_frames} frames"),
        "harvest: writing the tables, once a run": (tables_s, f"for {ready.n_features:,} features"),
        f"harvest: writing the state, every {CHECKPOINT_S:.0f} s": (
            saving_s,
            "so that it can go on after being killed",
        ),
    }
    all_s = pass_s * (1 + saving_s / CHECKPOINT_S) + ready.calibration_s + tables_s
    return [
        Row(
            "the same for an hour of sound, calibration, tables and states on disk included (extrapolated)",
            result=_single(all_s / bare_s),
            detail=f"{all_s:.0f} s against {bare_s:.0f} s, from the later windows",
        ),
        *(
            Row(what, "s", _single(seconds), detail=f"{detail}; {seconds / pass_s:.1%} of the pass over an hour")
            for what, (seconds, detail) in besides.items()
        ),
    ]


def _tables_s(ready: Prepared, harvest: Harvest) -> float:
    """Time writing the tables."""
    gathered = Gathered(harvest.state, ready.harvest_pass, SETTINGS.ranges, lambda: (log.rows for log in harvest.logs))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_tables(Path(folder), gathered)
        return time.perf_counter() - start


def _saving_s(harvest: Harvest) -> float:
    """Time writing a checkpoint of the state."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        Work(Path(folder)).save_state(harvest.state, len(harvest.logs))
        return time.perf_counter() - start


def _rounds(rounds: Rounds, first: int, stop: int) -> Rounds:
    return Rounds({name: seconds[first:stop] for name, seconds in rounds.seconds.items()})


def _behind(rounds: Rounds) -> str:
    return rounds.compared("harvest", "bare")


def _single(value: float) -> Spread:
    return Spread.of([value])
