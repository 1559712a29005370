"""Studies with one value that does not belong: their records are made, or refused in words; nothing else happens."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoscope.atlas.build import as_script
from otoscope.atlas.records import all_names, record
from otoscope.atlas.records.shared import finite
from otoscope.atlas.study_folder import StudyFolder
from otoscope.base.errors import InputError
from otoscope.harvest.opened import open_run
from tests.atlas.serving import serving
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import add_listening

WRONG = (None, "x", [], {}, -1, 10**400, [None])
OF_FILE = 28
"""Places that are drawn of each file."""

Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of every part that pages read. Read only."""
    folder = tmp_path_factory.mktemp("damaged") / "study"
    return add_listening(make_study(folder, 6, n_clips=3, top=2, sign="positive"), 1)


@pytest.fixture
def study(whole: Path, tmp_path: Path) -> Path:
    """The same study, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "study"))


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Name every place in a JSON file; of long lists the first few, whose fellows are alike."""
    yield at
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*at, key))
    elif isinstance(value, list):
        for number, one in enumerate(value[:3]):
            yield from places(one, (*at, number))


def put(value: Any, at: Place, wrong: Any) -> Any:
    """Give the JSON with another value at a place."""
    if not at:
        return wrong
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[at[0]] = put(value[at[0]], at[1:], wrong)
    return changed


def make_all(study: Path) -> list[str]:
    """Make every record as pages are built of them, and give what was refused."""
    refused = []
    try:
        folder = StudyFolder(study)
        names = list(all_names(folder))
    except InputError as error:
        return [str(error)]
    for name in names:
        try:
            as_script(name, record(folder, name))
        except InputError as error:
            refused.append(str(error))
        except KeyError as error:
            assert error.args == (name,)
    return refused


def test_the_whole_study_is_refused_nothing(whole: Path) -> None:
    assert make_all(whole) == []


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be read from the disk once, where no test writes them."""
    read_table, kept = pq.read_table, {}

    def read(path: Path, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
        key = (path, str(columns), str(filters))
        if key not in kept:
            kept[key] = read_table(path, columns=columns, filters=filters)
        return kept[key]

    monkeypatch.setattr(pq, "read_table", read)


@pytest.mark.usefixtures("read_once")
def test_a_wrong_value_anywhere_in_a_study_is_taken_or_told(study: Path) -> None:
    texts = {path: path.read_text() for path in sorted(study.rglob("*.json"))}
    wholes = {path: json.loads(text) for path, text in texts.items()}
    drawn = random.Random(0)
    by_file = {path: list(places(value)) for path, value in wholes.items()}
    chosen = [(path, at) for path, found in by_file.items() for at in drawn.sample(found, min(OF_FILE, len(found)))]
    assert len(chosen) > 200
    n_refused = 0
    for path, at in chosen:
        wrong = drawn.choice(WRONG)
        path.write_text(json.dumps(put(wholes[path], at, wrong)))
        try:
            n_refused += bool(make_all(study))
        except Exception as error:
            error.add_note(f"{path.relative_to(study)} with {str(wrong)[:20]} at {at}")
            raise
        path.write_text(texts[path])
    assert n_refused > 10


EDITS = [
    ("study.json", ("model",), "x", "model is a str"),
    ("study.json", ("corpus",), [], "corpus is a list"),
    ("study.json", ("parts",), {}, "parts is a dict"),
    ("harvest/manifest.json", ("groups", 0, "n_features"), 10**400, "lists 1000"),
    ("harvest/manifest.json", ("phones", 0), 10**400, "is not a manifest of a harvest run"),
    ("phones/phones.json", ("run",), "x", "'str' object has no attribute 'get'"),
]


@pytest.mark.parametrize(("file", "at", "wrong", "told"), EDITS, ids=[edit[-1] for edit in EDITS])
def test_what_is_wrong_is_told(study: Path, file: str, at: Place, wrong: object, told: str) -> None:
    path = study / file
    path.write_text(json.dumps(put(json.loads(path.read_text()), at, wrong)))
    refused = make_all(study)
    assert any(told in one for one in refused), refused


def test_a_record_of_a_damaged_study_is_named_and_no_answer_is_a_mistake_of_ours(study: Path) -> None:
    path = study / "phones" / "phones.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "run": "x"}))
    with pytest.raises(InputError, match="the record 'phones' cannot be made") as refused:
        record(StudyFolder(study), "phones")
    assert isinstance(refused.value.__cause__, AttributeError)
    with serving(study) as running:
        reply = running.get("/data/phones.json")
        assert "the record 'phones' cannot be made" in reply.json["error"]
        assert str(study) not in reply.json["error"]
        assert running.get("/data/nothing.json").status == 404


def test_parts_that_were_left_empty_are_none(study: Path) -> None:
    path = study / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": None, "corpus": None, "parts": None}))
    assert make_all(study) == []


@pytest.mark.parametrize(("table", "column"), [("features", "edges"), ("ranges", "samples"), ("examples", "phone"),
                                               ("phone_counts", "counts")])  # fmt: skip
def test_a_column_of_another_type_is_told(study: Path, table: str, column: str) -> None:
    path = study / "harvest" / f"{table}.parquet"
    found = pq.read_table(path)
    numbers = pa.array(range(found.num_rows), pa.duration("s"))
    pq.write_table(found.set_column(found.schema.get_field_index(column), column, numbers), path)
    run = open_run(study / "harvest")
    with pytest.raises(InputError, match=rf"{table}\.parquet' is damaged .*: harvest again"):
        getattr(run, table)(run.groups[0])


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, "1", None])
def test_what_is_no_number_that_pages_have_is_none(value: object) -> None:
    assert finite(value) is None


def test_a_recording_whose_file_is_gone_is_not_named(study: Path) -> None:
    (study / "listening" / "0000" / "listening.json").unlink()
    folder = StudyFolder(study)
    assert "listening/0000" not in list(all_names(folder))
    assert record(folder, "listening")["clips"] == []


def test_tables_of_recordings_are_not_listed_however_many_there_are(study: Path) -> None:
    shutil.copytree(study / "listening" / "0000", study / "listening" / "1000")
    files = [table["file"] for table in record(StudyFolder(study), "methods")["tables"]]
    assert [file for file in files if file.startswith("listening/")] == [
        "listening/index.json", "listening/manifest.json",
    ]  # fmt: skip
