"""Find a Hugging Face dataset in a folder, on the hub, or in the cache, and turn errors there into an `InputError`.

The hub is first asked about the dataset with a short timeout, so that being offline costs only seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otoscope.base.errors import InputError, OtoscopeError

CONTACT_S = 2.0
"""Timeout for reaching the hub; HF_HUB_ETAG_TIMEOUT, the hub client's own setting, replaces it."""


def locate(name: str) -> tuple[str, tuple[str, ...]]:
    """Find where a dataset is read from.

    Returns the folder or id, and a note if it is read from the cache.
    """
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if Path(name).is_dir():
        return name, ()
    wait_s = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or CONTACT_S)
    try:
        HfApi().dataset_info(name, timeout=wait_s)
    except HFValidationError as error:
        raise InputError(
            f"dataset {name!r} is neither a folder nor a Hugging Face id, such as 'openslr/librispeech_asr'."
        ) from error
    except GatedRepoError as error:  # before its parent, RepositoryNotFoundError
        raise InputError(
            f"dataset {name!r} is gated at {constants.ENDPOINT}: accept its terms on its page there, log in with "
            "'hf auth login' (or set HF_TOKEN) and run this again."
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"dataset {name!r} is not at {constants.ENDPOINT} (or is private, and needs 'hf auth login'). "
            "Give a folder, or an id such as 'openslr/librispeech_asr'."
        ) from error
    except OfflineModeIsEnabled:
        return _cached(name, "HF_HUB_OFFLINE forbids asking")
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        return _cached(name, f"{constants.ENDPOINT} answered with {status}")
    except (httpx2.HTTPError, OSError) as error:
        return _cached(name, f"{constants.ENDPOINT} could not be reached ({type(error).__name__})")
    return name, ()


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the datasets library raises while it reads into an `InputError`.

    `name`: the name by which the corpus was opened.
    """
    import httpx2

    try:
        yield
    except OtoscopeError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError, httpx2.HTTPError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{name!r} cannot be read: {reason} Check the name, configuration and split.") from error


def _cached(name: str, reason: str) -> tuple[str, tuple[str, ...]]:
    """Find a dataset that was downloaded completely before."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(name, repo_type="dataset", local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise InputError(
            f"dataset {name!r} is not in the cache {constants.HF_HUB_CACHE}, and {reason}. HF_ENDPOINT is "
            f"{os.environ.get('HF_ENDPOINT') or 'not set'}. To bring it over: where there is a network, run "
            f"'hf download {name} --repo-type dataset --local-dir FOLDER', copy FOLDER here and give hf:FOLDER."
        ) from error
    return folder, (f"dataset {name!r} is read from the cache, and holds what was downloaded: {reason}.",)
