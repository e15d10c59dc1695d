"""The numbers behind the playground, as a table and in words."""

import pandas as pd

from maskaq.precomputed.worlds import BITS, SOURCES, World


def accuracies(world: World) -> pd.DataFrame:
    """One row per source and number format: top-1 of P and Q in %, with 95 % intervals.

    Columns bits, images, Q, low, high, P, agreement (all in %), n and megabytes (of the weights,
    packed).
    """
    about = world.about
    rows = []
    for bits in BITS:
        for source in SOURCES:
            q, low, high = about["q"][source][bits]
            rows.append(
                {
                    "bits": bits,
                    "images": source,
                    "Q": 100 * q,
                    "low": 100 * low,
                    "high": 100 * high,
                    "P": 100 * about["p"][0],
                    "agreement": 100 * about["agreement"][source][bits][0],
                    "n": about["n"],
                    "megabytes": about["bytes"][bits] / 1e6,
                }
            )
    return pd.DataFrame(rows).round(1)


def about(world: World) -> str:
    """Where the numbers come from, in Markdown."""
    facts = world.about
    weights = "" if world.name == "scenes" else f", weights with SHA-256 `{facts['weights'][:16]}`"
    return (
        f"Computed beforehand: P is `{facts['model']}`{weights}. Each Q was fitted by the back-end "
        f"`{facts['backend']}` to {facts['images']} images of one source, without final "
        f"finetuning, seed {facts['seed']}. MaskAQ made its images once, with the Q of W4A4. "
        f"P and Q were evaluated on the same {facts['n']:,} {facts['tested']}, none of which was "
        f"used for anything else; intervals are Wilson's, at 95 %, in percent. The pictures above "
        f"are not among them. {facts['device']}, {facts['created'][:10]}. Attention of Q is stored "
        "for the class token only."
    )
