"""Which modules of a backbone are its blocks, from the names of what computes in it."""

from collections.abc import Iterable, Iterator


def blocks_in(attention: Iterable[str], layers: Iterable[str]) -> set[str]:
    """The smallest modules that contain an attention module and further layers.

    >>> sorted(blocks_in(["blocks.0.attn"], ["blocks.0.attn.qkv", "blocks.0.mlp.fc1", "head"]))
    ['blocks.0']
    """
    found = set()
    for name in attention:
        outside = [layer for layer in layers if not layer.startswith(f"{name}.")]
        block = name
        while block and not any(layer.startswith(f"{block}.") for layer in outside):
            block = block.rpartition(".")[0]
        found.add(block)
    return {one for one in found if one and not any(o.startswith(f"{one}.") for o in found)}


def between_blocks(layers: Iterable[str], blocks: set[str]) -> Iterator[str]:
    """The largest modules around layers that are in no block, such as those that merge patches.

    >>> list(between_blocks(["stage.merge.reduction"], {"stage.blocks.0"}))
    ['stage.merge']
    """
    for name in layers:
        if any(name.startswith(f"{block}.") for block in blocks):
            continue
        module = name
        while True:
            above = module.rpartition(".")[0]
            if not above or any(f"{block}.".startswith(f"{above}.") for block in blocks):
                break
            module = above
        yield module
