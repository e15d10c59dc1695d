import numpy as np
import pandas as pd
import pytest

from maskaq.figures.maps import deletion
from maskaq.ui.sections.look_inside import dense_verdicts

VALUES = {"informative": 0.4, "random": 0.6, "other": 0.9}


def table(same: tuple[float, ...] = (0.1,), spread: float = 0.05, **values: float) -> pd.DataFrame:
    """Rows of one fill and measure; the orders differ by twice as much on the middle patches."""
    rows = [
        {
            "patches": patches,
            "order": order,
            "share": share,
            "value": value if patches == "same" else value / 2,
            "low": value - spread if patches == "same" else value / 2 - spread,
            "high": value + spread if patches == "same" else value / 2 + spread,
            "n": 500,
            "parts": 1200 + len(order),
        }
        for patches, shares in (("remaining", (0.0, 0.1, 0.6)), ("same", same))
        for order, value in (VALUES | values).items()
        for share in shares
    ]
    return pd.DataFrame(rows)


def test_the_claim_is_judged_on_the_middle_patches() -> None:
    assert dense_verdicts.removal(table(), "pixels", 0.1) == (
        "**With 10 % of the patches removed, the first claim holds**. On the middle patches of the "
        "pixels 40 % (95 % interval 35 to 45) keep their class if the informative ones go first, "
        "60 % (55 to 65) in random order and 90 % (85 to 95) if they go last; at least 1,205 "
        "pixels in 500 scenes."
    )


@pytest.mark.parametrize(
    "values, word",
    [({"informative": 0.8}, "fails"), ({"informative": 0.58}, "cannot be judged")],
)
def test_the_claim_fails_if_others_matter_more(values: dict[str, float], word: str) -> None:
    assert f"first claim {word}**" in dense_verdicts.removal(table(**values), "objects", 0.1)


def test_a_share_that_is_not_stored_for_every_order_is_named() -> None:
    rows = table(same=(0.1, 0.6))
    late = (rows["patches"] == "same") & (rows["order"] == "random") & (rows["share"] == 0.6)
    text = dense_verdicts.removal(rows[~late], "objects", 0.6)
    assert "**With 10 % of the patches removed, the first claim holds**" in text
    assert text.endswith("With 60 % removed, too few objects are left to compare.")


def test_without_middle_patches_nothing_is_claimed() -> None:
    text = dense_verdicts.removal(table(same=()), "mIoU", 0.6)
    assert "**With 60 % of the patches removed, the first claim cannot be judged**" in text
    assert "On the patches that remain mIoU is 20 % (95 % interval 15 to 25)" in text
    assert text.endswith("Each order leaves different patches.")


@pytest.mark.parametrize(
    "measure", [name for labels in deletion.DENSE_MEASURES.values() for name in labels]
)
def test_every_measure_has_words(measure: str) -> None:
    assert "40 % (95 % interval" in dense_verdicts.removal(table(), measure, 0.1)


CLASSES = ["Bag", "Coat", "Background"]


def test_kept_pixels_are_shares_of_those_that_remain() -> None:
    kept = np.array([[10, 0, 70], [30, 10, 60]])
    text = dense_verdicts.kept("segmentation", CLASSES, {"P": kept, "Q W4A4": kept}, 3)
    own = (
        "keeps the class of 80 % of the remaining pixels, and of 25 % of those where it saw an "
        "object"
    )
    assert text == f"**3 patches are gone**: P {own}; Q W4A4 {own}."
    ground = np.array([[0, 0, 4], [0, 0, 8]])
    text = dense_verdicts.kept("segmentation", CLASSES, {"P": ground}, 1)
    assert text.startswith("**One patch is gone**: P keeps the class of 50 % ")
    assert text.endswith("; it saw no object there.")
    nothing = {"P": np.zeros((2, 3), int)}
    assert "P has no pixels left." in dense_verdicts.kept("segmentation", CLASSES, nothing, 64)


def test_found_and_lost_objects_are_named() -> None:
    kept = np.array([[2, 0, 1], [2, 1, 2]])
    text = dense_verdicts.kept("detection", ["Bag", "Coat", "Shirt"], {"P": kept}, 2)
    assert text == (
        "**2 patches are gone**: P still finds 3 of 5 objects that mostly remain (found 2 x Bag "
        "and Shirt; lost Coat and Shirt)."
    )
    one = {"P": np.array([[0, 0, 0], [0, 1, 0]])}
    assert "P still finds 0 of 1 object that mostly remains (lost Coat)." in dense_verdicts.kept(
        "detection", CLASSES, one, 2
    )
    nothing = {"P": np.zeros((2, 3), int)}
    assert "P found no object that mostly remains." in dense_verdicts.kept(
        "detection", CLASSES, nothing, 64
    )
