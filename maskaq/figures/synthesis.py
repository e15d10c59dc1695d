"""What the two models see in the images that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from maskaq.config import Coefficients


def gallery_frame(
    label: NDArray[np.integer],
    p: tuple[NDArray[np.integer], NDArray[np.floating]],
    q: tuple[NDArray[np.integer], NDArray[np.floating]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Columns image, label, P, P_certainty, Q, Q_certainty (in %) and recognised.

    Args:
        label: the class each image was made for [N].
        p, q: the class each model names [N] and its probability in 0..1 [N].
    """
    words = np.asarray(names, object)
    return pd.DataFrame(
        {
            "image": np.arange(len(label)),
            "label": words[label],
            "P": words[p[0]],
            "P_certainty": 100 * p[1].astype(np.float32),
            "Q": words[q[0]],
            "Q_certainty": 100 * q[1].astype(np.float32),
            "recognised": p[0] == label,
        }
    )


def captions(table: pd.DataFrame) -> list[str]:
    """A line under each image: `coat: P coat 97 %, Q shirt 60 %`."""
    return [
        f"{row.label}: P {row.P} {row.P_certainty:.0f} %, Q {row.Q} {row.Q_certainty:.0f} %"
        for row in table.itertuples()
    ]


def describe_gallery(table: pd.DataFrame) -> str:
    """The gallery in one sentence, from `gallery_frame`."""
    seen, same = int(table["recognised"].sum()), int((table["P"] == table["Q"]).sum())
    return (
        f"P recognises {seen} of {len(table)} images as what they were made for; "
        f"P and Q name the same class in {same}."
    )


def terms_frame(curves: pd.DataFrame, weights: Coefficients, step: int) -> pd.DataFrame:
    """Columns term, value, weight and adds (their product): the terms measured up to a step.

    curves: of a stored run. Terms of weight 0 are left out, as they were never computed.
    """
    rows = curves[(curves["stage"] == "synthesis") & (curves["step"] <= step)]
    found = []
    for name, weight in asdict(weights).items():
        values = rows[name].dropna().tolist() if name in rows else []
        if weight and values:
            value = float(values[-1])
            found.append((name, value, weight, weight * value))
    return pd.DataFrame(found, columns=["term", "value", "weight", "adds"])


def dimmed(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], grid: tuple[int, int]
) -> NDArray[np.uint8]:
    """Images [n,3,S,S] with all but the patches of their masks [n,N] darkened."""
    rows, columns = grid
    patch = images.shape[2] // rows, images.shape[3] // columns
    light = masks.reshape(-1, 1, rows, columns).repeat(patch[0], 2).repeat(patch[1], 3)  # [n,1,S,S]
    return np.where(light, images, images // 4).astype(np.uint8)
