"""The terms of the synthesis loss, each a registered function of a `StepState`.

MaskAQ's loss is

    L_S = one-hot + TV + inter-head + lambda_fb * entropy + lambda_align * alignment

(Qian et al. 2026, Eq. 1, 2, 3, 10 and 14, summed in Eq. 15.) The paper and the code its authors
released differ in most of them; `reading` selects one:

    term         "paper"                                   "released"
    maps         attention probabilities                   logits, before the division by sqrt(d)
    tv           sum of squares, 2 directions, per image   L2 norms over the batch, 4 directions
    inter_head   1 - mean SSIM                             1 - mean SSIM^2
    entropy      all pairs of different patches            64 random patches, self-pairs included
    align        full maps, sum over blocks                class token's row, mean over blocks

Maps are averaged over the heads for `entropy` and `align`. A term has one value per image, [B], or
a single one, [], where the released code couples the batch.

`one_hot` is the loss of the model's task, in classification the cross-entropy to the label.
`patch_entropy` and `tv_target` come from PSAQ-ViT, `soft_label` and `attention_prior` from SARDFQ;
they have a single reading.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from maskaq.models.attention import Maps, heads_of_patches, windows_in
from maskaq.regions.mask import attention_to_patches, mean_over_stages
from maskaq.regions.similarity import gaussian_entropy, similarity_moments
from maskaq.registry import Registry
from maskaq.synthesis.terms.attention_prior import mixture_maps, prior_distance, sample_mixtures
from maskaq.synthesis.terms.head_similarity import head_similarity, mean_over_heads
from maskaq.synthesis.terms.multi_semantic import sample_peaks, soft_cross_entropy
from maskaq.synthesis.terms.patch_entropy import feature_entropy, sample_target, variation_gap
from maskaq.synthesis.terms.step_state import StepState

NEEDS_MAPS = ("inter_head", "entropy", "align", "patch_entropy", "attention_prior")
NEEDS_Q = ("align",)
SAMPLED_ROWS = 64  # patches per map in the released entropy

Objective = Callable[[StepState], Tensor]
OBJECTIVES: Registry[Objective] = Registry("objective")


def total_variation(images: Tensor, reading: str = "paper") -> Tensor:
    """Differences between neighbouring pixels of [B,3,S,S] (MaskAQ Eq. 2).

    Returns:
        `"paper"`: [B], squares summed over channels and pixels, downwards and across.
        `"released"`: [], the L2 norms over the whole batch of the differences in four directions,
        the two diagonal ones divided by sqrt(2).
    """
    down = images[..., 1:, :] - images[..., :-1, :]
    across = images[..., 1:] - images[..., :-1]
    if reading == "paper":
        return down.square().sum((1, 2, 3)) + across.square().sum((1, 2, 3))  # [B]
    falling = images[..., 1:, 1:] - images[..., :-1, :-1]
    rising = images[..., 1:, :-1] - images[..., :-1, 1:]
    straight = down.norm() + across.norm()
    total: Tensor = straight + (falling.norm() + rising.norm()) / 2**0.5  # []
    return total


def _average(values: list[Tensor], blocks: Sequence[Maps] | None) -> Tensor:
    """Mean of one value per image and block, or per window and block: [B] or [B*W] each -> [B].

    With windows first over those of an image, then over the blocks of each resolution, then over
    the resolutions.
    """
    windows = windows_in(blocks or ())
    if blocks is None or not windows:
        return torch.stack(values).mean(0)  # [B]
    by_image = [own.per_image(value) for own, value in zip(windows, values, strict=True)]  # [B]
    return mean_over_stages(by_image, blocks)


def inter_head(
    maps: list[Tensor], reading: str = "paper", blocks: Sequence[Maps] | None = None
) -> Tensor:
    """Dissimilarity between the maps of the heads (MaskAQ Eq. 3): per block [B,H,N,N] -> [B].

    0 if all heads agree. The released code squares the similarity, so that opposite heads count as
    similar.

    Args:
        blocks: what the maps were taken from, if attention is in windows.
    """
    found: dict[int, Tensor] = {}
    shapes = [block.shape for block in maps]
    for shape in dict.fromkeys(shapes):
        members = [index for index, own in enumerate(shapes) if own == shape]
        similarity = head_similarity([maps[index] for index in members])  # [L,B,N,H,H]
        if reading == "released":
            similarity = similarity.square()
        values = (1 - similarity).mean((2, 3, 4))  # [L,B]
        found |= dict(zip(members, values, strict=True))
    return _average([found[index] for index in range(len(maps))], blocks)


def similarity_entropy(
    maps: list[Tensor],
    generator: torch.Generator,
    reading: str = "paper",
    product_dtype: torch.dtype | None = None,
    blocks: Sequence[Maps] | None = None,
) -> Tensor:
    """Negative entropy of the similarities between patches (MaskAQ Eq. 10): -> [B].

    Args:
        maps: per block [B,N,N], one row per patch.
        generator: samples the rows of the released code if N is above 64.
        reading: `"paper"` uses all pairs of different rows; `"released"` all pairs, self-pairs
            included, of 64 random rows, other ones for each image and block.
        product_dtype: see `similarity_moments`.
        blocks: what the maps were taken from, if attention is in windows.
    """
    entropies = []
    for rows in maps:
        if reading == "released" and rows.shape[1] > SAMPLED_ROWS:
            order = torch.rand(rows.shape[:2], generator=generator, device=rows.device).argsort(-1)
            chosen = order[:, :SAMPLED_ROWS, None].expand(-1, -1, rows.shape[-1])
            rows = rows.gather(1, chosen)  # [B,64,N]
        variance = similarity_moments(rows, reading == "released", product_dtype)[1]  # [B]
        entropies.append(-gaussian_entropy(variance))
    return _average(entropies, blocks)


def alignment(
    maps_p: list[Tensor],
    maps_q: list[Tensor],
    masks: list[Tensor],
    reading: str = "paper",
    patches: int | None = None,
    blocks: Sequence[Maps] | None = None,
) -> Tensor:
    """Distance between the maps of P and Q inside the mask (MaskAQ Eq. 14): -> [B].

    The mask selects key patches, the columns of the maps; their sum is divided by its size.

    Args:
        maps_p, maps_q: per block, rows of queries averaged over the heads, [B,R,N]. In the paper's
            reading all patches are queries, in the released one only the class token, R = 1.
        masks: per block, bool [B,N].
        reading: `"paper"` sums over the blocks, `"released"` averages.
        patches: number of queries that the rows represent, R by default.
        blocks: what the maps were taken from, if attention is in windows; a row then has the
            attention of one query of each window.
    """
    distances = []
    for p, q, mask in zip(maps_p, maps_q, masks, strict=True):
        row_weight = (patches or p.shape[1]) / p.shape[1]
        # Patch dropping may have dropped every patch of the mask.
        weight = row_weight * mask / mask.sum(-1, keepdim=True).clamp(min=1e-6)  # [B,N]
        distances.append(((p - q).abs().sum(1) * weight).sum(-1))  # [B]
    if blocks is not None and windows_in(blocks):
        mean = mean_over_stages(distances, blocks)  # [B]
        return mean if reading == "released" else len(distances) * mean
    total = torch.stack(distances)  # [L,B]
    return total.mean(0) if reading == "released" else total.sum(0)


@OBJECTIVES.register("one_hot")
def _one_hot(state: StepState) -> Tensor:
    assert state.logits is not None, "the batch runs P in every step"
    return state.task.target_loss(state.logits, state.labels)


@OBJECTIVES.register("tv")
def _tv(state: StepState) -> Tensor:
    return total_variation(state.images, state.reading)


@OBJECTIVES.register("inter_head")
def _inter_head(state: StepState) -> Tensor:
    return inter_head(state.patch_maps, state.reading, state.maps_p)


@OBJECTIVES.register("entropy")
def _entropy(state: StepState) -> Tensor:
    return similarity_entropy(
        state.mean_maps, state.generator, state.reading, state.product_dtype, state.maps_p
    )


@OBJECTIVES.register("align")
def _align(state: StepState) -> Tensor:
    assert state.maps_p is not None, "the batch records maps whenever a term needs them"
    prefix, patches = state.prefix, None
    if state.reading == "released" and prefix:
        rows_p, rows_q = (
            [full[:, :, :1, prefix:].mean(1) for full in state.attention(maps)]  # [B,1,N]
            for maps in (state.maps_p, state.maps_q)
        )
    else:
        rows_p = state.mean_maps  # [B,R,N]
        rows_q = [mean_over_heads(maps) for maps in state.between_patches(state.maps_q)]
        patches = None if state.mask is None or state.windowed else state.mask.shape[-1]
    if windows := windows_in(state.maps_p):
        rows_p, rows_q = (
            [own.undo(rows) for own, rows in zip(windows, both, strict=True)]  # [B,T,N]
            for both in (rows_p, rows_q)
        )
    masks, blocks = state.masks(rows_p), state.maps_p
    total = alignment(rows_p, rows_q, masks, state.reading, patches, blocks)
    return total if state.reading == "released" else state.block_weight * total


@OBJECTIVES.register("patch_entropy")
def _patch_entropy(state: StepState) -> Tensor:
    assert state.maps_p is not None, "the batch records maps whenever a term needs them"
    total = torch.zeros(len(state.images), device=state.images.device)
    for block in state.maps_p:
        features = heads_of_patches(block, state.prefix).float().mean(1)  # [B,N,d]
        total = total - feature_entropy(features)  # [B]
    return state.block_weight * total


@OBJECTIVES.register("tv_target")
def _tv_target(state: StepState) -> Tensor:
    target = state.constants("tv_target", sample_target)  # []
    return variation_gap(state.images, target, state.pixel_std)


@OBJECTIVES.register("attention_prior")
def _attention_prior(state: StepState) -> Tensor:
    assert state.maps_p is not None, "the batch records maps whenever a term needs them"
    blocks, images = state.blocks or len(state.maps_p), len(state.images)
    heads = max(block.probs.shape[1] for block in state.maps_p)
    mixtures = state.constants(
        "attention_prior", lambda generator: sample_mixtures((blocks, images, heads), generator)
    )
    total = torch.zeros(images, device=state.images.device)
    for depth, block in zip(state.depths or range(blocks), state.maps_p, strict=True):
        number = depth + 1  # the paper counts from 1
        if 2 * number < blocks:
            continue
        grid = state.grid if block.windows is None else block.windows.grid
        rows = attention_to_patches(block, state.prefix).float()  # [B,H,N]
        prior = mixture_maps(mixtures.at(depth), grid)[:, : rows.shape[1]]  # [B,H,N]
        if rows.shape[-1] < prior.shape[-1] and state.kept is not None:
            prior = prior.gather(2, state.kept[:, None].expand(-1, heads, -1))  # [B,H,k]
        total = total + number / blocks * prior_distance(rows, prior)  # [B]
    if state.uncropped is not None:  # the priors are for uncropped images
        total = total * state.uncropped
    return state.block_weight * total


@OBJECTIVES.register("soft_label")
def _soft_label(state: StepState) -> Tensor:
    assert state.logits is not None, "the batch runs P in every step"
    peaks = state.constants(
        "soft_label", lambda generator: sample_peaks(len(state.labels), generator)
    )
    return soft_cross_entropy(state.logits, state.labels, peaks)
