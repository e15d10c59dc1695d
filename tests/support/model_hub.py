"""A model hub on this computer, with the answers of the real one, and a cache of its client.

hub = model_hub.ModelHub(); hub.files["timm/a/model.safetensors"] = content
model_hub.use(monkeypatch, tmp_path, hub)
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import save

from maskaq.jobs import downloads
from maskaq.models import download
from tests.support.waiting import until

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "deit_tiny_patch16_224"
NOWHERE = "http://127.0.0.1:9"  # an address where nothing listens


def content(size: int = 3_000_000) -> bytes:
    """A safetensors file of this size, roughly."""
    return save({"a": np.random.default_rng(0).standard_normal(size // 4, np.float32)})


def file_of(model: str = NAME) -> download.HubFile:
    """Where the weights of a model are on the hub."""
    found = download.find(model)
    assert found is not None
    return found


class ModelHub:
    """Serves files by their repository and name, and notes the requests.

    Attributes:
        files: content by path. requests: method, and first byte of the range that was requested.
        stated: size in the answers to HEAD, by default the true one. sent: content of the answers
            to GET, by default that of the file. headers: whether the answers have those of a hub.
        break_after: bytes after which the connection of the next GET ends. pause_after: bytes after
            which every GET waits for `resume`.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, int]] = []
        self.stated: int | None = None
        self.sent: bytes | None = None
        self.headers = True
        self.break_after: int | None = None
        self.pause_after: int | None = None
        self.resume = threading.Event()
        hub = self

        class Handler(_Handler):
            model_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, model: str = NAME, data: bytes | None = None) -> bytes:
        """Serve weights of a model."""
        file = file_of(model)
        return self.files.setdefault(f"{file.repository}/{file.file}", data or content())

    def close(self) -> None:
        """End all answers and the server."""
        self.resume.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def gets(self) -> list[int]:
        """First byte of every GET."""
        return [first for method, first in self.requests if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    model_hub: ModelHub

    def do_HEAD(self) -> None:  # named by http.server
        self._answer(None)

    def do_GET(self) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self._answer(int(match[1]) if match else 0)

    def _answer(self, first: int | None) -> None:
        hub = self.model_hub
        hub.requests.append((self.command, first or 0))
        data = hub.files.get(self.path.removeprefix("/").replace("/resolve/main/", "/"))
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        etag = hashlib.sha256(data).hexdigest()
        if first is None:
            self._start(200, hub.stated or len(data), etag)
            return
        data = hub.sent or data
        self._start(206 if first else 200, len(data) - first, etag, (first, len(data)))
        self._send(data[first:])

    def _start(self, code: int, size: int, etag: str, part: tuple[int, int] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(size))
        if self.model_hub.headers:
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
        if code == 206 and part is not None:
            self.send_header("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{part[1]}")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        hub = self.model_hub
        end, hub.break_after = hub.break_after, None
        try:
            if end is not None:
                self.wfile.write(data[:end])
            elif hub.pause_after is not None:
                self.wfile.write(data[: hub.pause_after])
                self.wfile.flush()
                hub.resume.wait(60)
                self.wfile.write(data[hub.pause_after :])
            else:
                self.wfile.write(data)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, hub: ModelHub | None = None) -> None:
    """Take this hub, or none, an empty cache and no downloads of other tests."""
    monkeypatch.setenv("HF_ENDPOINT", hub.address if hub else NOWHERE)
    monkeypatch.delenv("MASKAQ_SCHEDULER", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
    fresh = downloads.Downloads()
    for name in ("look", "running", "start", "cancel"):
        monkeypatch.setattr(downloads, name, getattr(fresh, name))


def cache(folder: Path, model: str = NAME, data: bytes = b"weights") -> Path:
    """Put the weights of a model into the cache, as the hub's client does."""
    file = file_of(model)
    repository = folder / "hub" / f"models--{file.repository.replace('/', '--')}"
    path = repository / "snapshots" / COMMIT / file.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return path


@contextmanager
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub with the weights of `NAME`, in use until the last download has ended."""
    hub = ModelHub()
    hub.add()
    use(monkeypatch, tmp_path, hub)
    yield hub
    hub.close()
    until(lambda: not any(one.name.startswith("download ") for one in threading.enumerate()))
