"""The accuracy that each saving of work in the synthesis costs.

    python -m benchmarks.savings --model vit_tiny_patch16_224 --weights FILE --data FOLDER \\
        --images 16 --holdout 16

Runs are stored under --out; stored runs are not repeated.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.sources import result_of
from maskaq.config import Savings
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of

SAVINGS = {
    "none": Savings(),
    "align every 2": Savings(align_every=2),
    "align every 4": Savings(align_every=4),
    "half the blocks": Savings(blocks=0.5),
    "third of the queries": Savings(queries=0.33),
    "coarse half": Savings(coarse=0.5),
    "half the patches": Savings(patches=0.5, patches_from=0.5),
    "lean": Savings(align_every=4, queries=0.33, coarse=0.25, patches=0.5, patches_from=0.5),
    "lean, no coarse": Savings(align_every=8, queries=0.33, patches=0.5, patches_from=0.25),
    "light": Savings(align_every=8, blocks=0.5, queries=0.5, patches=0.5, patches_from=0.2),
    "leaner": Savings(align_every=4, queries=0.5, coarse=0.4, patches=0.5, patches_from=0.4),
}
HEAD = "| bits | left out | seed | synthesis | Q top-1 [95 %] | recognised | n |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--bits", nargs="+", default=["W4A4"])
    parser.add_argument("--savings", nargs="+", default=list(SAVINGS), choices=SAVINGS)
    parser.add_argument("--seed", nargs="+", type=int, default=[0])
    parser.add_argument("--images", type=int)
    parser.add_argument("--holdout", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/savings"))
    args = parser.parse_args()
    print(HEAD + "\n" + "|---" * HEAD.count(" | ") + "|---|", flush=True)
    for bits in args.bits:
        base = spec_of("maskaq", parse_bits(bits))
        images = args.images or base.synthesis.images
        for kind in args.savings:
            for seed in args.seed:
                spec = replace(
                    base,
                    model=args.model,
                    weights=args.weights,
                    data=args.data,
                    holdout=args.holdout,
                    seed=seed,
                    synthesis=replace(base.synthesis, images=images, savings=SAVINGS[kind]),
                )
                name = f"{args.model}_{bits}_{kind.replace(' ', '-')}_{seed}"
                result = result_of(spec, args.out / name)
                q = result.q
                print(
                    f"| {bits} | {kind} | {seed} | {result.seconds['synthesis']:.0f} s "
                    f"| {q.top1:.1%} [{q.top1_low:.1%}, {q.top1_high:.1%}] "
                    f"| {result.samples['recognised']:.0%} | {result.evaluated} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
