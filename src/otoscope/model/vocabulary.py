"""Find a checkpoint's tokenizer, and know Whisper's special token ids where there is none.

Whisper's vocabulary is byte-level entries, then `<|endoftext|>`, `<|startoftranscript|>`, the languages, six control
tokens and 1,501 timestamps, in that order and without gaps. Only files and the local cache are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from transformers import WhisperTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from otoscope.base.errors import ModelError
from otoscope.model import hub

N_TIMESTAMPS = 1501
ENGLISH_ONLY_TEXT = 50_256
"""Number of text tokens of the English-only releases, those of GPT-2; the multilingual ones have one more."""
CONTROLS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")

_SPECIAL = re.compile(r"<\|[a-z]+\|>")
_TIMESTAMP = re.compile(r"<\|\d+\.\d\d\|>")
_BYTE_LETTERS = bytes_to_unicode()
RELEASED = {
    51_864: ("tiny.en", "base.en", "small.en", "medium.en"),
    51_865: ("tiny", "base", "small", "medium", "large-v2", "large-v1"),
    51_866: ("large-v3", "large-v3-turbo"),
}
"""Sizes of the vocabularies that OpenAI released, and the models that share each, by short name."""


def read_tokenizer(folder: Path, vocab_size: int) -> WhisperTokenizer | None:
    """Read the tokenizer files of a folder, of any age.

    `folder`: where `tokenizer.json`, or `vocab.json` with `merges.txt`, may lie.
    `vocab_size`: the model's; early releases left the timestamps out of their files, and these are added.
    Returns the tokenizer, or None where the folder has no tokenizer files.
    """
    if not ((folder / "tokenizer.json").exists() or (folder / "vocab.json").exists()):
        return None
    try:
        tokenizer = WhisperTokenizer.from_pretrained(folder, local_files_only=True, clean_up_tokenization_spaces=False)
    except Exception as error:  # the Rust reader raises bare Exception
        raise ModelError(
            f"tokenizer files in {str(folder)!r} cannot be read ({type(error).__name__}: {str(error)[:200]}). "
            "Copy them again: tokenizer.json with tokenizer_config.json, or vocab.json, merges.txt, added_tokens.json."
        ) from error
    if "<|startoftranscript|>" not in _complete(tokenizer, vocab_size):
        raise ModelError(
            f"tokenizer in {str(folder)!r} has no token <|startoftranscript|>: it is not a Whisper tokenizer, or its "
            "added tokens are missing. Copy all tokenizer files of the checkpoint (added_tokens.json, "
            "tokenizer_config.json)."
        )
    return tokenizer


def tokenizer_beside(folders: Iterable[Path], vocab_size: int) -> WhisperTokenizer | None:
    """Look for a tokenizer that fits a vocabulary in folders that may hold another model's."""
    for folder in folders:
        tokenizer = read_tokenizer(folder, vocab_size)
        if tokenizer is not None and fits(tokenizer, vocab_size):
            return tokenizer
    return None


def released_tokenizer(vocab_size: int) -> tuple[WhisperTokenizer, str] | None:
    """Look for a release of OpenAI's with this vocabulary in the local cache.

    Returns its tokenizer and its Hugging Face id, or None where the cache has none.
    """
    for name in RELEASED.get(vocab_size, ()):
        repo_id = hub.SHORT_NAMES[name]
        snapshot = hub.cached(repo_id)
        tokenizer = None if snapshot is None else read_tokenizer(snapshot, vocab_size)
        if tokenizer is not None:
            return tokenizer, repo_id
    return None


def fits(tokenizer: WhisperTokenizer, vocab_size: int) -> bool:
    """Whether a tokenizer is of this vocabulary: it has as many tokens, or its files left out only the timestamps."""
    last_control = tokenizer.get_added_vocab().get("<|notimestamps|>")
    return len(tokenizer) == vocab_size or last_control == vocab_size - N_TIMESTAMPS - 1


def tokenizer_from_texts(texts: Sequence[str], vocab_size: int) -> WhisperTokenizer | None:
    """Make a tokenizer from a vocabulary alone.

    A byte-level vocabulary is written in the order in which its merges were learnt, so that the merge that makes a
    token is the last one applied when its letters are put together by the tokens before it.

    Returns the tokenizer, or None where the vocabulary is not built like Whisper's.
    Source: transformers, `convert_slow_tokenizer.py`, `TikTokenConverter.extract_vocab_merges_from_model`.
    """
    end = next((i for i, text in enumerate(texts) if _SPECIAL.fullmatch(text)), len(texts))
    vocab = {text: i for i, text in enumerate(texts[:end])}
    special = [text for text in texts[end:] if _SPECIAL.fullmatch(text)]
    if end + len(special) + N_TIMESTAMPS != vocab_size:
        special = _special_names(vocab_size, end)
    if len(vocab) != end or end + len(special) + N_TIMESTAMPS != vocab_size:
        return None
    merges = [_last_merge(text, vocab, i) for text, i in vocab.items() if len(text) > 1]
    tokenizer = WhisperTokenizer(vocab=vocab, merges=[pair for pair in merges if pair is not None])
    tokenizer.add_special_tokens({"extra_special_tokens": [text for text in special if text != "<|endoftext|>"]})
    ids = _complete(tokenizer, vocab_size)
    return tokenizer if all(ids[text] == end + i for i, text in enumerate(special)) else None


