"""Pretrained weights of timm's models from the model hub: size, local cache, download.

The app uses this module, so neither torch nor timm is imported, and the hub's client only on use.
The client's variables apply: HF_ENDPOINT is the address of the hub, HF_HOME the folder of its
cache, and HF_HUB_OFFLINE=1 forbids requests.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from maskaq.errors import ModelError
from maskaq.files import sha256
from maskaq.models import menu

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata
    from tqdm import tqdm

LIMIT = 2_000_000_000  # bytes of a download
_HUB = "https://huggingface.co"
_TIMEOUT = 5.0  # seconds for the hub's first answer
_CHUNK = 2**20  # bytes between two reports of progress
_SHA256 = re.compile(r"[0-9a-f]{64}")

Report = Callable[[int, int], None]  # bytes done and bytes in total


class CancelledError(Exception):
    """The download was cancelled."""


@dataclass(frozen=True)
class HubFile:
    """The pretrained weights of a model on the hub."""

    model: str
    repository: str
    file: str = menu.SAFETENSORS

    @property
    def url(self) -> str:
        """Address of the file."""
        return f"{_endpoint()}/{self.repository}/resolve/main/{self.file}"


def find(model: str) -> HubFile | None:
    """The weights that a name loads; None if it is bundled or timm has no classifier for it."""
    one = menu.classifiers().get(model)
    return HubFile(model, one.repository, one.file) if one and one.repository else None


def cached(weights: HubFile) -> Path | None:
    """The file in the local cache of the hub's client; None if it is not there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(weights.repository, weights.file)
    return Path(path) if isinstance(path, str) else None  # else missing, here or on the hub


def size_of(weights: HubFile) -> int:
    """Size in bytes, as the hub states it. Answers or fails within seconds.

    Raises:
        ModelError: no network, no such file, or one that `fetch` refuses.
    """
    return _ask(weights)[0]


def fetch(weights: HubFile, report: Report | None = None, stop: Event | None = None) -> Path:
    """Local path of the file, which is downloaded unless it is cached.

    A lost connection is resumed as the hub's client does it. The file is compared with its SHA-256.

    Args:
        report: called after each piece. stop: cancels the download when it is set.

    Raises:
        ModelError: no network, no such file, a file that is not safetensors, is larger than `LIMIT`
            or than the free disk space, or arrives damaged.
        CancelledError: `stop` was set.
    """
    if (path := cached(weights)) is not None:
        return path
    size, meta = _ask(weights)
    path = _download(weights, _counter(size, report or (lambda done, total: None), stop or Event()))
    if meta.etag and _SHA256.fullmatch(meta.etag) and meta.etag != sha256(path):
        path.resolve().unlink()
        path.unlink(missing_ok=True)  # a link to the file above, where the system has links
        raise _refusal(weights, "the file arrived damaged: its SHA-256 is wrong")
    return path


def _ask(weights: HubFile) -> tuple[int, HfFileMetadata]:
    """Size of the file, and what else the hub says about it, checked before any download.

    The client's own first request is repeated for most of a minute, this one is not.
    """
    from huggingface_hub import constants, get_hf_file_metadata

    if not weights.file.endswith(".safetensors"):
        raise _refusal(weights, f"{weights.file} is not a safetensors file")
    try:
        meta = get_hf_file_metadata(weights.url, timeout=_TIMEOUT)
    except Exception as error:  # the exception types differ between versions of the client
        raise _refusal(weights, _describe(error)) from error
    if meta.size is None or meta.commit_hash is None:
        raise _refusal(weights, "the answer is not that of a model hub")
    if meta.size > LIMIT:
        size = f"the file has {meta.size / 1e9:.1f} GB, allowed: {LIMIT / 1e9:.1f} GB"
        raise _refusal(weights, size)
    folder = Path(constants.HF_HUB_CACHE).absolute()
    free = shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.is_dir())).free
    if meta.size > free:
        space = f"the file has {meta.size / 1e6:.0f} MB, {folder} has {free / 1e6:.0f} MB left"
        raise _refusal(weights, space)
    return meta.size, meta


def _download(weights: HubFile, bar: type[tqdm[Any]]) -> Path:
    from huggingface_hub import constants, hf_hub_download

    # Plain HTTP in small pieces: downloads by Xet cannot be cancelled from another thread, and the
    # client's pieces of 10 MB are too coarse for a progress bar.
    constants.HF_HUB_DISABLE_XET, constants.DOWNLOAD_CHUNK_SIZE = True, _CHUNK
    try:
        path = hf_hub_download(
            weights.repository,
            weights.file,
            endpoint=_endpoint(),
            etag_timeout=_TIMEOUT,
            tqdm_class=bar,
        )
    except CancelledError:
        raise
    except Exception as error:  # as in `_ask`
        raise _refusal(weights, _describe(error)) from error
    return Path(path)


def _counter(size: int, report: Report, stop: Event) -> type[tqdm[Any]]:
    """The class of a progress bar that shows nothing, for the hub's client."""
    from tqdm import tqdm

    class Counter(tqdm):  # type: ignore[type-arg]  # generic for type checkers only
        monitor_interval = 0  # no thread that redraws bars

        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)
            self._done = initial

        def update(self, n: float | None = 1) -> None:
            if stop.is_set():
                raise CancelledError
            self._done += int(n or 0)
            if self._done > size:
                raise OSError(f"the server sends more than the {size} bytes that it has stated")
            report(self._done, size)

    return Counter


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def _describe(error: Exception) -> str:
    """Type and first line: the client's messages go on with pages of advice."""
    first_line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def _refusal(weights: HubFile, reason: str) -> ModelError:
    return ModelError(
        f"no pretrained weights for {weights.model} from the model hub ({reason}). Download "
        f"{weights.url} on a machine with network access, and pass `--model {weights.model} "
        "--weights FILE` (safetensors, or a PyTorch state dict), or enter the path of the file in "
        'the field "Weights file" of the app.'
    )
