"""SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553): attention priors, multi-semantic images.

    L = alpha_1 L_APA + L_SL + 0.05 L_TV

Written from the paper, without its code. `terms.attention_prior` defines L_APA and
`terms.multi_semantic` L_SL and the crops; both say what is our reading. alpha_1, which the paper
searches per model from 1 to 1e5, is fixed: 0.01 here is 0.01 N^2 there, as maps are in units of
1/N. L_TV is the L2 norms over the batch of MaskAQ's released code: 0.05 times a sum of squares
would outweigh all other terms.
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

MAX_CROPS = 4  # per image


def synthesize(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Optimise for random attention patterns and crops with their own classes."""
    own = replace(options, source="sardfq", reading="released")
    own = replace(own, coefficients=coefficients_of(own))
    return optimise_images(loaded, own, **how, max_crops=MAX_CROPS)
