"""Recordings that someone sends: decoded in a process of their own, which is held to little time and memory.

A decoder that a crafted file brings down takes that process with it and nothing else. What libsndfile reads is taken,
and nothing that FFmpeg would have to read: its playlists and containers can name other files. A process takes a third
of a second to start, so one is kept waiting (some 40 MB). Knows no study and no model.
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
"""A recording of more is refused, whatever of it would be looked at."""

DECODE_S = 20.0
"""Seconds of computing that decoding may take."""

MEMORY_BYTES = 1 << 30
"""Memory that decoding may take, beside what the process has from the start."""

NAME = "the recording"


@dataclass(frozen=True, eq=False)
class Upload:
    """A recording that was sent."""

    samples: Float32[np.ndarray, " sample"]  # its beginning: mono at 16 kHz
    duration_s: float  # length of all of it in seconds


class Decoder:
    """Decodes what is sent, each recording in a new process.

    Args:
        keep_s: Seconds of a recording that are kept, from its start.
        most_s: Seconds that it may have.
        decode_s: Seconds of computing that it may take.
        memory_bytes: Memory that it may take.
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
        """Start the process that will wait for the next recording."""
        with self._lock:
            if self._spare is None and not self._is_closed:
                self._spare = self._start()

    def decode(self, content: bytes) -> Upload:
        """Decode a recording.

        A process that waits is used; the next one is for `prepare`, when there is time.

        Args:
            content: The whole file: WAV, FLAC, Ogg, Opus or MP3.

        Returns:
            Its beginning.

        Raises:
            AudioError: It cannot be read, is too long, or takes too much time or memory.
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
        """End the process that waits."""
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
    """Read what the process wrote; whatever is not as it should be means that it was brought down."""
    head, _, rest = answer.partition(b"\n")
    try:
        told = json.loads(head)
        if "error" in told:
            raise AudioError(str(told["error"]))
        samples = np.frombuffer(rest, np.float32)
        if len(samples) != told["n"]:
            raise ValueError("cut short")
        return Upload(samples, float(told["duration_s"]))
    except (ValueError, KeyError, TypeError):
        raise AudioError(
            f"{NAME} cannot be decoded: it is damaged, or takes too much memory. Save it as WAV and send it again."
        ) from None


def decode_within(content: bytes, limits: dict[str, Any]) -> Upload:
    """Decode a recording here, in the process that is made for it."""
    from otoscope.audio.containers import layout_of
    from otoscope.audio.decode import counted_s, decoder_errors, read_audio_bytes
    from otoscope.base.clocks import SAMPLE_RATE_HZ

    if not content:
        raise AudioError(f"{NAME} is empty (0 bytes). Send it again.")
    try:
        with decoder_errors(NAME):
            told_s = counted_s(content, layout_of(content))
    except AudioError:
        told_s = None
    if told_s is None:
        raise AudioError(
            f"{NAME} cannot be read: it is damaged, or not wav, flac, ogg, opus or mp3. Save it as one of these."
        )
    if told_s > limits["most_s"]:
        raise AudioError(
            f"{NAME} is {told_s / 60:.0f} minutes long: at most {limits['most_s'] / 60:g} are taken. Cut out a part."
        )
    samples = read_audio_bytes(content, NAME).samples
    return Upload(samples[: round(limits["keep_s"] * SAMPLE_RATE_HZ)], len(samples) / SAMPLE_RATE_HZ)


def _hold_to(limits: dict[str, Any]) -> None:
    """Let this process have so much and no more, and write no file."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; time is kept by whoever started the process
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = round(used.ru_utime + used.ru_stime + limits["decode_s"]) + 1
    wanted = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            wanted[resource.RLIMIT_AS] = int(file.read().split()[0]) * resource.getpagesize() + limits["memory_bytes"]
    except OSError:
        pass  # not Linux
    for what, most in wanted.items():
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _answer(limits: dict[str, Any], given: BinaryIO, out: BinaryIO) -> None:
    """Read a recording, decode it, and write what came of it."""
    import otoscope.audio.decode  # noqa: F401  all that takes time comes before the recording does

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
