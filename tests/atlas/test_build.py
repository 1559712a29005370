"""Pages on disk: complete, of the package's own scripts, and asking nobody."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoscope.atlas.build import as_script, build, site_files
from otoscope.atlas.published import published
from otoscope.base.errors import InputError, OutputError
from tests.atlas.records.tables import add_everything
from tests.atlas.synthetic import make_study
from tests.atlas.synthetic_listening import add_listening

ROOT = Path(__file__).parents[2]
VENDORED = {
    "uPlot-1.6.32.iife.min.js": "LICENSE-uPlot.txt",
    "uPlot-1.6.32.min.css": "LICENSE-uPlot.txt",
}


def own_scripts() -> dict[str, str]:
    return {
        name: content.decode()
        for name, content in site_files()
        if name.endswith((".js", ".html")) and "/vendor/" not in name
    }


def test_every_page_names_files_that_are_there() -> None:
    names = {name for name, _ in site_files()}
    for page, text in own_scripts().items():
        if page.endswith(".html"):
            wanted = re.findall(r'(?:src|href)="([^"]+)"', text)
            assert wanted
            assert set(wanted) <= names, page


def test_every_file_of_the_site_is_used_by_a_page() -> None:
    scripts = own_scripts()
    used = {one for text in scripts.values() for one in re.findall(r'"(assets/[^"]+)"', text)}
    assert {name for name, _ in site_files() if name.startswith("assets/")} == used | {
        f"assets/vendor/{name}" for name in VENDORED.values()
    }


WAYS = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "https://",
    'setAttribute("on',
)


@pytest.mark.parametrize("way", WAYS)
def test_no_script_reads_text_as_markup_or_names_another_host(way: str) -> None:
    assert [name for name, text in own_scripts().items() if way in text] == []


def test_pages_hold_no_script_and_no_style_of_their_own() -> None:
    for page, text in own_scripts().items():
        if page.endswith(".html"):
            assert not re.search(r"<script(?![^>]*\ssrc=)", text), page
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), page


def test_a_record_becomes_a_script_whose_strings_stay_strings() -> None:
    hostile = {"text": "</script><script>alert(1)</script>\u2028\u2029\"'\\ \u202e"}
    script = as_script("features/1/2", hostile)
    assert script.isascii()
    assert script.count("\n") == 1
    name, values = re.fullmatch(r'otoscope\.receive\("([^"]+)",(.*)\);\n', script).groups()
    assert name == "features/1/2"
    assert json.loads(values) == hostile


def test_a_large_record_is_packed_and_holds_the_same() -> None:
    values = {"text": "</script>", "numbers": list(range(20_000))}
    script = as_script("features/1/2", values)
    name, packed = re.fullmatch(r'otoscope\.receivePacked\("([^"]+)","([A-Za-z0-9+/=]+)"\);\n', script).groups()
    assert name == "features/1/2" and len(script) < len(json.dumps(values)) / 2
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == values
    assert script == as_script("features/1/2", values), "the same record gives the same bytes"


def test_no_number_that_json_lacks_reaches_a_page() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        as_script("overview", {"value": float("nan")})


def test_the_site_is_in_a_built_wheel_with_its_licences(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.getinfo(name).file_size for name in archive.namelist()}
        site = {f"otoscope/atlas/site/{name}": len(content) for name, content in site_files()}
        assert site.items() <= held.items()
        for name, licence in VENDORED.items():
            assert held[f"otoscope/atlas/site/assets/vendor/{name}"] > 1000
            text = archive.read(f"otoscope/atlas/site/assets/vendor/{licence}").decode()
            assert "Copyright" in text


def test_building_pages_loads_no_torch() -> None:
    code = "import sys, otoscope.atlas.build, otoscope.atlas.server, importlib\n" \
           "from otoscope.atlas.records import MODULES, _module\n" \
           "[_module(name) for name in MODULES]\n" \
           "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_of_each_vendored_library_is_in_its_name() -> None:
    held = {path.name for path in (files("otoscope.atlas") / "site" / "assets" / "vendor").iterdir()}
    assert held == set(VENDORED) | set(VENDORED.values())


def test_pages_are_built_beside_what_they_show(small_study: Path, tmp_path: Path) -> None:
    built = build(small_study, tmp_path / "pages")
    assert built.index.is_file()
    assert not (tmp_path / "pages" / "live.html").exists()
    assert (tmp_path / "pages" / "data" / "overview.js").read_text().startswith("otoscope.receive(")
    shown = {path.relative_to(tmp_path / "pages" / "files") for path in (tmp_path / "pages" / "files").rglob("*.json")}
    assert Path("study.json") in shown


def test_building_again_gives_the_same_records(small_study: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    build(small_study, one)
    build(small_study, two)
    records = sorted(path.relative_to(one) for path in (one / "data").rglob("*.js"))
    assert records
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in records)


def test_processes_make_the_same_records(small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoscope.atlas.build.BATCH", 4)
    done: list[int] = []
    alone = build(small_study, tmp_path / "alone").folder / "data"
    together = build(small_study, tmp_path / "two", workers=2, progress=lambda n, of: done.append(n)).folder / "data"
    records = sorted(path.relative_to(alone) for path in alone.rglob("*.js"))
    assert records == sorted(path.relative_to(together) for path in together.rglob("*.js"))
    assert all((alone / name).read_bytes() == (together / name).read_bytes() for name in records)
    assert done == sorted(done) and len(records) in done


def test_where_no_process_starts_this_one_makes_all_records(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(workers: int) -> ProcessPoolExecutor:
        raise BrokenProcessPool(workers)

    monkeypatch.setattr("otoscope.atlas.build.BATCH", 4)
    monkeypatch.setattr("otoscope.atlas.build.process_pool", refuse)
    built = build(small_study, tmp_path / "pages", workers=2)
    assert len(list((built.folder / "data").rglob("*.js"))) == built.n_records


def test_pages_name_no_folder_of_the_machine(tmp_path: Path) -> None:
    study, home = make_study(tmp_path / "study", 8, n_clips=4, top=2), "/home/somebody/secret"
    clips = study / "harvest" / "clips.parquet"
    table = pq.read_table(clips)
    names = pa.array([f"{home}/{number}.wav" for number in range(table.num_rows)])
    where = table.schema.get_field_index("path")
    pq.write_table(table.set_column(where, "path", names), clips)
    about = {"command": f"otoscope study {home}/talks --out {home}/study", "model": {"id": f"{home}/model.pt"}}
    about |= {"audio": "/home/some body/My Music/a b.wav", "from": "file:///home/somebody/b.wav"}
    kept = {"kept": "and/or 1/2 https://example.org/a/b", "heard": "/s/t or /x/y/z", "words": [{"text": "/a/b"}]}
    (study / "harvest" / "more.json").write_text(json.dumps({**about, **kept}))
    before = clips.read_bytes()
    pages = build(study, tmp_path / "pages").folder
    told = json.loads((pages / "files" / "harvest" / "more.json").read_text())
    assert told == {"command": "otoscope study talks --out study", "model": {"id": "model.pt"}, "audio": "a b.wav",
                    "from": "b.wav", **kept}  # fmt: skip
    shown = pq.read_table(pages / "files" / "harvest" / "clips.parquet")
    assert shown.equals(table.drop_columns(["path"]))
    assert clips.read_bytes() == before, "the study itself stays as it is"


def test_an_atlas_of_a_model_and_a_corpus_given_as_paths_holds_neither_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    monkeypatch.setattr(sys, "argv", ["/bin/otoscope", "atlas", "build", f"{given}/study", f"--out={given}/pages"])
    model, corpus = str(given / "models" / "whisper-x"), str(given / "all talks")
    study = add_listening(make_study(tmp_path / "study", 60, n_clips=4, top=2))
    add_everything(study)
    for path in study.rglob("*.json"):
        path.write_text(json.dumps(with_paths(json.loads(path.read_text()), model, corpus)))
    about = json.loads((study / "study.json").read_text())
    about["command"] = f"otoscope study {given}/talks --model {model} --out {tmp_path}/study"
    about["problems"] = [{"clip": "one", "message": f"'{given}/talks/one.wav' cannot be read"}]
    (study / "study.json").write_text(json.dumps(about))
    clips = study / "harvest" / "clips.parquet"
    table = pq.read_table(clips)
    names = pa.array([f"{given}/talks/{number}.wav" for number in range(table.num_rows)])
    pq.write_table(table.set_column(table.schema.get_field_index("path"), "path", names), clips)
    pages = build(study, tmp_path / "pages").folder
    assert "whisper-x" in (pages / "data" / "overview.js").read_text()
    assert "all talks" in (pages / "data" / "overview.js").read_text()
    assert [path for path in pages.rglob("*") if path.is_file() and str(given) in content_of(path)] == []


def with_paths(value: object, model: str, corpus: str) -> object:
    """Give what a study tells of its model and corpus, as if both had been given as paths."""
    if isinstance(value, list):
        return [with_paths(one, model, corpus) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: with_paths(one, model, corpus) for key, one in value.items()}
    changed |= {"model": model} if isinstance(value.get("model"), str) else {}
    changed |= {"id": model} if "weights_hash" in value else {}
    return changed | ({"name": corpus} if "n_clips" in value and "name" in value else {})


def content_of(path: Path) -> str:
    """Read all text in a file of the pages: packed records unpacked, tables as their columns."""
    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pydict())
    text = path.read_bytes().decode("latin-1")
    packed = re.fullmatch(r'otoscope\.receivePacked\("[^"]+","([^"]+)"\);\n', text)
    return gzip.decompress(base64.b64decode(packed[1])).decode() if packed else text


def test_what_names_no_folder_is_the_same_file(small_study: Path, tmp_path: Path) -> None:
    pages = build(small_study, tmp_path / "pages").folder
    own, shown = small_study / "harvest" / "features.parquet", pages / "files" / "harvest" / "features.parquet"
    assert own.samefile(shown) or own.read_bytes() == shown.read_bytes()


def test_a_damaged_table_is_handed_on_as_it_is(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    for name, content in (("harvest/clips.parquet", b"PAR1"), ("a.json", b"{"), ("b.json", b"\xff"), ("c.json", deep)):
        path = tmp_path / Path(name).name
        path.write_bytes(content)
        assert published(path, name) is None


def test_a_table_without_a_column_is_told(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 8, n_clips=4, top=2)
    features = study / "harvest" / "features.parquet"
    pq.write_table(pq.read_table(features).drop_columns(["kurtosis"]), features)
    with pytest.raises(InputError, match="kurtosis"):
        build(study, tmp_path / "pages")
    assert not (tmp_path / "pages").exists()


@pytest.mark.parametrize("out", ["pages", "atlas/pages", "harvest", "x/../pages", ".pages", ".", "../link/pages"])
def test_pages_inside_the_study_would_show_themselves_and_are_refused(tmp_path: Path, out: str) -> None:
    study = make_study(tmp_path / "study", 4, n_clips=3, top=2, sounds=False)
    (tmp_path / "link").symlink_to(study)
    before = sorted(study.rglob("*"))
    with pytest.raises(OutputError, match="lies inside the study.* Leave out --out"):
        build(study, study / out, overwrite=True)
    assert sorted(study.rglob("*")) == before


def test_pages_in_the_studys_own_place_do_not_grow(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 4, n_clips=3, top=2, sounds=False)
    (tmp_path / "link").symlink_to(study)
    first = build(study, study / "atlas")
    again = build(tmp_path / "link", study / "atlas", overwrite=True)
    assert (again.n_records, again.n_files) == (first.n_records, first.n_files)