def bytes_as_text(raw: bytes) -> str:
    """Write the bytes of a token as GPT-2's vocabulary does, one printable letter a byte."""
    return "".join(_BYTE_LETTERS[byte] for byte in raw)


def _special_names(vocab_size: int, n_plain: int) -> list[str]:
    """Name the special tokens between the plain ones and the timestamps, in Whisper's order."""
    n_languages = vocab_size - N_TIMESTAMPS - n_plain - 2 - len(CONTROLS)
    names = ["endoftext", "startoftranscript", *list(LANGUAGES)[: max(n_languages, 0)], *CONTROLS]
    return [f"<|{name}|>" for name in names]


def _last_merge(text: str, vocab: Mapping[str, int], limit: int) -> tuple[str, str] | None:
    """Merge the letters of a token by the tokens learnt before it, in order of learning, down to two parts."""
    parts = list(text)
    while len(parts) > 2:
        ranks = [vocab.get(left + right, limit) for left, right in pairwise(parts)]
        best = min(range(len(ranks)), key=ranks.__getitem__)
        if ranks[best] >= limit:
            return None
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


def special_ids(vocab_size: int, tokenizer: WhisperTokenizer | None) -> dict[str, int]:
    """Return the ids of Whisper's special tokens, timestamps left out.

    `tokenizer`: gives the ids, from tokens marked as special; without one they follow from the size, which identifies
    the release.
    Returns token text, `<|endoftext|>` and so on, to id.
    Source: openai-whisper, `whisper/tokenizer.py`, get_encoding.
    """
    if tokenizer is not None:
        return _special(tokenizer.get_added_vocab())  # a few tokens; reading the whole vocabulary is slow
    if vocab_size not in RELEASED:
        raise ModelError(
            f"a vocabulary of {vocab_size} tokens needs its tokenizer: only those of OpenAI's releases "
            f"({', '.join(map(str, RELEASED))}) are known without. Put the tokenizer files (tokenizer.json, or "
            "vocab.json with merges.txt) into the checkpoint's folder."
        )
    n_languages = 100 if vocab_size == max(RELEASED) else 99
    names = ["endoftext", "startoftranscript", *list(LANGUAGES)[:n_languages], *CONTROLS]
    first = vocab_size - N_TIMESTAMPS - len(names)
    return {f"<|{name}|>": first + i for i, name in enumerate(names)}


def is_english_only(ids: Mapping[str, int]) -> bool:
    """Whether a vocabulary is that of the English-only releases, however many tokens were added to it.

    `ids`: token text to id; at least `<|endoftext|>`, which follows the text tokens.
    Source: OpenAI Whisper, `whisper/tokenizer.py`: `gpt2.tiktoken` and `multilingual.tiktoken` differ by one entry.
    """
    return ids.get("<|endoftext|>") == ENGLISH_ONLY_TEXT


def timestamp_ids(ids: Mapping[str, int], no_timestamps_id: int) -> tuple[int, ...]:
    """Return the ids of the timestamps `<|0.00|>`, `<|0.02|>` and so on, in order of time."""
    named = {float(text[2:-2]): i for text, i in ids.items() if _TIMESTAMP.fullmatch(text)}
    if named:
        return tuple(named[time_s] for time_s in sorted(named))
    first, taken = no_timestamps_id + 1, set(ids.values())
    return tuple(i for i in range(first, first + N_TIMESTAMPS) if i not in taken)


def _special(ids: Mapping[str, int]) -> dict[str, int]:
    return {text: i for text, i in ids.items() if text[:2] == "<|" and _SPECIAL.fullmatch(text)}


def _complete(tokenizer: WhisperTokenizer, vocab_size: int) -> dict[str, int]:
    """Complete a tokenizer from old files: mark special tokens, add the timestamps; returns the special ids."""
    ids = _special(tokenizer.get_vocab())
    special = sorted(ids, key=ids.__getitem__)
    tokenizer.add_special_tokens({"extra_special_tokens": [t for t in special if t != "<|endoftext|>"]})
    if len(tokenizer) + N_TIMESTAMPS == vocab_size and fits(tokenizer, vocab_size):
        from tokenizers import AddedToken

        texts = [f"<|{0.02 * i:.2f}|>" for i in range(N_TIMESTAMPS)]
        tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in texts])
    tokenizer.set_prefix_tokens()
    return ids
