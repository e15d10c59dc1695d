"""How much of each family of backbones is quantized: `python -m benchmarks.families`.

Writes `docs/families.md`. Weights are random (seed 0), so nothing is downloaded and the page says
nothing about accuracy: it says what is quantized, what is not and why, and that Q computes what P
does up to rounding. Takes about 5 minutes on one core.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from maskaq.config import QuantOptions
from maskaq.errors import ModelError
from maskaq.models.architectures import build
from maskaq.models.structure import example_input
from maskaq.quantization.backends.ranges_only import MSE, calibrated_q
from maskaq.quantization.conversion.census import Product, float_share, products

PAGE = Path(__file__).parents[1] / "docs" / "families.md"
IMAGES = 8  # that set the ranges, and as many others that measure the error
# A family and its smallest member; with options where that has very many patches.
NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_tiny_patch16_224": ("ViT", {}),
    "deit_tiny_distilled_patch16_224": ("DeiT, distilled", {}),
    "deit3_small_patch16_224": ("DeiT-3", {}),
    "vit_medium_patch16_reg1_gap_256": ("ViT, registers, average pooling", {}),
    "vit_base_patch32_siglip_256": ("SigLIP", {}),
    "vit_relpos_small_patch16_224": ("ViT, relative position", {}),
    "beit_base_patch16_224": ("BEiT", {}),
    "eva02_tiny_patch14_224": ("EVA-02", {}),
    "vit_small_patch14_dinov2": ("DINOv2", {"img_size": 224, "num_classes": 1000}),
    "vit_small_patch16_dinov3": ("DINOv3", {"num_classes": 1000}),
    "swin_tiny_patch4_window7_224": ("Swin", {}),
    "swinv2_tiny_window8_256": ("Swin V2", {}),
    "hiera_tiny_224": ("Hiera", {}),
    "pvt_v2_b0": ("PVT v2", {}),
    "twins_pcpvt_small": ("Twins", {}),
    "nest_tiny": ("NesT", {}),
    "tiny_vit_5m_224": ("TinyViT", {}),
    "davit_tiny": ("DaViT", {}),
    "crossvit_tiny_240": ("CrossViT", {}),
    "maxvit_pico_rw_256": ("MaxViT", {}),
    "mvitv2_tiny": ("MViT v2", {}),
    "levit_128s": ("LeViT", {}),
    "gcvit_xxtiny": ("GC ViT", {}),
    "pit_ti_224": ("PiT", {}),
    "visformer_tiny": ("Visformer", {}),
    "xcit_nano_12_p16_224": ("XCiT", {}),
    "cait_xxs24_224": ("CaiT", {}),
    "volo_d1_224": ("VOLO", {}),
    "convit_tiny": ("ConViT", {}),
    "coat_lite_tiny": ("CoaT", {}),
    "edgenext_xx_small": ("EdgeNeXt", {}),
}
HEAD = """\
# Families of backbones

What `convert` quantizes in {count} models of timm {version}, one of each family, and what stays in
float. Written by `python -m benchmarks.families`; do not edit it by hand.

Weights are random (seed 0), so there is no accuracy to report. *Error* is the relative error of the
logits at W8A8, |Q - P| / |P|, on {images} random images with the spectrum of photographs; ranges
are those of the back-end `mse`, set on {images} others. *Layers*: how many of all are
quantized. *Attention*: likewise the modules with products outside of layers; one that computes
others beside attention counts twice. *In float*: share of the multiply-adds with an operand in
float.

*Works with* says what can be done. *Everything*: `load_model` takes it, so that all sources, all
back-ends and the app work. *Ranges*: only `convert` takes it, with the back-ends that set ranges.
Its attention is not between all patches of the image or in windows, so no map of it can be
recorded. *Nothing*: it computes no attention that can be quantized, and `convert` says so.

| model of timm | family | error | layers | attention | in float | works with |
|---|---|---|---|---|---|---|
"""
NOTES = """\
## What stays in float

