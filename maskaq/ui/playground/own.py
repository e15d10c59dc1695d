"""A visitor's picture in the playground: sent to P, then to a Q fitted to the synthetic images.

Workers answer; `session` asks again until they have.
"""

import base64
import binascii
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskaq.config.parsing import parse_bits
from maskaq.data.upload import MEGABYTES, Picture, read_picture
from maskaq.errors import DataError, MaskaqError
from maskaq.jobs import service
from maskaq.precomputed import worlds
from maskaq.precomputed.worlds import World
from maskaq.ui.playground import message
from maskaq.ui.playground.view import View

SOURCE = "maskaq"  # of the images that ship with a world, to which a live Q is fitted


def decode(values: Any) -> Picture:
    """The picture that the browser sent.

    Raises:
        DataError: not a picture, or too large.
    """
    if not isinstance(values, dict) or not isinstance(values.get("data"), str):
        raise DataError("the browser sent no picture; choose one again.")
    text = values["data"]
    if len(text) > MEGABYTES * 2**20 * 4 / 3 + 4:
        raise DataError(f"the picture is too large; allowed: up to {MEGABYTES} MB.")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("the picture was damaged on its way; choose it again.") from error
    return read_picture(str(values.get("name") or "picture"), data)


@dataclass
class OwnPicture:
    """A visitor's picture and the answers so far.

    weights: file of the model's weights, "" for those of the bundled model or of timm. view: what
    the browser shows.
    """

    picture: Picture
    world: World
    weights: str
    view: View
    _p: Future[Any] | None = None
    _q: dict[str, Future[Any]] = field(default_factory=dict)

    def ask(self) -> None:
        """Send what has not been sent yet to the workers: first P, then Q at the chosen bits."""
        asked = {"model": self.world.model, "weights": self.weights, "picture": self.picture.pixels}
        if self._p is None:
            self._p = service.quick("look", **asked)
        bits = self.view.bits
        if self._p.done() and not _failed(self._p) and bits not in self._q:
            weight_bits, activation_bits = parse_bits(bits)
            self._q[bits] = service.quick(
                "look_q",
                **asked,
                samples=self.world.synthetic(),
                weight_bits=weight_bits,
                activation_bits=activation_bits,
            )

    @property
    def waiting(self) -> bool:
        """Whether an answer is still on its way."""
        q = self._q.get(self.view.bits)
        return self._p is not None and not (self._p.done() and (q is None or q.done()))

    def settles(self, seconds: float) -> bool:
        """Wait for the next answer. Returns whether none is on its way any more."""
        asked = [self._p, self._q.get(self.view.bits)]
        wait([one for one in asked if one is not None], seconds)
        return not self.waiting

    def error(self) -> str:
        """Why P or Q could not answer, "" if nothing failed."""
        futures = [self._p, self._q.get(self.view.bits)]
        return next((_failed(one) for one in futures if one is not None and _failed(one)), "")

    def message(self) -> bytes | None:
        """What the browser shows; None until P has answered."""
        if self._p is None or not self._p.done() or _failed(self._p):
            return None
        answer = dict(self._p.result())
        names = worlds.short_names(answer.pop("names"))
        answer["image"] = worlds.webp(np.ascontiguousarray(answer["image"].transpose(1, 2, 0)))
        bits = self.view.bits
        q = self._q.get(bits)
        picture: dict[str, Any] = {
            "title": self.picture.name,
            "q": {"source": SOURCE, "bits": bits},
        }
        if q is not None and q.done() and not _failed(q):
            answer |= {f"q_{name}": value[None, None] for name, value in q.result().items()}
            picture["status"] = (
                "Computed just now. The ranges of Q are fitted to the synthetic images below "
                "(back-end tails); its accuracy on the right is that of the stored runs."
            )
        else:
            picture["status"] = self.error() or f"Fitting Q at {bits} to the synthetic images ..."
            picture["failed"] = bool(self.error())
        picture["waiting"] = (
            "computing ..." if self.view.source == SOURCE else "only for images of MaskAQ"
        )
        return message.of_own(self.view, self.world, answer, picture, names)


def _failed(future: Future[Any]) -> str:
    """The message of a future that ended with an error, else ""."""
    if not future.done():
        return ""
    try:
        error = future.exception()
    except CancelledError:
        return "The computation was cancelled."
    if error is not None and not isinstance(error, MaskaqError):
        raise error
    return str(error or "")
