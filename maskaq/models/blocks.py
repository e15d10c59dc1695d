"""Which modules are the blocks of a body, and which lie between them, by dotted names."""

from collections.abc import Collection, Iterator


def blocks_in(attention: Collection[str], layers: Collection[str]) -> set[str]:
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


def between(layers: Collection[str], blocks: Collection[str]) -> Iterator[str]:
    """The largest modules with layers of the body that are in no block, such as patch merging.

    >>> list(between(["stage.merge.reduction"], {"stage.blocks.0"}))
    ['stage.merge']
    """
    for layer in layers:
        if any(layer.startswith(f"{block}.") for block in blocks):
            continue
        module = layer
        while True:
            above = module.rpartition(".")[0]
            if not above or any(f"{block}.".startswith(f"{above}.") for block in blocks):
                break
            module = above
        yield module