The first module for each reason, with the share of all multiply-adds.
"""


@dataclass(frozen=True)
class Row:
    """What was found out about one model.

    error: relative, of the logits; None if `convert` refuses it. products: of Q. loads: whether
    `load_model` takes it. refusal: of `convert`.
    """

    name: str
    error: float | None
    products: tuple[Product, ...]
    loads: bool
    refusal: str = ""

    def cells(self) -> list[str]:
        """The cells of the table."""
        family = NAMES[self.name][0]
        if self.error is None:
            return [f"`{self.name}`", family, "-", "-", "-", "-", "nothing"]
        share = float_share(self.products)
        return [
            f"`{self.name}`",
            family,
            f"{self.error:.3f}",
            self._count(layers=True),
            self._count(layers=False),
            "none" if not share else f"{share:.1%}" if share >= 0.001 else "< 0.1%",
            "everything" if self.loads else "ranges",
        ]

    def _count(self, layers: bool) -> str:
        own = [product for product in self.products if (product.kind == "layer") == layers]
        return f"{sum(not product.reason for product in own)} of {len(own)}"

    def reasons(self) -> Iterator[str]:
        """What stays in float and why, one line per reason."""
        if self.refusal:
            yield self.refusal.rstrip(".")
        total = sum(product.multiply_adds for product in self.products)
        reasons = Counter(product.reason for product in self.products if product.reason)
        for reason, count in reasons.items():
            own = [product for product in self.products if product.reason == reason]
            share = sum(product.multiply_adds for product in own) / total
            names = f"`{own[0].name}`" + (f" and {count - 1} more" if count > 1 else "")
            yield f"{names} ({share:.2%}): {reason}"


@torch.no_grad()
def row(name: str) -> Row:
    """Convert a model with random weights and compare Q with P."""
    p = random_model(name)
    size = example_input(p).shape[-1]
    generator = torch.Generator().manual_seed(0)
    images = random_images(2 * IMAGES, size, generator)
    try:
        q = calibrated_q(p, QuantOptions(8, 8), MSE, images[:IMAGES])
    except ModelError as error:
        return Row(name, None, (), loads(name), str(error))
    expected = p(images[IMAGES:])
    error = float((q(images[IMAGES:]) - expected).norm() / expected.norm())
    return Row(name, error, tuple(products(q)), loads(name))


def loads(name: str) -> bool:
    """Whether `load_model` takes the architecture."""
    try:
        build(name)
    except ModelError:
        return False
    return True


@torch.no_grad()
def random_model(name: str) -> nn.Module:
    """The model with random weights; none is zero, as many of a new model are."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = timm.create_model(name, **NAMES[name][1])
        for key, value in model.named_parameters():
            if value.ndim == 1 and not key.endswith("bias"):
                nn.init.uniform_(value, 0.5, 1.5)
            elif not key.endswith(("logit_scale", "temperature")):
                nn.init.normal_(value, std=max(value[0].numel(), 16) ** -0.5)
    return model.eval().requires_grad_(False)


def random_images(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Random images [count,3,size,size], mean 0 and deviation 1, with amplitudes of 1 / frequency.

    That is the spectrum of photographs.
    """
    image, side = torch.zeros(count, 3, size, size), 2
    while side <= size:
        noise = torch.randn(count, 3, side, side, generator=generator)
        fine = functional.interpolate(noise, size=(size, size), mode="bilinear")
        image, side = image + fine / side, 2 * side
    return image / image.std()


def page(rows: list[Row]) -> str:
    """The whole page."""
    head = HEAD.format(count=len(rows), version=timm.__version__, images=IMAGES)
    table = "\n".join(f"| {' | '.join(one.cells())} |" for one in rows)
    notes = "\n".join(
        f"- `{one.name}`: {'; '.join(reasons)}." for one in rows if (reasons := [*one.reasons()])
    )
    return f"{head}{table}\n\n{NOTES}\n{notes}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args()
    rows = [row(name) for name in tqdm(NAMES, unit="model")]
    args.out.write_text(page(rows))
    quantized = sum(one.error is not None for one in rows)
    print(f"{quantized} of {len(rows)} are quantized; {args.out}")


if __name__ == "__main__":
    main()
