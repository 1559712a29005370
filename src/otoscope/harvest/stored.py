"""An encoder's activations for clips, kept on disk so that several experiments encode each clip once.

Clips of one window are stored, with the frames that `Activity.thinned` leaves: 30 kB a frame for the blocks of tiny and
their neurons. Longer recordings are encoded each time, window by window.
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
"""No more files are added once they take this much, or a quarter of the free disk space."""
KINDS = "kinds"


class StoredReader:
    """Reads a clip's activations from a folder, or else runs the model and stores them there.

    `make_whole`: makes the reader whose activations are stored: all sites of all readers that share the folder.
    `most_bytes`: no more files are added once they take this much; `MOST_BYTES` by default, and less if the disk is
    nearly full.
    """

    def __init__(
        self,
        reader: Reads,
        make_whole: Callable[[], Reads],
        folder: Path,
        window_samples: int,
        most_bytes: int | None = None,
    ) -> None:
        self._reader, self._make_whole = reader, make_whole
        self._folder = folder
        self._window_samples = window_samples
        n_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        self._room = min((MOST_BYTES if most_bytes is None else most_bytes) - n_bytes, _free_bytes(folder) // 4)

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites, and the number of values each holds per frame."""
        return self._reader.widths

    def windows(self, clip: Clip) -> Iterator[Activity]:
        """Run a clip window by window; some frames of padding are left out if it has only one window."""
        activity = self._stored(clip) if len(clip.samples) <= self._window_samples else None
        if activity is None:
            yield from self._reader.windows(clip)
        else:
            yield activity

    @cached_property
    def _whole(self) -> Reads:
        return self._make_whole()

    def _stored(self, clip: Clip) -> Activity | None:
        """Read the activations of a clip of one window, or run and store it; None if there is no room."""
        path = self._folder / f"{len(clip.samples)}-{zlib.crc32(clip.samples.tobytes()):08x}.safetensors"
        activity = self._read(path)
        if activity is None and self._room > 0:
            (whole_activity,) = self._whole.windows(clip)
            self._write(path, whole_activity.thinned())
            activity = self._read(path)
        return activity

    def _read(self, path: Path) -> Activity | None:
        try:
            with safe_open(path, "pt") as file:
                keys = [tuple(key.split(" ")) for key in file.keys() if key != KINDS]  # noqa: SIM118
                values = {
                    (which, site): file.get_tensor(f"{which} {site}") for which, site in keys if site in self.widths
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
    """Free space on the disk of a folder, which may not exist yet."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free
