"""Tables of the synthetic images: what P and Q see in them, and the terms of their loss."""

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
    """Columns image, label, P, P_certainty, Q, Q_certainty (in %) and recognised (by P).

    Args:
        label: the class each image was synthesized for [N].
        p, q: the class each model predicts [N] and its probability in 0..1 [N].
        names: the class names.
    """
    classes = np.asarray(names, object)
    return pd.DataFrame(
        {
            "image": np.arange(len(label)),
            "label": classes[label],
            "P": classes[p[0]],
            "P_certainty": 100 * p[1].astype(np.float32),
            "Q": classes[q[0]],
            "Q_certainty": 100 * q[1].astype(np.float32),
            "recognised": p[0] == label,
        }
    )


def captions(table: pd.DataFrame) -> list[str]:
    """One caption per image: `coat: P coat 97 %, Q shirt 60 %`."""
    return [
        f"{row.label}: P {row.P} {row.P_certainty:.0f} %, Q {row.Q} {row.Q_certainty:.0f} %"
        for row in table.itertuples()
    ]


def describe_gallery(table: pd.DataFrame) -> str:
    """The gallery in one sentence, from `gallery_frame`."""
    recognised, same = int(table["recognised"].sum()), int((table["P"] == table["Q"]).sum())
    return (
        f"P recognises the intended class in {recognised} of {len(table)} images; "
        f"P and Q predict the same class for {same}."
    )


def terms_frame(curves: pd.DataFrame, weights: Coefficients, step: int) -> pd.DataFrame:
    """The loss terms at a step: columns term, value, weight and adds (value times weight).

    curves: of a stored run; the latest value up to the step counts. Terms of weight 0 are left out
    because they are not computed.
    """
    rows = curves[(curves["stage"] == "synthesis") & (curves["step"] <= step)]
    terms = []
    for name, weight in asdict(weights).items():
        values = rows[name].dropna().tolist() if name in rows else []
        if weight and values:
            value = float(values[-1])
            terms.append((name, value, weight, weight * value))
    return pd.DataFrame(terms, columns=["term", "value", "weight", "adds"])


def dimmed(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], grid: tuple[int, int]
) -> NDArray[np.uint8]:
    """Images [n,3,S,S] with the patches outside their masks [n,N] darkened."""
    rows, columns = grid
    patch = images.shape[2] // rows, images.shape[3] // columns
    inside = masks.reshape(-1, 1, rows, columns)  # [n,1,rows,columns]
    inside = inside.repeat(patch[0], 2).repeat(patch[1], 3)  # [n,1,S,S]
    return np.where(inside, images, images // 4).astype(np.uint8)
