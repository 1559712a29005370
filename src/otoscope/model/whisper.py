"""One Whisper, whichever checkpoint it came from: run it, read any site in it, change any site in it.

The framework's model does the computing and stays as it is: nothing is patched while no reading, edit or attention
window is on. Memory and time are the framework's own, plus the memory of what is read. `load` turns a checkpoint
into a Whisper; `transcribe` turns sound into text.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import WhisperForConditionalGeneration, WhisperTokenizer

from otoscope.audio.clip import Clip, as_clip, known_seconds
from otoscope.audio.kinds import window_kinds
from otoscope.audio.mel import log_mel
from otoscope.audio.windows import cut
from otoscope.base import html
from otoscope.base.bars import bar
from otoscope.base.clocks import FRAME_S, FRAME_SAMPLES
from otoscope.base.errors import InputError, ModelError, OtoscopeWarning
from otoscope.base.files import short_name
from otoscope.model.attention import AttentionWindow
from otoscope.model.finite import check_finite
from otoscope.model.hooks import ONE_BEAM, Edit, Switchboard
from otoscope.model.languages import Vocabulary, read_vocabulary
from otoscope.model.reading import Tape
from otoscope.model.sites import Site, SiteTable
from otoscope.model.windows import Windows

if TYPE_CHECKING:
    from otoscope.model.activations import Activations
    from otoscope.model.transcription import Transcription

Sound = Clip | np.ndarray | str | Path
"""What is accepted wherever a clip is: a clip, float32 samples at 16 kHz, or the path of a recording."""


class Whisper:
    """A Whisper to look into.

    The model is set to evaluation mode and its weights to take no gradients; gradients of activations do not need them.

    Args:
        hf: The framework's model, on its device and in its dtype.
        tokenizer: Its tokenizer; None where no text is needed.
        id: What the model was loaded by, a name or a path; `load` takes it again.
        name: What the model is called in results; by default its id without folders.
        weights_hash: Identifies the weights in manifests.
        notes: What a user should know about the checkpoint, one sentence each; what is not followed of its generation
            config is added, with a warning, when `vocabulary` is first read.
    """

    def __init__(
        self,
        hf: WhisperForConditionalGeneration,
        tokenizer: WhisperTokenizer | None,
        *,
        id: str,
        weights_hash: str,
        notes: tuple[str, ...] = (),
        name: str | None = None,
    ) -> None:
        self.hf = hf.eval().requires_grad_(False)
        self.id = id
        self.name = short_name(id) if name is None else name
        self.weights_hash = weights_hash
        self.notes = notes
        self.last_clip_id: str | None = None  # the last one read, for messages
        self._tokenizer = tokenizer
        self._table = SiteTable(hf.config, id)
        self._board = Switchboard(hf, self._table)

    def __repr__(self) -> str:
        """Write the id and the sizes."""
        return (
            f"Whisper({self.id!r}, d_model={self.d_model}, blocks={self.n_encoder_blocks}+{self.n_decoder_blocks}, "
            f"window_s={self.window_s:g}, device={str(self.device)!r}, dtype={str(self.dtype)!r})"
        )

    def about(self) -> dict[str, str]:
        """Describe it and how it runs, for a manifest."""
        return {
            "id": self.id,
            "name": self.name,
            "weights_hash": self.weights_hash,
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
        }

    def _repr_html_(self) -> str:
        """Write what a notebook shows: the sizes."""
        return html.display(self, self._shown)

    def _shown(self) -> html.Shown:
        return html.Shown(
            f"Whisper {self.name}",
            [
                ("blocks", f"{self.n_encoder_blocks} in the encoder, {self.n_decoder_blocks} in the decoder"),
                ("width", self.d_model),
                ("heads in a block", self.n_heads),
                ("window", f"{self.window_s:g} s, {self.n_frames:,} frames"),
                ("bands of the log-mel", self.n_mels),
                ("tokens", self.vocab_size),
                ("weights", self.weights_hash),
                ("on", f"{self.device}, {str(self.dtype).removeprefix('torch.')}"),
            ],
        )

    @property
    def tokenizer(self) -> WhisperTokenizer:
        """The tokenizer.

        Raises:
            ModelError: The model came without one.
        """
        if self._tokenizer is None:
            raise ModelError(
                f"{self.id} has no tokenizer, and text needs one: load it from a folder with tokenizer.json."
            )
        return self._tokenizer

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the special tokens mean, read once: a generation config that is changed later is not seen.

        Raises:
            ModelError: The model came without a tokenizer, or a token that Whisper needs is missing.
        """
        words, notes = read_vocabulary(self.hf, self.tokenizer, self.id)
        self.notes += notes
        for note in notes:
            warnings.warn(f"{self.id}: {note}.", OtoscopeWarning, stacklevel=2)
        return words

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.hf.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return self.hf.dtype

    @property
    def n_mels(self) -> int:
        """Bands of the log-mel: 80 or 128."""
        return self.hf.config.num_mel_bins

    @property
    def n_frames(self) -> int:
        """Encoder positions in a window, 20 ms each."""
        return self.hf.config.max_source_positions

    @property
    def window_s(self) -> float:
        """Length of a window in seconds: 30 for released checkpoints."""
        return self.n_frames * FRAME_S

    @property
    def window_samples(self) -> int:
        """Length of a window in samples at 16 kHz."""
        return self.n_frames * FRAME_SAMPLES

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.hf.config.d_model

    @property
    def n_heads(self) -> int:
        """Attention heads in a block of the encoder."""
        return self.hf.config.encoder_attention_heads

    @property
    def n_encoder_blocks(self) -> int:
        """Blocks of the encoder."""
        return self.hf.config.encoder_layers

    @property
    def n_decoder_blocks(self) -> int:
        """Blocks of the decoder."""
        return self.hf.config.decoder_layers

    @property
    def vocab_size(self) -> int:
        """Tokens the decoder can say."""
        return self.hf.config.vocab_size

    def sites(self) -> list[Site]:
        """List every site, in the order in which the model computes them."""
        return list(self._table.sites.values())

    def expand(self, patterns: str | Iterable[str]) -> list[str]:
        """Turn names, aliases and patterns into the names of sites.

        Args:
            patterns: One or several; `*` stands for any text without a dot, `**` for any text.

        Returns:
            Names of sites, each once.

        Raises:
            SiteError: One of them matches nothing; the message names the nearest sites.
        """
        return self._table.expand(patterns)

    def windows(self, clip: Sound) -> Windows:
        """Cut a clip into windows and compute their log-mels.

        Args:
            clip: The sound, of any length.

        Returns:
            One window or more, the last filled up with padding.

        Raises:
            AudioError: The recording cannot be used.
        """
        clip = as_clip(clip)
        self.last_clip_id = clip.id
        pieces = torch.as_tensor(cut(clip.samples, self.window_samples))
        return Windows(self._mel(pieces), window_kinds(clip.samples, self.window_samples), clip)

    def each_window(self, clip: Sound) -> Iterator[Windows]:
        """Cut a clip into windows as `windows` does, and yield them one by one, in the memory of one.

        Raises:
            AudioError: The recording cannot be used.
        """
        clip = as_clip(clip)
        self.last_clip_id = clip.id
        pieces = cut(clip.samples, self.window_samples)
        for piece, kinds in zip(pieces, window_kinds(clip.samples, self.window_samples), strict=True):
            yield Windows(self._mel(torch.as_tensor(piece[None])), kinds[None], clip)

    def _mel(self, samples: Float[Tensor, "window sample"]) -> Float[Tensor, "window n_mels mel_frame"]:
        return log_mel(samples.to(self.device), self.n_mels).to(self.dtype)

    def encode(
        self, clip: Sound | Windows, attention_window: int | None = None, *, batch_size: int = 8
    ) -> Float[Tensor, "window frame d_model"]:
        """Run the encoder over a clip.

        Gradients are computed only inside `reading(..., gradients=True)`.

        Args:
            clip: The sound, or its windows.
            attention_window: Frames on either side that a frame may attend to; None is no limit.
            batch_size: Windows run at a time.

        Returns:
            The final encoder output (`encoder.ln_post`), on the model's device.

        Raises:
            InputError: The attention window or the batch size is not a number that can be used.
            AudioError: The recording cannot be used.
        """
        _check_count("batch_size", batch_size, least=1)
        with self._limited(attention_window):
            mel = (clip if isinstance(clip, Windows) else self.windows(clip)).mel
            return self.encode_mel(mel, batch_size=batch_size)

    def encode_mel(
        self, mel: Float[Tensor, "window n_mels mel_frame"], *, batch_size: int = 8
    ) -> Float[Tensor, "window frame d_model"]:
        """Run the encoder over log-mels, as `encode` does over a clip.

        Raises:
            ModelError: A value is NaN or infinite; the first site that holds one is named.
        """
        mel = mel.to(self.device, self.dtype)
        with torch.enable_grad() if self._board.wants_gradients else torch.no_grad():
            runs = [self._encode_batch(batch) for batch in mel.split(batch_size)]
        return runs[0] if len(runs) == 1 else torch.cat(runs)

    def _encode_batch(self, mel: Float[Tensor, "window n_mels mel_frame"]) -> Float[Tensor, "window frame d_model"]:
        encoded: Tensor = self.hf.model.encoder(mel).last_hidden_state
        check_finite(self, encoded, lambda: self.hf.model.encoder(mel))
        return encoded

    def activations(
        self,
        clip: Sound,
        sites: str | Iterable[str],
        *,
        text: str | None = None,
        language: str | None = None,
        attention_window: int | None = None,
        batch_size: int = 8,
    ) -> Activations:
        """Return what sites hold for a clip.

        Args:
            clip: The sound, of any length.
            sites: Names, aliases or patterns. The decoder runs only where one of its sites is named.
            text: Text that the decoder is run over: the prompt, this text and the end of text are read. None lets it
                transcribe, and its sites are read meanwhile.
            language: The text's language as Whisper's code; None for the clip's own, or the one detected.
            attention_window: Frames on either side that a frame of the encoder may attend to; None is no limit.
            batch_size: Windows the encoder runs at a time.

        Returns:
            A dict of site to tensor on the model's device: [window, frame, d] in the encoder, [window, token, d] in
            the decoder. It prints as the shapes.

        Raises:
            InputError: A site, a text, a language or a number cannot be used.
            AudioError: The recording cannot be used.
        """
        from otoscope.model.activations import activations

        _check_count("batch_size", batch_size, least=1)
        with self._limited(attention_window):
            return activations(self, clip, sites, text=text, language=language, batch_size=batch_size)

    def transcribe(
        self,
        clip: Sound,
        *,
        language: str | None = None,
        task: str | None = None,
        timestamps: bool | None = None,
        word_times: bool = False,
        beams: int = 1,
        attention_window: int | None = None,
        alignment_heads: Sequence[Sequence[int]] | None = None,
        max_new_tokens: int | None = None,
        batch_size: int = 8,
        progress: bool | Callable[[float], None] = True,
    ) -> Transcription:
        """Write down what is said in a clip.

        Args:
            clip: The sound, of any length.
            language: What is spoken, as code or English name; None for the clip's own, or the one detected.
            task: `transcribe`, or `translate` into English; None for what the checkpoint is for.
            timestamps: Whether to split the text into timed sentences; None does so beyond one window.
            word_times: Whether to find when each word was spoken.
            beams: Hypotheses followed at once; 1 is greedy.
            attention_window: Frames on either side that a frame of the encoder may attend to; None is no limit.
            alignment_heads: Cross-attention heads to find words by, as (block, head); None for the checkpoint's own.
            max_new_tokens: Limit for one window; None for the checkpoint's own.
            batch_size: Windows run at a time, where they do not depend on each other.
            progress: True shows a bar in a terminal or notebook; False shows none. Or a function, called with the
                seconds of recording that were finished.

        Returns:
            Text, segments and, where requested, words with their times.

        Raises:
            InputError: A setting cannot be used, or the decoder is being read with more than one beam.
            AudioError: The recording cannot be used.
            ModelError: The model has no tokenizer.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "clip")}
        return self.transcribe_many([clip], **given)[0]

    def transcribe_many(
        self,
        clips: Iterable[Sound],
        *,
        beams: int = 1,
        attention_window: int | None = None,
        progress: bool | Callable[[float], None] = True,
        **settings: Any,
    ) -> list[Transcription]:
        """Write down what is said in many clips; settings are those of `transcribe`, and `batch_size`.

        Raises:
            InputError: A setting cannot be used, or the decoder is being read with more than one beam.
            AudioError: A recording cannot be used.
        """
        from otoscope.model.transcribe import transcribe_many

        _check_count("beams", beams, least=1)
        if beams > 1 and self._board.reads_decoder:
            raise InputError(ONE_BEAM)
        with self._limited(attention_window), bar("transcribing", progress is True, known_seconds(clips)) as drawn:
            told = progress if callable(progress) else None if drawn is None else drawn.advance
            return transcribe_many(self, clips, beams=beams, progress=told, **settings)

    def padded_encoding(self) -> Float[Tensor, "1 frame d_model"]:
        """Run the encoder over padding only: what the decoder is given when there is no sound at all.

        Returns:
            The final encoder output of a window of zeros; edits and attention windows that are on apply.
        """
        return self.encode_mel(self._mel(torch.zeros(1, self.window_samples)))

    def reading(self, sites: str | Iterable[str], *, gradients: bool = False) -> AbstractContextManager[Tape]:
        """Read sites of whatever runs inside the block: encoding, transcribing, the framework's own calls.

        Reading changes no bit of what the model computes and copies almost nothing. With gradients the model computes
        in the graph, patterns without the fast kernels, and one can differentiate with respect to the tape's tensors.

        Args:
            sites: Names, aliases or patterns; see `expand`.
            gradients: Keep the tensors in the graph, which starts at the first site read. A model that runs more than
                once gives `tape.parts(site)` to differentiate with respect to.

        Returns:
            A context that gives the tape: site to tensor, several encoder runs along the window axis, the steps of a
            decoder that generates along the token axis.

        Raises:
            SiteError: A site is not in the model.
        """
        chosen = [self._table.sites[name] for name in self.expand(sites)]
        return self._board.reading(Tape(chosen, gradients=gradients, resolve=self._table.resolve))

    def looking(self, sites: str | Iterable[str], look: Callable[[Site, Tensor], None]) -> AbstractContextManager[None]:
        """Call `look` with what passes sites inside the block: after all edits, and even while readings are paused.

        Args:
            sites: Names, aliases or patterns.
            look: Gets the site and its tensor, and changes nothing.
        """
        return self._board.looking(self.expand(sites), look)

    def edited_sites(self) -> frozenset[str]:
        """The names of the sites that this thread edits."""
        return self._board.edited_sites

    @property
    def is_changed(self) -> bool:
        """Whether edits or attention windows are on, so that results computed without them do not apply."""
        return self._board.changes_model

    def reading_paused(self) -> AbstractContextManager[None]:
        """Let the model run unread inside the block, for a run that is not part of what is being read."""
        return self._board.paused()

    def edit(self, edits: Mapping[str, Edit]) -> AbstractContextManager[None]:
        """Change sites of whatever runs inside the block.

        Edits nest: those of an outer block come first, then those of an inner one. Readings see the edited tensors.
        While the decoder generates, an edit of its sites gets one step at a time, [window, 1, d].

        Args:
            edits: Site, alias or pattern to a function that takes the tensor, in the site's axes, and returns one of
                the same shape and dtype.

        Returns:
            A context that ends with the model as it was, errors included.

        Raises:
            SiteError: A site is not in the model.
            InputError: An edit is not a function, or, once the model runs, returns what cannot replace its tensor.
        """
        by_site: dict[str, list[Edit]] = {}
        for pattern, function in edits.items():
            if not callable(function):
                raise InputError(f"the edit of {pattern!r} is {function!r}: give a function from tensor to tensor.")
            for name in self.expand(pattern):
                by_site.setdefault(name, []).append(function)
        return self._board.editing(by_site)

    def attention_window(
        self, k: int | None, *, blocks: Iterable[int] | None = None, heads: Iterable[int] | None = None
    ) -> AbstractContextManager[None]:
        """Let each encoder frame attend only to frames near it, inside the block.

        Windows nest: a frame attends only to what all of them allow.

        Args:
            k: Frames on either side, 20 ms each; None is no limit.
            blocks: Encoder blocks to limit; None is all.
            heads: Heads to limit in those blocks; None is all.

        Returns:
            A context that ends with the model as it was.

        Raises:
            InputError: k is not a whole number, or is below 0.
            SiteError: A block or head is not in the model.
        """
        if k is not None:
            _check_count("attention window", k, least=0, hint=" frames of 20 ms on either side, or None for no limit")
        window = AttentionWindow(k, self._table.check_blocks(blocks), self._table.check_heads(heads))
        return self._board.limiting(window)

    def _limited(self, k: int | None) -> AbstractContextManager[None]:
        return nullcontext() if k is None else self.attention_window(k)


def _check_count(name: str, value: object, *, least: int, hint: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} is {value!r}: give a whole number of {least} or more{hint}.")
