"""What an encoder holds for a clip, kept on disk for the next experiment: a clip is encoded once for them all.

Clips of one window are kept, with the frames that `Activity.thinned` leaves: 30 kB a frame for the blocks of tiny and
their neurons. Longer recordings are run anew, window by window.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from otoscope.audio.clip import Clip
from otoscope.base.errors import OutputError
from otoscope.base.files import atomic_path
from otoscope.harvest.activity import Activity, Reads

MOST_BYTES = 2_000_000_000
"""When the files have this size, or a quarter of what the disk had left, no more are added."""
KINDS = "kinds"


class StoredReader:
    """Reads what a folder holds of a clip, and otherwise runs the model and keeps what it gives.

    Args:
        own: What is asked for: its sites are given, and it runs where nothing is kept.
        make_whole: Makes the reader of what is kept: all sites of all readers that share the folder.
        folder: The files, of one model.
        window_samples: Length of the model's window.
        most_bytes: When the files have this size, no more are added; `MOST_BYTES` by default, and less where the disk
            is nearly full.
    """

    def __init__(
        self,
        own: Reads,
        make_whole: Callable[[], Reads],
        folder: Path,
        window_samples: int,
        most_bytes: int | None = None,
    ) -> None:
        self._own, self._make_whole = own, make_whole
        self._folder = folder
        self._window_samples = window_samples
        n_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        self._room = min((MOST_BYTES if most_bytes is None else most_bytes) - n_bytes, _free_bytes(folder) // 4)

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and how many values each holds for a frame."""
        return self._own.widths

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run over a clip; of the padding of a clip of one window some frames are left out."""
        activity = self._stored(clip) if len(clip.samples) <= self._window_samples else None
        if activity is None:
            yield from self._own.windows(clip)
        else:
            yield activity

    @cached_property
    def _whole(self) -> Reads:
        return self._make_whole()

    def _stored(self, clip: Clip) -> Activity | None:
        """Give what is kept of a clip of one window, or run it and keep it; None where there is no room."""
        path = self._folder / f"{len(clip.samples)}-{zlib.crc32(clip.samples.tobytes()):08x}.safetensors"
        found = self._read(path)
        if found is None and self._room > 0:
            (activity,) = self._whole.windows(clip)
            self._write(path, activity.thinned())
            found = self._read(path)
        return found

    def _read(self, path: Path) -> Activity | None:
        try:
            with safe_open(path, "pt") as file:
                places = [tuple(key.split(" ")) for key in file.keys() if key != KINDS]  # noqa: SIM118
                values = {
                    (which, site): file.get_tensor(f"{which} {site}") for which, site in places if site in self.widths
                }
                return Activity(0, file.get_tensor(KINDS).numpy(), values)
        except (OSError, SafetensorError):
            return None

    def _write(self, path: Path, activity: Activity) -> None:
        tensors = {f"{which} {site}": x.cpu().contiguous() for (which, site), x in activity.values.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                save_file({**tensors, KINDS: torch.from_numpy(activity.kinds)}, temporary)
            self._room -= path.stat().st_size
        except (OSError, OutputError, SafetensorError):  # a full disk: the model runs again instead
            self._room = 0


def _free_bytes(folder: Path) -> int:
    """How much the disk of a folder, which may not be there yet, still takes."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free
