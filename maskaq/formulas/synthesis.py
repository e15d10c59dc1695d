"""The losses of image synthesis."""

from maskaq.formulas.formula import MASKAQ, add

_PSAQ = "PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250)"
_SARDFQ = "SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553)"

add(
    "one_hot",
    r"L_{\mathrm{OH}} = \mathrm{CE}(z_p, y)",
    "Cross-entropy: P should classify the image as y.",
    MASKAQ,
    "Eq. 1",
)

add(
    "tv",
    r"L_{\mathrm{TV}} = \sum_{h,w} (x_{h,w} - x_{h+1,w})^2 + (x_{h,w} - x_{h,w+1})^2",
    "Total variation: neighbouring pixels should be similar.",
    MASKAQ,
    "Eq. 2",
)

add(
    "inter_head",
    r"L_{\mathrm{IH}} = \frac{1}{L N} \sum_{l,n} \left( 1 - \frac{1}{H^2} \sum_{i,j} "
    r"\mathrm{SSIM}(A_{l,i,n}, A_{l,j,n}) \right)",
    "The heads of a block should attend to similar places: for every query patch n their maps are "
    "compared by structural similarity. Adopted from MimiQ.",
    MASKAQ,
    "Eq. 3",
)

add(
    "entropy",
    r"L_{\mathrm{fb}} = -\frac{1}{L} \sum_l H_l",
    "The similarity entropy should be high: foreground and background should differ.",
    MASKAQ,
    "Eq. 10",
)

add(
    "align",
    r"L_{\mathrm{align}} = \sum_l \frac{\lVert m' \odot (A_l^p - A_l^q) \rVert_1}"
    r"{\lVert m' \rVert_0}",
    "Q's attention should match P's inside the mask m'.",
    MASKAQ,
    "Eq. 14",
)

add(
    "patch_entropy",
    r"L_{\mathrm{PSE}} = \sum_l \int (p_l + \epsilon) \log (p_l + \epsilon)\, ds, \qquad S_{ij} = "
    r"\cos(f_i, f_j), \qquad f = \frac{1}{H} \sum_h A_h V_h",
    "The similarities S between the features f of patches should be diverse: p_l is their kernel "
    "density in block l, epsilon is 0.0001.",
    _PSAQ + " and its released code",
)

add(
    "tv_target",
    r"L_{\mathrm{TV}} = \left| \mathrm{TV}(x) - v \right|, \qquad v \sim U(2500, 3000)",
    "The total variation should match a random target v, scaled to the image size. TV sums the L2 "
    "norms of the pixel differences in four directions.",
    _PSAQ + " and its released code",
)

add(
    "soft_label",
    r"L_{\mathrm{SL}} = \mathrm{CE}(z_p, \mathrm{softmax}(Z)), \qquad Z_y \sim U(5, 10)",
    "P should classify the image or crop as y, but not with full confidence. That Z is 0 for the "
    "other classes is our reading.",
    _SARDFQ,
)

add(
    "attention_prior",
    r"L_{\mathrm{APA}} = \sum_{l \ge L/2} \frac{l}{L} \sum_h \mathrm{MSE}(A^c_{l,h}, G_{l,h})",
    "The attention of the class token to each patch, A^c, should follow a random mixture of "
    "Gaussians G on the patch grid.",
    _SARDFQ,
)

add(
    "synthesis",
    r"L_S = L_{\mathrm{prior}} + \lambda_{\mathrm{fb}} L_{\mathrm{fb}} + "
    r"\lambda_{\mathrm{align}} L_{\mathrm{align}}",
    "The loss that synthesis minimises by changing only the image. L_prior is the weighted sum of "
    "Eq. 1, 2 and 3.",
    MASKAQ,
    "Eq. 15",
)
