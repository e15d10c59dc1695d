"""What images are drawn by."""

from maskaq.formulas.formula import MASKAQ, add

_PSAQ = "PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250)"
_SARDFQ = "SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553)"

add(
    "one_hot",
    r"L_{\mathrm{OH}} = \mathrm{CE}(z_p, y)",
    "Cross-entropy: P shall see the class y in the image.",
    MASKAQ,
    "Eq. 1",
)

add(
    "tv",
    r"L_{\mathrm{TV}} = \sum_{h,w} (x_{h,w} - x_{h+1,w})^2 + (x_{h,w} - x_{h,w+1})^2",
    "Total variation: neighbouring pixels shall be alike.",
    MASKAQ,
    "Eq. 2",
)

add(
    "inter_head",
    r"L_{\mathrm{IH}} = \frac{1}{L N} \sum_{l,n} \left( 1 - \frac{1}{H^2} \sum_{i,j} "
    r"\mathrm{SSIM}(A_{l,i,n}, A_{l,j,n}) \right)",
    "The heads of a block shall look at alike places: for every query patch n their maps are "
    "compared by structural similarity. Taken over from MimiQ.",
    MASKAQ,
    "Eq. 3",
)

add(
    "entropy",
    r"L_{\mathrm{fb}} = -\frac{1}{L} \sum_l H_l",
    "Higher similarity entropy: foreground and background shall come apart.",
    MASKAQ,
    "Eq. 10",
)

add(
    "align",
    r"L_{\mathrm{align}} = \sum_l \frac{\lVert m' \odot (A_l^p - A_l^q) \rVert_1}"
    r"{\lVert m' \rVert_0}",
    "Q's attention shall follow P's inside the mask m'.",
    MASKAQ,
    "Eq. 14",
)

add(
    "patch_entropy",
    r"L_{\mathrm{PSE}} = \sum_l \int (p_l + \epsilon) \log (p_l + \epsilon)\, ds, \qquad S_{ij} = "
    r"\cos(f_i, f_j), \qquad f = \frac{1}{H} \sum_h A_h V_h",
    "The features f of the patches shall be alike in many different ways: p_l is the kernel "
    "density of their similarities S in block l, epsilon 0.0001.",
    _PSAQ + " and its released code",
)

add(
    "tv_target",
    r"L_{\mathrm{TV}} = \left| \mathrm{TV}(x) - v \right|, \qquad v \sim U(2500, 3000)",
    "Neighbouring pixels shall differ as much as a target says, which is scaled to the size of the "
    "images. TV sums the lengths of their differences in four directions.",
    _PSAQ + " and its released code",
)

add(
    "soft_label",
    r"L_{\mathrm{SL}} = \mathrm{CE}(z_p, \mathrm{softmax}(Z)), \qquad Z_y \sim U(5, 10)",
    "P shall see the class y in the image or crop, but not be too sure. That Z is 0 for the other "
    "classes is our reading.",
    _SARDFQ,
)

add(
    "attention_prior",
    r"L_{\mathrm{APA}} = \sum_{l \ge L/2} \frac{l}{L} \sum_h \mathrm{MSE}(A^c_{l,h}, G_{l,h})",
    "What the class token pays to each patch, A^c, shall follow a random mixture of Gaussians G on "
    "the patch grid.",
    _SARDFQ,
)

add(
    "synthesis",
    r"L_S = L_{\mathrm{prior}} + \lambda_{\mathrm{fb}} L_{\mathrm{fb}} + "
    r"\lambda_{\mathrm{align}} L_{\mathrm{align}}",
    "What synthesis minimises, by changing the image only. L_prior is the weighted sum of Eq. 1, "
    "2 and 3.",
    MASKAQ,
    "Eq. 15",
)
