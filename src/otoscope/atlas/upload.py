"""Decodes uploaded recordings, each in its own process with limited time and memory.

A crafted file that crashes the decoder ends only that process. Formats that libsndfile reads are accepted, and none
that need FFmpeg, whose playlists and containers can name other files. A process takes a third of a second to start, so
one is kept waiting (about 40 MB). Knows no study and no model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32

from otoscope.base.errors import AudioError

MOST_BYTES = 25_000_000
MOST_S = 600.0
"""A longer recording is refused, although only its first window is used."""

DECODE_S = 20.0
"""CPU seconds that decoding may take."""

MEMORY_BYTES = 1 << 30
"""Memory that decoding may take, beyond what the process uses at the start."""

NAME = "the recording"


@dataclass(frozen=True, eq=False)
class Upload:
    """A decoded recording."""

    samples: Float32[np.ndarray, " sample"]  # the beginning: mono at 16 kHz
    duration_s: float  # length of the whole recording


class Decoder:
    """Decodes recordings, each in a new process.

    `keep_s`: seconds of a recording that are kept, from its start.
    `most_s`: length of the longest recording that is accepted, in seconds.
    """

    def __init__(
        self,
        keep_s: float,
        most_s: float = MOST_S,
        decode_s: float = DECODE_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._limits = {"keep_s": keep_s, "most_s": most_s, "decode_s": decode_s, "memory_bytes": memory_bytes}
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def prepare(self) -> None:
        """Start a process that waits for the next recording."""
        with self._lock:
            if self._spare is None and not self._is_closed:
                self._spare = self._start()

    def decode(self, content: bytes) -> Upload:
        """Decode a recording.

        Uses the waiting process, if there is one; `prepare` starts the next.

        `content`: the whole file: WAV, FLAC, Ogg, Opus or MP3.
        Returns its beginning.
        """
        with self._lock:
            process, self._spare = self._spare or self._start(), None
        try:
            answer, _ = process.communicate(content, timeout=3 * self._limits["decode_s"])
        except subprocess.TimeoutExpired:
            raise AudioError(f"{NAME} takes too long to decode: save it as WAV and send it again.") from None
        finally:
            _end(process)
        return _upload_of(answer)

    def close(self) -> None:
        """End the waiting process."""
        with self._lock:
            self._is_closed = True
            if self._spare is not None:
                _end(self._spare)
                self._spare = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", __name__, json.dumps(self._limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C goes to the server, which ends it
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            if pipe is not None:
                pipe.close()
    process.wait()


def _upload_of(answer: bytes) -> Upload:
    """Read the process's answer; an invalid one means that the process crashed."""
    head, _, rest = answer.partition(b"\n")
    try:
        header = json.loads(head)
        if "error" in header:
            raise AudioError(str(header["error"]))
        samples = np.frombuffer(rest, np.float32)
        if len(samples) != header["n"]:
            raise ValueError("cut short")
        return Upload(samples, float(header["duration_s"]))
    except (ValueError, KeyError, TypeError):
        raise AudioError(
            f"{NAME} cannot be decoded: it is damaged, or takes too much memory. Save it as WAV and send it again."
        ) from None


def decode_within(content: bytes, limits: dict[str, Any]) -> Upload:
    """Decode a recording in this process, which was started for it."""
    from otoscope.audio.containers import layout_of
    from otoscope.audio.decode import counted_s, decoder_errors, read_audio_bytes
    from otoscope.base.clocks import SAMPLE_RATE_HZ

    if not content:
        raise AudioError(f"{NAME} is empty (0 bytes). Send it again.")
    try:
        with decoder_errors(NAME):
            duration_s = counted_s(content, layout_of(content))
    except AudioError:
        duration_s = None
    if duration_s is None:
        raise AudioError(
            f"{NAME} cannot be read: it is damaged, or not wav, flac, ogg, opus or mp3. Save it as one of these."
        )
    if duration_s > limits["most_s"]:
        raise AudioError(
            f"{NAME} is {duration_s / 60:.0f} minutes long, and at most {limits['most_s'] / 60:g} are accepted. "
            "Cut out a part."
        )
    samples = read_audio_bytes(content, NAME).samples
    return Upload(samples[: round(limits["keep_s"] * SAMPLE_RATE_HZ)], len(samples) / SAMPLE_RATE_HZ)


def _hold_to(limits: dict[str, Any]) -> None:
    """Limit this process's time and memory, and forbid it to write files."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent process enforces a timeout
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = round(used.ru_utime + used.ru_stime + limits["decode_s"]) + 1
    maxima = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            maxima[resource.RLIMIT_AS] = int(file.read().split()[0]) * resource.getpagesize() + limits["memory_bytes"]
    except OSError:
        pass  # not Linux
    for kind, most in maxima.items():
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer(limits: dict[str, Any], given: BinaryIO, out: BinaryIO) -> None:
    """Read a recording, decode it, and write the result."""
    import otoscope.audio.decode  # noqa: F401  slow imports happen before the recording arrives

    content = given.read(MOST_BYTES + 1)
    try:
        _hold_to(limits)
        upload = decode_within(content, limits)
        out.write(json.dumps({"n": len(upload.samples), "duration_s": upload.duration_s}).encode() + b"\n")
        out.write(np.ascontiguousarray(upload.samples, np.float32).tobytes())
    except AudioError as error:
        out.write(json.dumps({"error": str(error)}).encode() + b"\n")
    except MemoryError:
        out.write(json.dumps({"error": f"{NAME} takes too much memory to decode. Cut out a part."}).encode() + b"\n")


if __name__ == "__main__":
    _answer(json.loads(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
