"""Dense models of the library transformers: segmentation and detection, on images of one size.

`load_dense` wraps them so that all else can treat them as it treats timm's backbones. transformers
is optional and only imported when a model is loaded.

    model     architecture in transformers       task          attention
    SegFormer SegformerForSemanticSegmentation   segmentation  fewer keys than queries, in stages
    UPerNet   UperNetForSemanticSegmentation     segmentation  Swin: shifted windows, in stages
                                                               BEiT, DINOv2: all tokens
    DPT       DPTForSemanticSegmentation         segmentation  all tokens
    YOLOS     YolosForObjectDetection            detection     all tokens, detection tokens too

Every Linear and Conv2d that a model calls is quantized, and both products of its attention.
Transposed convolutions (in DPT, and in BEiT with its feature pyramid) stay in float, and the census
names them. What else works with which model:

                                          SegFormer  UPerNet+Swin  UPerNet+ViT  DPT  YOLOS
    minmax, mse, tails, repq, adalog      yes        yes           yes          yes  yes
    lsq-kd                                yes        yes           yes          yes  yes
    reconstruct                           no         no            yes          no   no
    correction                            no         no            no           no   no
    attention maps, informative region    yes        yes           yes          yes  yes
    terms one_hot and tv, noise, real     yes        yes           yes          yes  yes
    terms of the maps, alignment          yes        yes           yes          yes  yes
    their reading "released"              no         no            yes          yes  no
    savings.queries below 1               no         no            yes          yes  no
    savings.coarse, savings.patches       no         no            no           no   no
    attention rollout                     no         yes           yes          yes  yes

"No" means an `OptionError` or a `ModelError`. `reconstruct` needs blocks that form a chain
(`units_of`), `correction` the blocks of timm. Which attention counts in the informative region:

- DPT, UPerNet with a ViT: the mean over the patches, which the heads read.
- Swin: the mean over the queries of a patch's window. Windows are undone, padding is left out.
- SegFormer: the mean over all queries. A key stands for a square of tokens, which share its weight
  equally. All stages are brought to the grid of the first one.
- YOLOS: the mean over all queries, which are the class token, the patches and the detection tokens.
  Keys other than patches are left out.
"""

from maskaq.models.dense_transformers.loading import load_dense

__all__ = ["load_dense"]
