"""Attention, similarity between patches, and the informative region."""

from maskaq.formulas.formula import MASKAQ, add

_ATTENTION = "Attention Is All You Need (Vaswani et al., NeurIPS 2017, arXiv 1706.03762)"
_SILVERMAN = "Silverman, Density Estimation, 1986"

add(
    "attention",
    r"A = \mathrm{softmax}\left(\frac{Q K^{\top}}{\sqrt{d}}\right), \qquad h = A V",
    "Each row of A is how much one token attends to every other token; it sums to 1. d is the "
    "width of a head. Q are the queries here, not the quantized model.",
    _ATTENTION,
    "Eq. 1",
)

add(
    "patch similarity",
    r"S_{ij} = \frac{\langle a_i, a_j \rangle}{\lVert a_i \rVert\, \lVert a_j \rVert}",
    "Cosine similarity of the attention rows of patches i and j: 1 if both attend to the same "
    "places.",
    MASKAQ,
    "Eq. 5",
)

add(
    "similarity entropy",
    r"H(p_l) = -\sum_k p_l(s_k) \log p_l(s_k)",
    "Entropy of the distribution of the similarities between different patches in block l. High "
    "entropy means that patches differ from each other in many ways.",
    MASKAQ,
    "Eq. 6",
)

add(
    "differential entropy",
    r"H_l = \tfrac{1}{2} \log\left( 2 \pi e\, \sigma_l^2 \right), \qquad \sigma_l^2 = \frac{1}{M} "
    r"\sum_{i \ne j} (S_{ij} - \mu_l)^2, \qquad \mu_l = \frac{1}{M} \sum_{i \ne j} S_{ij}",
    "The same for a Gaussian of equal variance, in nats, over M = N(N-1) pairs: smooth, without "
    "bins.",
    MASKAQ,
    "Eq. 8 to 10",
)

add(
    "kernel density",
    r"p(s) = \frac{1}{M h} \sum_m \varphi\left(\frac{s - s_m}{h}\right), \qquad "
    r"h = 1.06\, \sigma\, M^{-1/5}",
    "The density without the assumption of a Gaussian: the mean of a narrow bell curve phi around "
    "every similarity.",
    _SILVERMAN,
    "Eq. 3.28",
)

add(
    "informative region",
    r"\mathrm{IR}(x) = \{ x_n : \alpha_n \ge \alpha_{[k]} \}",
    "The k patches of largest attention alpha; alpha_[k] is the k-th largest value.",
    MASKAQ,
    "Eq. 4",
)

add(
    "informative mask",
    r"m_n = \begin{cases} 1 & \alpha_n \ge \alpha_{[k]} \\ 0 & \text{otherwise} \end{cases}, "
    r"\qquad k_{\mathrm{keep}} = \max\left(k_{\min}, \lfloor |S_m| (1 - p_{\mathrm{drop}}) "
    r"\rfloor\right)",
    "The same as a mask; every synthesis step drops a random part of it, so that the images do not "
    "depend on a fixed set.",
    MASKAQ,
    "Eq. 11 to 13",
)

add(
    "ratio schedule",
    r"r_i = r_{\text{start}} \left(1 - \tfrac{i}{I}\right) + r_{\text{end}} \tfrac{i}{I}, \qquad "
    r"k_i = \max(1, \lfloor r_i N \rfloor)",
    "The mask shrinks linearly over the I steps of synthesis, in the paper from 50 % to 10 % of "
    "the N patches. That the schedule is linear follows from the released code.",
    MASKAQ + " and its released code",
)
