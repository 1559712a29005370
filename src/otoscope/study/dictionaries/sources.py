"""Where a training's vectors come from: a corpus that a model hears meanwhile, or activations that were saved.

A source gives batches, and says what they are of: sites, model, hash of its weights, kinds of frame. That goes into
the metadata of every dictionary. It does not know coders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.audio.kinds import Kind, window_kinds
from otoscope.base.errors import InputError
from otoscope.base.files import name_in
from otoscope.base.results import MANIFEST
from otoscope.corpus import Corpus, Problem
from otoscope.harvest.activity import EncoderReader, Reads
from otoscope.harvest.feed_live import LiveFeed
from otoscope.harvest.feed_shards import ShardFeed, shards_in
from otoscope.model.whisper import Whisper

SOME_CLIPS = 20
"""So many clips are read to guess how many frames a corpus has."""


@dataclass(frozen=True)
class Amount:
    """How much there is to train on."""

    n_frames: int  # of the kinds that are trained on, in one pass
    n_windows: int  # that the encoder hears in a pass; 0 for saved activations
    duration_s: float | None  # length of the sound of a pass; None where that is not known
    is_exact: bool  # counted, and not guessed from some clips


@dataclass(frozen=True, eq=False)
class Source:
    """Vectors to train on."""

    feed: LiveFeed | ShardFeed
    about: Mapping[str, Any]  # what they are of, for manifests; the result of a training depends on all of it
    amount: Amount
    buffer_bytes: int  # memory that the feed takes
    model: Whisper | None = None  # the model that hears the corpus; None for saved activations
    corpus: Corpus | None = None  # None for saved activations

    @property
    def widths(self) -> Mapping[str, int]:
        """Sites and the length of their vectors."""
        return self.feed.widths

    @property
    def is_heard_once(self) -> bool:
        """Whether all frames fit into one buffer, so that the model hears a corpus once for all passes."""
        return isinstance(self.feed, LiveFeed) and self.amount.n_frames < self.feed.buffer_frames

    @property
    def name(self) -> str:
        """What it is called: the corpus's name or the folder of the shards."""
        return str(self.about["source"])

    @property
    def problems(self) -> list[Problem]:
        """Clips that could not be used so far."""
        return self.feed.problems if isinstance(self.feed, LiveFeed) else []

    @property
    def sound_notes(self) -> list[Problem]:
        """Recordings that were read otherwise than they say so far."""
        return self.corpus.sound_notes if self.corpus is not None else []

    def metadata(self, site: str) -> dict[str, Any]:
        """What a dictionary of a site says of where its vectors came from."""
        model = self.about["model"]
        known = {"model": name_in(model) if model else None, "weights_hash": model.get("weights_hash")}
        return {
            "site": site,
            **{name: value for name, value in known.items() if value},
            "kinds": list(self.about["kinds"]),
            "trained_on": self.name,
        }


def corpus_source(
    model: Whisper,
    corpus: Corpus,
    sites: Sequence[str],
    *,
    kinds: Sequence[Kind | str] = (Kind.SPEECH,),
    seed: int = 0,
    buffer_frames: int | None = None,
    reader: Reads | None = None,
) -> Source:
    """Hear a corpus while training."""
    reader = EncoderReader(model, list(sites)) if reader is None else reader
    feed = LiveFeed(reader, corpus, kinds, seed, buffer_frames)
    about = {
        "source": corpus.name,
        "model": model.about(),
        "corpus": corpus.about(),
        "sites": dict(reader.widths),
        "kinds": [kind.name.lower() for kind in feed.kinds],
        "order_seed": seed,
        "buffer_frames": feed.buffer_frames,
    }
    amount = guess_amount(corpus, feed.kinds, model.window_samples)
    # a buffer is filled while the one before it is still being used up, and a pass that is smaller makes it smaller
    held = min(feed.buffer_frames, amount.n_frames)
    return Source(feed, about, amount, 4 * held * sum(reader.widths.values()), model, corpus)


def shards_source(
    folder: str | Path, sites: Sequence[str], *, kinds: Sequence[Kind | str] = (Kind.SPEECH,), seed: int = 0
) -> Source:
    """Read activations that `otoscope harvest --save-activations` wrote."""
    feed = ShardFeed(folder, sites, kinds, seed)
    reader = feed.reader
    model = reader.layout.about.get("model")
    about = {
        "source": str(folder),
        "model": dict(model) if isinstance(model, dict) else {},
        "corpus": _harvested_corpus(reader.folder.parent),
        "shards": {
            "dtype": reader.layout.dtype,
            "n_rows": sum(int(shard["n_rows"]) for shard in reader.manifest["shards"]),
            "n_shards": len(reader.manifest["shards"]),
        },
        "sites": dict(feed.widths),
        "kinds": [kind.name.lower() for kind in reader.kinds],
        "order_seed": seed,
    }
    return Source(feed, about, Amount(len(reader), 0, None, is_exact=True), feed.buffer_bytes)


def source_of(name: str) -> Path | None:
    """Tell saved activations, of which it gives the folder, from a corpus, which is None."""
    folder = Path(name)
    shards = shards_in(folder)
    if shards is not None or not folder.is_dir():
        return shards
    is_run = _read_json(folder / MANIFEST).get("harvest") is not None or (folder / ".work" / "settings.json").is_file()
    if is_run or any(folder.glob("*.safetensors.partial")):
        raise InputError(
            f"'{folder}' is a harvest without finished activations: there is nothing to train on. Run it again with "
            "--save-activations float16, or give a corpus."
        )
    return None


def guess_amount(corpus: Corpus, kinds: Sequence[Kind], window_samples: int) -> Amount:
    """Count the frames of a corpus, or guess from some of its clips."""
    every = max(1, -(-len(corpus) // SOME_CLIPS))
    n_read, n_frames, n_windows, read_s, problem = 0, 0, 0, 0.0, ""
    for source in corpus.sources[::every]:
        try:
            clip = source.read()
        except InputError as error:
            problem = problem or str(error)
            continue
        clip_kinds = window_kinds(clip.samples, window_samples)
        n_read += 1
        n_frames += sum(int((clip_kinds == kind).sum()) for kind in kinds)
        n_windows += len(clip_kinds)
        read_s += clip.duration_s
    if not n_read:
        raise InputError(f"no clip of {corpus.name!r} could be used. The first: {problem or 'there are none.'}")
    lengths = [source.duration_s for source in corpus.sources]
    known = [length for length in lengths if length is not None]
    is_all_read = every == 1
    total_s = sum(known) if len(known) == len(lengths) and not is_all_read else read_s * len(corpus) / n_read
    share = 1.0 if is_all_read else total_s / max(read_s, 1e-9)
    return Amount(round(n_frames * share), round(n_windows * share), read_s if is_all_read else total_s, is_all_read)


def _harvested_corpus(run: Path) -> dict[str, Any]:
    """What a run's manifest says of its corpus; nothing where the shards lie alone."""
    corpus = _read_json(run / MANIFEST).get("corpus") or {}
    return {name: corpus[name] for name in ("name", "n_clips", "clips_hash") if name in corpus}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
