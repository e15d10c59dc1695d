"""Settings for tests to which the size of a run proves nothing."""

from __future__ import annotations

from maskaq.config import Reconstruction

RECONSTRUCTION = Reconstruction(steps=2, batch=4, views=2)
