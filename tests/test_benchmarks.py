"""The benchmarks run on a tiny model and give their table; how fast anything is, no test says."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks import (
    atlas,
    bigrams,
    encoder_pass,
    feature_loop,
    harvest_memory,
    harvest_pass,
    help_command,
    live,
    loading,
    neighbours,
    on_gpu,
    pages,
    peak_memory,
    read_sites,
    released,
    relevance_map,
    report,
    run,
    side_by_side,
    spoken,
    studies,
    transcribing,
    words,
)
from benchmarks.row import Row
from benchmarks.subject import Settings, Shape, Subject, make_subject
from benchmarks.timing import Spread, take_turns
from otoscope.audio.kinds import Kind, frame_kinds
from otoscope.corpus.phones import is_pause

TINY = Settings(shape=Shape(d_model=16, n_blocks=1, n_heads=2, window_s=1), repeat=0.01, threads=1)
MACHINE = {
    "date": "2026-01-02",
    "otoscope": "1.2.3",
    "torch": "2.0",
    "transformers": "5.0",
    "python": "3.11.0",
    "processor": "A processor",
    "cores": 2,
    "threads": 2,
    "system": "Linux x86_64",
    "gpu": None,
    "load": 0.1,
}

needs_linux = pytest.mark.skipif(not peak_memory.can_count_memory(), reason="needs Linux's count of a process's memory")


@pytest.fixture(autouse=True)
def same_number_of_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return make_subject(TINY)


@pytest.mark.parametrize(
    ("question", "n_rows"), [(encoder_pass.measure, 3), (read_sites.measure, 1), (relevance_map.measure, 2)]
)
def test_questions_of_the_model_give_ratios(
    subject: Subject, question: Callable[[Subject], list[Row]], n_rows: int
) -> None:
    rows = question(subject)
    assert len(rows) == n_rows
    for row in rows:
        assert row.result is not None
        assert row.result.median > 0
        assert row.detail.endswith("ms")


@pytest.mark.parametrize(
    ("question", "n_rows"),
    [(bigrams.measure, 2), (neighbours.measure, 1), (words.measure, 1), (atlas.measure, 2), (live.measure, 2)],
)
def test_questions_of_the_decoder_give_ratios(question: Callable[[Settings], list[Row]], n_rows: int) -> None:
    rows = question(TINY)
    assert len(rows) == n_rows
    assert all(row.result is not None and row.result.median > 0 for row in rows)


def test_without_released_weights_random_ones_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTOSCOPE_MODELS", raising=False)
    monkeypatch.delenv("OTOSCOPE_SPEECH", raising=False)
    rows = {row.question.rpartition("against ")[2]: row for row in transcribing.measure(TINY)}
    assert rows["transformers"].result is not None
    assert "demo clips" in rows["transformers"].question and "random weights" in rows["transformers"].question
    for name in ("openai-whisper", "faster-whisper"):
        assert rows[name].result is None and rows[name].detail and not rows[name].is_unanswered


def test_processes_side_by_side_are_new_ones_and_end_well() -> None:
    told = "import os, sys; assert sys.argv[1] == '1'; assert os.environ.get('OMP_WAIT_POLICY') in (None, 'ACTIVE')"
    rows = side_by_side.measure(TINY, told)
    assert [row.target for row in rows] == [side_by_side.TARGET, None]
    assert all(row.result is not None and row.result.median > 0 for row in rows)
    with pytest.raises(RuntimeError, match=r"processes ended with \[3"):
        side_by_side.measure(TINY, "raise SystemExit(3)")


def test_processor_time_is_that_of_the_other_process() -> None:
    idle, busy = (loading.processor_s([f"{code}; pass"]) for code in ("pass", "sum(range(20_000_000))"))
    assert busy > idle


def test_a_study_s_clips_are_the_nearest_to_three_seconds_with_their_labels(tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    (tmp_path / "speech" / "one").mkdir(parents=True)
    for name, seconds in (("short", 0.5), ("right", 3.1), ("long", 9.0)):
        soundfile.write(tmp_path / "speech" / "one" / f"{name}.ogg", np.zeros(int(16_000 * seconds)), 16_000)
        (tmp_path / "speech" / "one" / f"{name}.txt").write_text(name)
    assert [path.stem for path in released.nearest(tmp_path / "speech", 2)] == ["right", "short"]
    studies.copy_clips(tmp_path / "speech", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy" / "one").iterdir()) == [
        "long.ogg",
        "long.txt",
        "right.ogg",
        "right.txt",
        "short.ogg",
        "short.txt",
    ]
    size = studies.size_mb(tmp_path / "copy")
    assert 0 < studies.size_mb(tmp_path / "copy", without={".ogg"}) < size
    os.link(tmp_path / "copy" / "one" / "long.ogg", tmp_path / "copy" / "again.ogg")
    assert studies.size_mb(tmp_path / "copy") == size, "a second name takes no room"


def test_the_benchmarks_need_no_package_of_the_tests() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(('pytest', 'playwright', 'beartype', 'whisper'), None)); "
    subprocess.run([sys.executable, "-c", f"{blocked}import benchmarks.run"], check=True, cwd=Path(__file__).parents[1])


def test_without_a_browser_pages_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CHROMIUM", raising=False)
    (row,) = pages.measure(TINY)
    assert row.result is None and not row.is_unanswered


def test_the_subject_is_the_same_every_time(subject: Subject) -> None:
    torch.testing.assert_close(encoder_pass.bare_pass(make_subject(TINY)), encoder_pass.bare_pass(subject))
    assert subject.clip.duration_s == TINY.shape.window_s


def test_the_gradient_of_the_measured_pass_is_not_zero(subject: Subject) -> None:
    gradient = relevance_map.forward_and_backward(subject.model.hf, subject.windows.mel)
    assert float(gradient.abs().max()) > 1e-4


def test_the_default_shape_is_that_of_whisper_tiny() -> None:
    config = Shape().config()
    assert (config.d_model, config.encoder_layers, config.decoder_layers) == (384, 4, 4)
    assert (config.encoder_attention_heads, config.encoder_ffn_dim) == (6, 1536)
    assert (config.num_mel_bins, config.max_source_positions) == (80, 1500)


def test_contestants_take_turns_and_each_comes_first() -> None:
    order: list[str] = []
    rounds = take_turns({name: partial(order.append, name) for name in "abc"}, 3)
    assert order[-9:] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert {name: len(seconds) for name, seconds in rounds.seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_compares_runs_of_the_same_round() -> None:
    rounds = take_turns({"short": lambda: None, "long": lambda: time.sleep(0.01)}, 3)
    by_hand = sorted(b / a for a, b in zip(rounds.seconds["short"], rounds.seconds["long"], strict=True))
    assert rounds.ratio("long", "short").median == by_hand[1]


def test_quartiles_are_numpys() -> None:
    import numpy as np

    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    spread = Spread.of(values)
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert (spread.low, spread.median, spread.high) == pytest.approx(tuple(expected))


def test_memory_counts_a_shared_storage_once() -> None:
    whole = torch.zeros(4, 5)
    assert peak_memory.unique_bytes([whole, whole.T, whole[:2], torch.zeros(3)]) == 4 * (20 + 3)


@needs_linux
def test_memory_counts_every_site_of_the_encoder() -> None:
    memory = peak_memory.measure_here(TINY)
    n_frames, d = 50, 16
    of_a_block = 8 * n_frames * d + 2 * n_frames * 4 * d + 2 * n_frames * n_frames
    assert memory.read_bytes == 4 * (2 * n_frames * d + 2 * n_frames * d + of_a_block)


def test_the_harvest_gives_ratios_and_the_seconds_of_what_is_done_once(subject: Subject) -> None:
    rows = harvest_pass.measure(subject)
    assert [row.unit for row in rows] == ["x", "x", "x", "x", "s", "s", "s"]
    assert [row.target for row in rows] == [harvest_pass.TARGET, *[None] * 6]
    assert all(row.result is not None and row.result.median > 0 for row in rows)
    assert rows[0].question.startswith("harvest of 80 features")  # 64 neurons of the MLP and 16 of the block


def test_the_first_round_that_counts_begins_at_the_first_part() -> None:
    parts, order = harvest_pass.next_parts(), []
    take_turns({"a": lambda: order.append(next(parts)), "b": lambda: None}, 3)
    assert order == [(0, True), (1, True), (0, False), (1, False), (2, False)]


def test_all_recordings_that_count_are_in_the_harvest_once(subject: Subject) -> None:
    with harvest_pass.prepared(subject.model, 12, 1) as ready:
        harvest = harvest_pass.Harvest(ready.harvest_pass)
        take_turns({"harvest": harvest, "bare": harvest_pass.bare_pass(subject.model, ready.recordings)}, 3)
    assert [row["clip"] for log in harvest.logs for row in log.rows] == list(range(12))
    assert not any(log.problems or log.label_problems for log in harvest.logs)
    assert harvest.state.frames["kind"].sum() == 12 * 50


@needs_linux
def test_the_memory_of_a_harvest_is_measured() -> None:
    memory = harvest_memory.measure_here(TINY)
    assert (memory.n_features, memory.n_phones, memory.n_speakers) == (80, 49, 18)
    size, growth = harvest_memory.rows(memory)
    assert (size.result, size.verdict) == (Spread.of([round(memory.state_bytes / 1e6, 1)]), "met")
    assert growth.result is not None
    assert growth.detail.endswith("model and libraries included")


def test_where_the_system_does_not_tell_a_process_s_size_the_state_is_measured_alone() -> None:
    size, growth = harvest_memory.rows(harvest_memory.Memory(80, 49, 18, 3_000_000, 0, 0))
    assert size.result is not None
    assert (growth.verdict, growth.is_unanswered) == ("not measured", False)


def test_the_study_s_loop_is_compared_with_the_harvest(subject: Subject) -> None:
    (row,) = feature_loop.measure(subject)
    assert row.result is not None
    assert row.question.startswith("harvest of 80 features against a loop")


def test_the_study_s_loop_keeps_the_strongest_recordings() -> None:
    generator = torch.Generator().manual_seed(0)
    strengths = torch.randn(25, 30, 3, generator=generator)  # clip, frame, feature
    best: dict[str, list[feature_loop.Best]] = {}
    for clip, values in enumerate(strengths):
        feature_loop.offer_all({"site": values[None]}, clip, best)
    highest = strengths.amax(dim=1)
    for feature, found in enumerate(best["site"]):
        clips = highest[:, feature].argsort(descending=True)[: harvest_pass.SETTINGS.top].tolist()
        frames = strengths[clips, :, feature].argmax(dim=1).tolist()
        assert [example[1:] for example in sorted(found.examples, reverse=True)] == list(
            zip(clips, frames, strict=True)
        )
        assert found.mean == pytest.approx(float(strengths[..., feature].mean()), abs=1e-6)


def test_the_recordings_are_speech_and_labelled_to_their_end(tmp_path: Path) -> None:
    (recording,) = spoken.record(tmp_path, 1, 10)
    clip = recording.read()
    assert clip.duration_s == 10
    assert (frame_kinds(clip.samples, 500) == Kind.SPEECH).mean() > 0.9
    labelled_s = sum(span.end_s - span.start_s for span in recording.phones if not is_pause(span.text))
    assert labelled_s > 8.5
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in itertools.pairwise(recording.phones))
    assert 9.5 < recording.phones[-1].end_s <= 10


def test_a_recording_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
    few = spoken.record(tmp_path / "few", 2, 1)
    many = spoken.record(tmp_path / "many", 20, 1)
    assert [each.phones for each in few] == [each.phones for each in many[:2]]
    assert few[1].path.read_bytes() == many[1].path.read_bytes()
    assert many[18].speaker == many[0].speaker
    assert many[18].phones != many[0].phones


def test_the_help_question_sees_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(help_command, "HEAVY", ("torch", "json"))
    timed, imports = help_command.measure(TINY, [sys.executable, "-c", "import json"])
    assert timed.result is not None
    assert (imports.verdict, imports.detail) == ("met", "of torch, json it imports json")


def test_a_command_that_fails_is_not_measured() -> None:
    (row,) = help_command.measure(TINY, [sys.executable, "-c", "raise SystemExit('no such thing')"])
    assert (row.verdict, row.detail) == ("not measured", "it ends with 1: no such thing")


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = on_gpu.measure(TINY)
    assert row.detail == "no GPU here"
    assert not row.is_unanswered


def test_half_precision_is_measured_too() -> None:
    (row,) = read_sites.measure(make_subject(TINY, dtype=torch.bfloat16))
    assert on_gpu.without_target(row, "CUDA bfloat16").target is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_half_runs() -> None:
    rows = on_gpu.measure(TINY)
    assert len(rows) == len(on_gpu.DTYPES) * 7
    assert all(row.result is not None for row in rows)


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [
        (Spread(1.0, 0.9, 1.05, 9), "met"),
        (Spread(1.0, 0.9, 1.2, 9), "met (close)"),
        (Spread(1.2, 1.15, 1.3, 9), "missed"),
        (Spread(1.2, 1.0, 1.3, 9), "missed (close)"),
        (None, "not measured"),
    ],
)
def test_a_verdict_says_when_the_spread_leaves_it_open(spread: Spread | None, verdict: str) -> None:
    assert Row("how long", result=spread, target=1.1).verdict == verdict


def test_the_page_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = report.marks(report.ALL)
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n", encoding="utf-8")
    rows = [Row("how long", "s", Spread(0.25, 0.2, 0.3, 5), 0.3, "a | b"), Row("nothing", detail="no GPU here")]
    report.write_into(page, report.ALL, report.markdown(MACHINE, rows))
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    assert "| how long | 0.250 s | 0.2 to 0.300 s | at most 0.300 s | met | 5 | a \\| b |" in lines
    assert any(line.startswith("2026-01-02: otoscope 1.2.3, torch 2.0") for line in lines)


def test_a_page_without_marks_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "measure", lambda *_: pytest.fail("it measured"))
    assert run.main(["--write", str(tmp_path / "missing.md")]) == 2
    assert "has no markers for the figures" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "nan", "inf", "many"])
def test_a_number_of_rounds_that_makes_no_sense_is_refused(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["--repeat", number])
    assert f"'{number}' is not a number above 0" in capsys.readouterr().err


def test_json_goes_to_stdout_and_the_table_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row("how long", result=Spread(1.0, 0.9, 1.05, 9), target=1.1)
    monkeypatch.setattr(run, "QUESTIONS", {"encoder": lambda _: [row]})
    assert run.main(["--json"]) == 0
    said = capsys.readouterr()
    written = json.loads(said.out)
    assert written["rows"] == [{**dataclasses.asdict(row), "verdict": "met"}]
    assert written["machine"]["torch"] == torch.__version__
    assert "how long" in said.err


def test_an_answer_that_is_missing_shows_in_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "QUESTIONS", {"help": lambda _: [Row("`otoscope --help`", detail="it ends with 1")]})
    assert run.main(["--only", "help"]) == 1


def test_a_missed_target_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Row("how long", result=Spread(9.0, 8.0, 10.0, 9), target=1.1)
    monkeypatch.setattr(run, "QUESTIONS", {"encoder": lambda _: [slow]})
    assert run.main([]) == 0
