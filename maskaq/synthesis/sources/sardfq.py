"""SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553): attention priors, several meanings.

    L = alpha_1 L_APA + L_SL + 0.05 L_TV

The authors' code was not looked at. See `attention_prior` for L_APA and `semantics` for L_SL
and the crops, and for what is our reading in them. alpha_1, which the paper searches per model from
1 to 1e5, is fixed: 0.01 here is 0.01 N^2 there, as maps are counted in multiples of 1/N. L_TV are
the L2 norms of MaskAQ's released code over the batch: beside 0.05 times a sum of squares, no other
term would count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.config.components import coefficients_of
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import Samples, optimise_images
from maskaq.synthesis.sources.base import Calibration

MAX_CROPS = 4  # crops of an image, at most


def synthesize(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Attention after random patterns, crops with classes of their own (SARDFQ, ICCV 2025)."""
    own = replace(options, source="sardfq", reading="released")
    own = replace(own, coefficients=coefficients_of(own))
    return optimise_images(loaded, own, **how, meanings=MAX_CROPS)
