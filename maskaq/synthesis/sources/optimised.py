"""The sources that optimise images through P: what each method changes in the options of the loop.

maskaq: all terms of the options (Qian et al. 2026).

mimiq: without similarity entropy and alignment (Choi et al. 2025, which MaskAQ extends).

psaq: PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250), diverse similarities between patches.

    L = CE(z, y) - sum over blocks of H + 0.05 |TV(x) - v|

H is the entropy of the similarities between patch features; see `terms.patch_entropy`, also for
TV and v. The release optimises pixels in two rounds of 500 steps, each with its own learning rate
that warms up and decays; here there is one round, with the schedule that all sources share and the
views and parametrisation of the options. TV is that of the images, not of their views.

sardfq: SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553), attention priors and several classes.

    L = alpha_1 L_APA + L_SL + 0.05 L_TV

Written from the paper, without its code. `terms.attention_prior` defines L_APA and
`terms.multi_semantic` L_SL and the crops; both say what is our reading. alpha_1, which the paper
searches per model from 1 to 1e5, is fixed: 0.01 here is 0.01 N^2 there, as maps are in units of
1/N. L_TV is the L2 norms over the batch of MaskAQ's released code: 0.05 times a sum of squares
would outweigh all other terms.

e2h: DFQ-ViT (Tong et al., arXiv 2507.14481), from easy to hard. Only the idea and its purpose are
public, a better balance of global and local features, but no losses, no definition of difficulty
and no schedule. This is our reading: a curriculum that first fits whole images, then smaller and
smaller random crops resized to the full input, each with the image's label, so that the images get
their global layout before their details. The terms are cross-entropy to the label and, as in MimiQ,
total variation.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.config.components import coefficients_of
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import Samples, optimise_images
from maskaq.synthesis.sources.base import Calibration, Source

MAX_CROPS = 4  # per image, of SARDFQ


def _optimised(
    change: Callable[[SynthesisOptions], SynthesisOptions], max_crops: int = 0
) -> Source:
    def synthesize(
        loaded: LoadedModel,
        options: SynthesisOptions,
        *,
        calibration: Calibration | None = None,
        **how: Any,
    ) -> Iterator[Event | Samples]:
        return optimise_images(loaded, change(options), **how, max_crops=max_crops)

    return synthesize


def _all_terms(options: SynthesisOptions) -> SynthesisOptions:
    return options


def _without_q(options: SynthesisOptions) -> SynthesisOptions:
    return replace(options, coefficients=replace(options.coefficients, entropy=0.0, align=0.0))


def _own_terms(source: str, **changes: Any) -> Callable[[SynthesisOptions], SynthesisOptions]:
    def change(options: SynthesisOptions) -> SynthesisOptions:
        own = replace(options, source=source, **changes)
        return replace(own, coefficients=coefficients_of(own))

    return change


maskaq = _optimised(_all_terms)
mimiq = _optimised(_without_q)
psaq = _optimised(_own_terms("psaq"))
sardfq = _optimised(_own_terms("sardfq", reading="released"), MAX_CROPS)
e2h = _optimised(_own_terms("e2h", augmentation="easy-to-hard"))
