"""A Hugging Face dataset, made here and read from its folder: streamed, decoded by us, and refused in plain words."""

from __future__ import annotations

import io
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoscope.base.errors import InputError
from otoscope.corpus import huggingface, open_corpus
from tests.audio.sounds import RATE_HZ, noise

datasets = pytest.importorskip("datasets", reason="the extra 'datasets' is not installed")


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def content(seed: int, form: str = "FLAC") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(0.3, seed=seed), RATE_HZ, format=form)
    return file.getvalue()


def made(
    path: Path, sounds: Sequence[bytes | None] | None = None, *, is_audio: bool = True, **columns: Sequence[Any]
) -> Path:
    """Write a split as the library does, with sound as bytes in a column of its own type."""
    sounds = [content(seed) for seed in range(4)] if sounds is None else sounds
    rows = {
        "audio": [{"bytes": sound, "path": None if sound is None else f"{n}.flac"} for n, sound in enumerate(sounds)],
        **columns,
    }
    table = datasets.Dataset.from_dict(rows)
    if is_audio:
        table = table.cast_column("audio", datasets.Audio(sampling_rate=RATE_HZ, decode=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    return path.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four rows in one split."""
    return made(
        tmp_path / "set" / "train-00000-of-00001.parquet",
        text=["a b", "c", "d", "e"],
        speaker_id=[1, 1, 2, 2],
        locale=["en-US", "en-GB", "de", "zh_CN"],
        id=["w", "x", "y", "z"],
        chapter_id=[9, 9, 9, 9],
    )


def test_the_usual_columns_are_found_by_name(folder: Path) -> None:
    clips = open_corpus(f"hf:{folder}")
    assert [(source.id, source.speaker, source.language) for source in clips.sources] == [
        ("w", "1", "en"),
        ("x", "1", "en"),
        ("y", "2", "de"),
        ("z", "2", "zh"),
    ]
    read = list(clips)
    assert [clip.transcript for clip in read] == ["a b", "c", "d", "e"]
    for seed, clip in enumerate(read):
        np.testing.assert_allclose(clip.samples, noise(0.3, seed=seed), atol=1e-4)
    assert clips.phone_set is None and not clips.problems


def test_sound_in_a_plain_column_of_bytes_is_read_too(tmp_path: Path) -> None:
    folder = made(tmp_path / "set" / "train.parquet", is_audio=False)
    assert [clip.id for clip in open_corpus(f"hf:{folder}")] == ["000001", "000002", "000003", "000004"]


def test_clips_read_in_order_come_from_one_stream(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = open_corpus(f"hf:{folder}")
    opened: list[huggingface.Opening] = []
    real = huggingface.Opening.open

    def counting(self: huggingface.Opening, **settings: Any) -> Any:
        opened.append(self)
        return real(self, **settings)

    monkeypatch.setattr(huggingface.Opening, "open", counting)
    assert len(list(clips)) == 4 and len(opened) == 1
    assert len(list(clips)) == 4 and len(opened) == 2


def test_clips_read_out_of_order_are_the_same(folder: Path) -> None:
    clips = open_corpus(f"hf:{folder}")
    in_order = [clip.samples for clip in clips]
    for number in (2, 0, 3, 1):
        np.testing.assert_array_equal(clips.sources[number].read().samples, in_order[number])


def test_sources_can_be_sent_to_other_processes(folder: Path) -> None:
    clips = open_corpus(f"hf:{folder}")
    next(iter(clips))
    copy = pickle.loads(pickle.dumps(clips.sources[2]))
    np.testing.assert_array_equal(copy.read().samples, clips.sources[2].read().samples)


def test_a_row_that_cannot_be_decoded_does_not_stop_the_others(tmp_path: Path) -> None:
    sounds = [content(0), b"", b"no sound at all, but a text" * 9, None, content(4)[:900], content(5, "WAV")]
    clips = open_corpus(f"hf:{made(tmp_path / 'set' / 'train.parquet', sounds)}")
    assert [clip.id for clip in clips] == ["000001", "000006"]
    messages = [problem.message for problem in clips.problems]
    assert [problem.clip for problem in clips.problems] == ["000002", "000003", "000004", "000005"]
    assert "row 2, 1.flac' is empty" in messages[0] and "row 3, 2.flac' is not a recording" in messages[1]
    assert "row 4 holds no sound: expected the bytes or the path" in messages[2]


def test_ids_that_do_not_name_each_row_give_way_to_numbers(tmp_path: Path) -> None:
    for name, ids in {"twins": ["a", "b", "a", "c"], "upwards": ["a", "../b", "c", "d"]}.items():
        clips = open_corpus(f"hf:{made(tmp_path / name / 'train.parquet', id=ids)}")
        assert [source.id for source in clips.sources] == ["000001", "000002", "000003", "000004"]
        assert clips.notes == ("column 'id' does not name each row: clips are called by their numbers.",)


def test_a_split_is_named_where_there_are_several(tmp_path: Path) -> None:
    made(tmp_path / "set" / "train.parquet", text=["a", "b", "c", "d"])
    made(tmp_path / "set" / "test.parquet", [content(7)], text=["only"])
    with pytest.raises(InputError, match=r"has the splits train, test\. Name one: hf:NAME:CONFIG:train"):
        open_corpus(f"hf:{tmp_path / 'set'}")
    assert [clip.transcript for clip in open_corpus(f"hf:{tmp_path / 'set'}::test")] == ["only"]
    with pytest.raises(InputError, match=r"there is no split 'dev'\. Choose one of train, test"):
        open_corpus(f"hf:{tmp_path / 'set'}::dev")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:", "is not a dataset: expected hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG:SPLIT"),
        ("hf:a:b:c:d", "is not a dataset: expected"),
        ("hf:no/such/folder", "is neither a folder nor a Hugging Face id"),
        ("hf:nobody/nothing", "'nobody/nothing' is not in the cache .* HF_HUB_OFFLINE forbids asking.*hf download"),
    ],
)
def test_what_cannot_be_found_is_told_at_once(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(InputError, match=message):
        open_corpus(name)
    assert time.monotonic() - start < 5


def test_a_hub_that_cannot_be_reached_is_told_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2

    def unreachable(*_: Any, **__: Any) -> None:
        raise httpx2.ConnectError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"could not be reached \(ConnectError\)\. HF_ENDPOINT is .*give hf:FOLDER"):
        open_corpus("hf:nobody/nothing")


def test_a_dataset_without_sound_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(InputError, match="cannot be read: .*Check the name, configuration and split"):
        open_corpus(f"hf:{tmp_path / 'set'}")
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "set" / "train.parquet")
    with pytest.raises(InputError, match=r"has no column of sound: it has text\. Choose a dataset with a column"):
        open_corpus(f"hf:{tmp_path / 'set'}")


def test_the_extra_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs one more library: run `pip install 'otoscope\[datasets\]'`"):
        open_corpus("hf:some/thing")


def test_an_audiofolder_is_read_without_a_decoder_of_the_librarys(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    for seed, name in enumerate("ab"):
        (folder / f"{name}.flac").write_bytes(content(seed))
    rows = [("a", "one, two", "x"), ("b", "three", "y")]
    lines = [f'{{"file_name": "{n}.flac", "transcription": "{t}", "speaker_id": "{s}"}}\n' for n, t, s in rows]
    (folder / "metadata.jsonl").write_text("".join(lines))
    clips = open_corpus(f"hf:{tmp_path / 'set'}")
    read = list(clips)
    assert [(clip.transcript, clip.speaker) for clip in read] == [("one, two", "x"), ("three", "y")]
    assert not clips.problems
    for seed, clip in enumerate(read):
        np.testing.assert_allclose(clip.samples, noise(0.3, seed=seed), atol=1e-4)
