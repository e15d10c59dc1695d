"""The formulas that stand beside what they define, each with its paper and equation.

Symbols follow `MASKAQ`; where its print has a slip, `meaning` says so. LaTeX for KaTeX, without
dollar signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from maskaq.registry import Registry

__all__ = ["FORMULAS", "MASKAQ", "OF_BACKEND", "Formula"]

MASKAQ = "MaskAQ (Qian et al., ICML 2026, arXiv 2606.04373)"
_PSAQ = "PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250)"
_SARDFQ = "SARDFQ (Zhong et al., ICCV 2025, arXiv 2412.16553)"
_LSQ = "LSQ (Esser et al., ICLR 2020, arXiv 1902.08153)"
_REPQ = "RepQ-ViT (Li et al., ICCV 2023, arXiv 2212.08254)"
_ADALOG = "AdaLog (Wu et al., ECCV 2024, arXiv 2407.12951)"
_ATTENTION = "Attention Is All You Need (Vaswani et al., NeurIPS 2017, arXiv 1706.03762)"
_QUAROT = "QuaRot (Ashkboos et al., NeurIPS 2024, arXiv 2404.00456)"
_GPTQ = "GPTQ (Frantar et al., ICLR 2023, arXiv 2210.17323)"
_ADAROUND = "AdaRound (Nagel et al., ICML 2020, arXiv 2004.10568)"
_WILSON = "Wilson, Journal of the American Statistical Association 22, 1927"
_SILVERMAN = "Silverman, Density Estimation, 1986"


@dataclass(frozen=True)
class Formula:
    """One formula. latex: for KaTeX. meaning: its symbols in words. paper, equation: where from.

    equation: `Eq. 5` and the like; "" where the source does not number it.
    """

    latex: str
    meaning: str
    paper: str
    equation: str = ""

    @property
    def source(self) -> str:
        """Paper and equation in one line."""
        return f"{self.paper}, {self.equation}" if self.equation else self.paper


FORMULAS: Registry[Formula] = Registry("formula")


def _add(name: str, latex: str, meaning: str, paper: str, equation: str = "") -> None:
    FORMULAS.register(name)(Formula(latex, meaning, paper, equation))


_add(
    "quantization",
    r"c = \mathrm{clip}\left(\left\lfloor \tfrac{x}{s} \right\rceil + z,\; q_{\min},\; "
    r"q_{\max}\right), \qquad \hat{x} = s\,(c - z)",
    "A value x becomes the code c, an integer of b bits, and comes back as x_hat. s is the step "
    "between two levels, z the code of zero. Signed codes run from -2^(b-1) to 2^(b-1)-1, unsigned "
    "ones from 0 to 2^b-1. The paper writes the step as its inverse and z with the other sign.",
    MASKAQ,
    "Eq. 26",
)
_add(
    "minmax",
    r"s = \frac{\max(x) - \min(x)}{2^b - 1}, \quad z = \left\lfloor -\tfrac{\min(x)}{s} "
    r"\right\rceil; \qquad \text{symmetric: } s = \frac{2 \max|x|}{2^b - 1},\; z = 0",
    "The range that clips nothing. One large value makes the step large for all the others.",
    "the weights of MaskAQ's released code; common practice",
)
_add(
    "mse",
    r"s^{*} = \arg\min_{\gamma} \sum_i \left( x_i - \hat{x}_i(\gamma) \right)^2",
    "The range is min-max shrunk by gamma; the gamma with the least squared error wins, though it "
    "clips some values.",
    "common practice, among others in RepQ-ViT's released code",
)
_add(
    "log-sqrt2",
    r"c = \mathrm{clip}\left(\left\lfloor -2 \log_2 \tfrac{x}{\delta} \right\rceil,\; 0,\; "
    r"2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-c/2}",
    "Levels in half octaves below delta, for softmax outputs, which are mostly tiny. Here the last "
    "code stands for 0.",
    _REPQ,
)
_add(
    "adaptive-log",
    r"c = \mathrm{clip}\left(\left\lfloor -\tfrac{1}{t} \log_2 \tfrac{x + 0.17}{\delta} "
    r"\right\rceil,\; 0,\; 2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-t c} - 0.17",
    "A logarithmic grid whose base 2^t is searched, shifted by 0.17 because GELU is never below "
    "-0.17. Here the last code stands for -0.17. Written after the paper's idea, not its code.",
    _ADALOG,
)
_add(
    "lsq",
    r"\frac{\partial \hat{x}}{\partial s} = \begin{cases} \left\lfloor \tfrac{x}{s} \right\rceil "
    r"- \tfrac{x}{s} & q_{\min} < \tfrac{x}{s} < q_{\max} \\ q_{\min} \text{ or } q_{\max} & "
    r"\text{otherwise} \end{cases}, \qquad s_0 = \frac{2\,\overline{|x|}}{\sqrt{q_{\max}}}",
    "The step is learned by gradient descent: rounding is passed straight through. s_0 is where it "
    "starts; this library starts Q from a searched range instead.",
    _LSQ,
    "Eq. 3",
)
_add(
    "sqnr",
    r"\mathrm{SQNR} = 10 \log_{10} \frac{\sum_i x_i^2}{\sum_i (x_i - \hat{x}_i)^2}",
    "Power of the signal over power of the error, in dB. 6 dB more: errors half as large.",
    "common definition in signal processing",
)
_add(
    "attention",
    r"A = \mathrm{softmax}\left(\frac{Q K^{\top}}{\sqrt{d}}\right), \qquad h = A V",
    "Each row of A says how much one token takes from every other token; it sums to 1. d is the "
    "width of a head. Q here are the queries, not the quantized model.",
    _ATTENTION,
    "Eq. 1",
)
_add(
    "patch similarity",
    r"S_{ij} = \frac{\langle a_i, a_j \rangle}{\lVert a_i \rVert\, \lVert a_j \rVert}",
    "Cosine of the attention rows of patches i and j: 1 where both look at the same places.",
    MASKAQ,
    "Eq. 5",
)
_add(
    "similarity entropy",
    r"H(p_l) = -\sum_k p_l(s_k) \log p_l(s_k)",
    "Entropy of the distribution of the similarities of different patches in block l. High entropy "
    "means that patches differ from each other in many ways.",
    MASKAQ,
    "Eq. 6",
)
_add(
    "differential entropy",
    r"H_l = \tfrac{1}{2} \log\left( 2 \pi e\, \sigma_l^2 \right), \qquad \sigma_l^2 = \frac{1}{M} "
    r"\sum_{i \ne j} (S_{ij} - \mu_l)^2, \qquad \mu_l = \frac{1}{M} \sum_{i \ne j} S_{ij}",
    "The same for a Gaussian of equal variance, in nats, over M = N(N-1) pairs: smooth, no bins.",
    MASKAQ,
    "Eq. 8 to 10",
)
_add(
    "kernel density",
    r"p(s) = \frac{1}{M h} \sum_m \varphi\left(\frac{s - s_m}{h}\right), \qquad "
    r"h = 1.06\, \sigma\, M^{-1/5}",
    "The density without assuming a Gaussian: a small bell phi on every similarity.",
    _SILVERMAN,
    "Eq. 3.28",
)
_add(
    "informative region",
    r"\mathrm{IR}(x) = \{ x_n : \alpha_n \ge \alpha_{[k]} \}",
    "The k patches of largest attention alpha; alpha_[k] is the k-th largest of all.",
    MASKAQ,
    "Eq. 4",
)
_add(
    "informative mask",
    r"m_n = \begin{cases} 1 & \alpha_n \ge \alpha_{[k]} \\ 0 & \text{otherwise} \end{cases}, "
    r"\qquad k_{\mathrm{keep}} = \max\left(k_{\min}, \lfloor |S_m| (1 - p_{\mathrm{drop}}) "
    r"\rfloor\right)",
    "The same as a mask; in every step of synthesis a random part of it is dropped, so that the "
    "images do not come to depend on one fixed set.",
    MASKAQ,
    "Eq. 11 to 13",
)
_add(
    "ratio schedule",
    r"r_i = r_{\text{start}} \left(1 - \tfrac{i}{I}\right) + r_{\text{end}} \tfrac{i}{I}, \qquad "
    r"k_i = \max(1, \lfloor r_i N \rfloor)",
    "The mask narrows linearly over the I steps of synthesis, in the paper from 50 % to 10 % of "
    "the N patches. That it is linear is known from the released code.",
    MASKAQ + " and its released code",
)
_add(
    "overlap",
    r"\text{precision} = \frac{|m \cap f|}{|m|}, \quad \text{recall} = \frac{|m \cap f|}{|f|}, "
    r"\quad \mathrm{IoU} = \frac{|m \cap f|}{|m \cup f|}",
    "How the mask m meets the true foreground f, both as sets of patches.",
    "common definitions",
)
_add(
    "one_hot",
    r"L_{\mathrm{OH}} = \mathrm{CE}(z_p, y)",
    "Cross-entropy: P shall see the class y in the image.",
    MASKAQ,
    "Eq. 1",
)
_add(
    "tv",
    r"L_{\mathrm{TV}} = \sum_{h,w} (x_{h,w} - x_{h+1,w})^2 + (x_{h,w} - x_{h,w+1})^2",
    "Total variation: neighbouring pixels shall be alike.",
    MASKAQ,
    "Eq. 2",
)
_add(
    "inter_head",
    r"L_{\mathrm{IH}} = \frac{1}{L N} \sum_{l,n} \left( 1 - \frac{1}{H^2} \sum_{i,j} "
    r"\mathrm{SSIM}(A_{l,i,n}, A_{l,j,n}) \right)",
    "The heads of a block shall look at alike places: for every query patch n their maps are "
    "compared by structural similarity. Taken over from MimiQ.",
    MASKAQ,
    "Eq. 3",
)
_add(
    "entropy",
    r"L_{\mathrm{fb}} = -\frac{1}{L} \sum_l H_l",
    "Higher similarity entropy: foreground and background shall come apart.",
    MASKAQ,
    "Eq. 10",
)
_add(
    "align",
    r"L_{\mathrm{align}} = \sum_l \frac{\lVert m' \odot (A_l^p - A_l^q) \rVert_1}"
    r"{\lVert m' \rVert_0}",
    "Q's attention shall follow P's inside the mask m'.",
    MASKAQ,
    "Eq. 14",
)
_add(
    "patch_entropy",
    r"L_{\mathrm{PSE}} = \sum_l \int (p_l + \epsilon) \log (p_l + \epsilon)\, ds, \qquad S_{ij} = "
    r"\cos(f_i, f_j), \qquad f = \frac{1}{H} \sum_h A_h V_h",
    "The features f of the patches shall be alike in many different ways: p_l is the kernel "
    "density of their similarities S in block l, epsilon 0.0001.",
    _PSAQ + " and its released code",
)
_add(
    "tv_target",
    r"L_{\mathrm{TV}} = \left| \mathrm{TV}(x) - v \right|, \qquad v \sim U(2500, 3000)",
    "Neighbouring pixels shall differ as much as a target says, which is scaled to the size of the "
    "images. TV sums the lengths of their differences in four directions.",
    _PSAQ + " and its released code",
)
_add(
    "soft_label",
    r"L_{\mathrm{SL}} = \mathrm{CE}(z_p, \mathrm{softmax}(Z)), \qquad Z_y \sim U(5, 10)",
    "P shall see the class y in the image or crop, but not be too sure. That Z is 0 for the other "
    "classes is our reading.",
    _SARDFQ,
)
_add(
    "attention_prior",
    r"L_{\mathrm{APA}} = \sum_{l \ge L/2} \frac{l}{L} \sum_h \mathrm{MSE}(A^c_{l,h}, G_{l,h})",
    "What the class token pays to each patch, A^c, shall follow a random mixture of Gaussians G on "
    "the patch grid.",
    _SARDFQ,
)
_add(
    "synthesis",
    r"L_S = L_{\mathrm{prior}} + \lambda_{\mathrm{fb}} L_{\mathrm{fb}} + "
    r"\lambda_{\mathrm{align}} L_{\mathrm{align}}",
    "What synthesis minimises, by changing the image only. L_prior is the weighted sum of Eq. 1, "
    "2 and 3.",
    MASKAQ,
    "Eq. 15",
)
_add(
    "calibration",
    r"L_Q = \frac{1}{L H} \sum_{l,h} \frac{\sum_n w_{l,n}\, D(h^p_{l,h,n}, h^q_{l,h,n})}"
    r"{\sum_n w_{l,n}}, \qquad w_l = 1 + m^c_l (w - 1)",
    "What fitting Q minimises: the distance D of Q's head outputs from P's, informative tokens "
    "weighted w times.",
    MASKAQ,
    "Eq. 16",
)
_add(
    "rotation",
    r"q k^\top = (R q)(R k)^\top, \qquad W_o\, (A v) = (W_o R^\top)(A R v)",
    "Queries, keys and values of each head are turned by an orthogonal matrix R, which is put into "
    "the weights around them: P computes the same, but all channels of a head look alike and one "
    "step fits them.",
    _QUAROT,
)
_add(
    "gptq",
    r"w \leftarrow w - \frac{w_j - \hat{w}_j}{[H^{-1}]_{jj}}\, [H^{-1}]_{j,:}, \qquad "
    r"H = \mathrm{cov}(x)",
    "Weights are rounded one input after the other. What rounding w_j lost, the weights that are "
    "still free make up for, as far as their inputs x move with the j-th. That H is taken about "
    "the mean, with the bias making up for the rest, is ours.",
    _GPTQ,
    "Eq. 2",
)
_add(
    "reconstruction",
    r"L_B = \frac{1}{T C} \sum_{t,c} m_t\, g_{t,c} \left(y^p_{t,c} - y^q_{t,c}\right)^2 + "
    r"\lambda \sum_i \left(1 - \lvert 2 h_i - 1 \rvert^\beta\right)",
    "What one block of Q keeps small as it learns: how far its output y is from that of P's block. "
    "g is how much P's answer depends on it, m is larger on informative tokens; the second sum "
    "draws each weight's rounding h to 0, down, or 1, up.",
    _ADAROUND + ", with the blocks and weights of BRECQ (Li et al., ICLR 2021)",
)
_add(
    "wilson",
    r"\frac{1}{1 + z^2/n} \left( \hat{p} + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat{p}(1-\hat{p})}{n} "
    r"+ \frac{z^2}{4 n^2}} \right), \qquad z = 1.96",
    "95 % interval of a share p_hat measured on n images. It stays within 0 to 1 and holds for "
    "small n.",
    _WILSON,
)

# What a back-end does beyond setting ranges, in the order in which it does it.
OF_BACKEND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"lsq-kd": ("calibration",), "reconstruct": ("rotation", "gptq", "reconstruction")}
)
