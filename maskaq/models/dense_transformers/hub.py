"""The folder of a model by its path, or by its name on the model hub.

The hub's client looks in its cache first; its variables apply (`maskaq.models.download`).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path

from maskaq.errors import ModelError
from maskaq.models.dense_transformers.folder import CONFIG, PREPROCESSOR
from maskaq.models.download import LIMIT, HubFile
from maskaq.models.menu import SAFETENSORS
from maskaq.models.weights import first_line

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_TIMEOUT = 5.0  # seconds for the hub's first answer


def folder_of(name: str | Path) -> Path:
    """The folder of a model, which is downloaded unless it is local or cached.

    name: a folder, or a repository of the hub such as `nvidia/segformer-b0-finetuned-ade-512-512`.

    Raises:
        ModelError: neither, or the hub cannot be reached or has no safetensors in one file.
    """
    if os.path.isdir(name):  # unlike `Path.is_dir`, for any text
        return Path(name)
    repository = str(name)
    if not _REPOSITORY.fullmatch(repository) or os.path.exists(name):
        raise ModelError(
            f"{repository!r} is neither a folder nor a repository of the model hub; pass a folder "
            f"with {CONFIG} and {SAFETENSORS}, or a name such as hustvl/yolos-tiny."
        )
    return _cached(repository) or _fetched(repository)


def _cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(repository, name) for name in (CONFIG, SAFETENSORS)]
    found = [Path(path).parent for path in paths if isinstance(path, str)]
    return found[0] if len(found) == 2 and found[0] == found[1] else None


def _fetched(repository: str) -> Path:
    """The folder in the cache of the hub's client."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        # The client's own first request is repeated for most of a minute, this one is not.
        meta = get_hf_file_metadata(HubFile(repository, repository).url, timeout=_TIMEOUT)
        if meta.size is None or meta.size > LIMIT:
            raise _refusal(repository, f"{SAFETENSORS} has more than {LIMIT / 1e9:.0f} GB")
        endpoint = os.environ.get("HF_ENDPOINT") or None
        get = partial(hf_hub_download, repository, endpoint=endpoint, etag_timeout=_TIMEOUT)
        folder = Path(get(CONFIG)).parent
        with suppress(EntryNotFoundError):  # the preprocessing is assumed then
            get(PREPROCESSOR)
        get(SAFETENSORS)
    except ModelError:
        raise
    except Exception as error:  # the exception types differ between versions of the client
        raise _refusal(repository, f"{type(error).__name__}: {first_line(error)}") from error
    return folder


def _refusal(repository: str, reason: str) -> ModelError:
    command = f"hf download {repository} {CONFIG} {PREPROCESSOR} {SAFETENSORS} --local-dir FOLDER"
    return ModelError(
        f"{repository} is no local folder, is not in the cache of the model hub's client, and "
        f"cannot be downloaded ({reason}). On a machine with network access, run `{command}`, and "
        "pass FOLDER in place of the name."
    )
