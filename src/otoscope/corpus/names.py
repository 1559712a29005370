"""Find the file that belongs to a recording by its name: beside it, or anywhere below the corpus's folder.

The index holds the path of each such file below the folder; most files are listed without being opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from otoscope.audio.decode import SOUND_SUFFIXES
from otoscope.base.errors import LabelError


class NameIndex:
    """The files below a folder that are named after recordings; the folder is listed when it is first needed.

    Make one index for a corpus and use it for every clip.

    `endings`: endings that follow the recording's name, in any case; the best first.
    """

    def __init__(self, root: Path, endings: tuple[str, ...]) -> None:
        self.root = Path(root)
        self.endings = endings
        self._files: dict[str, list[Path]] | None = None
        self._recordings: dict[str, list[Path]] = defaultdict(list)
        self._listed: tuple[Path, dict[str, list[Path]]] | None = None  # the folder that was listed last, and its files
        self._used: set[Path] = set()

    def find(self, audio: Path) -> Path | None:
        """Find the file of a recording.

        Returns the file beside the recording with the best ending; otherwise the nearest one below the folder: first by
        folders of the same names, then by the number of folders between, then by ending. None if there is none, or if
        it is nearer to another recording of the same name.
        """
        audio = Path(audio)
        for stem in self.stems(audio):
            path = self._beside_it(audio, stem) or self._anywhere(audio, stem)
            if path is not None:
                self._used.add(path)
                return path
        return None

    def unused(self) -> list[Path]:
        """The files below the folder that are named after no recording there.

        Of several files of a recording only one is used; the others belong to it too, and are not listed.
        """
        files = self._all()
        stems = {stem for paths in self._recordings.values() for path in paths for stem in self.stems(path)}
        unknown = {path for stem, paths in files.items() if stem not in stems for path in paths}
        known = {path for stem, paths in files.items() if stem in stems for path in paths}
        return sorted(path for path in unknown - known - self._used if self.accepts(path))

    def stems(self, audio: Path) -> list[str]:
        """The names, in lower case, by which a recording's file is searched for."""
        return [audio.stem.lower()]

    def accepts(self, path: Path) -> bool:
        """Whether a file with such a name is of the right kind."""
        return True

    def names_in(self, path: Path, stem: str) -> set[str]:
        """The recordings, in lower case, that a file is about."""
        return {stem}

    def is_sibling(self, path: Path, others: Iterable[Path]) -> bool:
        """Whether a file is read together with another one, and must not be chosen itself."""
        return False

    def _beside_it(self, audio: Path, stem: str) -> Path | None:
        if self._listed is None or self._listed[0] != audio.parent:
            names = sorted(audio.parent.iterdir()) if audio.parent.is_dir() else []
            self._listed = (audio.parent, self._by_stem(names))
        beside = [path for path in self._listed[1].get(stem, []) if self.accepts(path)]
        return self._nearest(audio, beside) if beside else None

    def _anywhere(self, audio: Path, stem: str) -> Path | None:
        anywhere = [path for path in self._all().get(stem, []) if self.accepts(path)]
        if not anywhere:
            return None
        nearest = self._nearest(audio, anywhere)
        distance = _distance(audio, nearest)
        is_of_another = any(_distance(other, nearest) < distance for other in self._recordings[audio.stem.lower()])
        return None if is_of_another else nearest

    def _all(self) -> dict[str, list[Path]]:
        if self._files is None:
            shown = []
            if self.root.is_dir():
                shown = [path for path in sorted(self.root.rglob("*")) if self._is_shown(path)]
            self._files = self._by_stem(shown)
            for path in shown:
                if path.suffix.lower() in SOUND_SUFFIXES:
                    self._recordings[path.stem.lower()].append(path)
        return self._files

    def _by_stem(self, paths: list[Path]) -> dict[str, list[Path]]:
        """Files by the name of the recording they are for, in lower case."""
        by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            ending = self._ending(path)
            if ending is None or path.name.startswith(".") or not path.is_file():
                continue
            for stem in self.names_in(path, path.name[: -len(ending)].lower()):
                by_stem[stem].append(path)
        return by_stem

    def _ending(self, path: Path) -> str | None:
        name = path.name.lower()
        return max((ending for ending in self.endings if name.endswith(ending)), key=len, default=None)

    def _is_shown(self, path: Path) -> bool:
        return not any(part.startswith(".") for part in path.relative_to(self.root).parts)

    def _nearest(self, audio: Path, paths: list[Path]) -> Path:
        def rank(path: Path) -> tuple[int, int, int]:
            ending = self._ending(path)
            assert ending is not None  # only such files are in the index
            return (*_distance(audio, path), self.endings.index(ending))

        ranked = sorted((path for path in paths if not self.is_sibling(path, paths)), key=rank)
        if len(ranked) > 1 and rank(ranked[0]) == rank(ranked[1]):
            raise LabelError(
                f"'{ranked[0]}' and '{ranked[1]}' are both named after recording '{audio}' and equally near. "
                "Expected one of them. Put the right one beside the recording."
            )
        return ranked[0]


def _distance(audio: Path, alignment: Path) -> tuple[int, int]:
    """How far apart two files are: by folders of the same names, then by steps from one to the other."""
    here, there = audio.parent.absolute(), alignment.parent.absolute()
    return -_alike(here, there), _steps(here, there)


def _alike(a: Path, b: Path) -> int:
    """How many of the last folders of two paths have the same names."""
    count = 0
    for x, y in zip(reversed(a.parts), reversed(b.parts), strict=False):
        if x.lower() != y.lower():
            break
        count += 1
    return count


def _steps(a: Path, b: Path) -> int:
    """How many folders lie between two folders, up and down."""
    shared = 0
    for x, y in zip(a.parts, b.parts, strict=False):
        if x != y:
            break
        shared += 1
    return len(a.parts) + len(b.parts) - 2 * shared
