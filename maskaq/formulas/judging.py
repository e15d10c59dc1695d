"""The measures by which claims and results are judged."""

from maskaq.formulas.formula import add

_WILSON = "Wilson, Journal of the American Statistical Association 22, 1927"
_RISE = "RISE (Petsiuk et al., BMVC 2018, arXiv 1806.07421)"
_BARBER = "The IM algorithm (Barber and Agakov, NIPS 2003)"
_AXIOMATIC = "Axiomatic Attribution (Sundararajan et al., ICML 2017, arXiv 1703.01365)"
_ROLLOUT = "Quantifying Attention Flow (Abnar and Zuidema, ACL 2020, arXiv 2005.00928)"
_POINTING = "Top-down Neural Attention by Excitation Backprop (Zhang et al., ECCV 2016)"

add(
    "overlap",
    r"\text{precision} = \frac{|m \cap f|}{|m|}, \quad \text{recall} = \frac{|m \cap f|}{|f|}, "
    r"\quad \mathrm{IoU} = \frac{|m \cap f|}{|m \cup f|}",
    "Agreement of the mask m with the true foreground f, both as sets of patches.",
    "common definitions",
)

add(
    "pointing game",
    r"\mathrm{pointing} = \frac{1}{n} \sum_{i=1}^{n} "
    r"\left[ \arg\max_j \alpha_{ij} \in f_i \right], \qquad "
    r"\mathrm{share} = \frac{\sum_{j \in f} \max(\alpha_j, 0)}{\sum_j \max(\alpha_j, 0)}",
    "How often the patch of largest weight lies on the foreground f, and the share of all weight "
    "on f. Here without the tolerance that the paper allows around an object.",
    _POINTING,
)

add(
    "deletion",
    r"A = \int_0^1 \mathrm{accuracy}\left(x \odot (1 - m_s) + \tilde{x} \odot m_s\right) ds",
    "m_s is the first share s of the patches in some order, and x~ what replaces them. The smaller "
    "the area A, the sooner the prediction is lost. Insertion is the reverse.",
    _RISE,
)

add(
    "information",
    r"I(X; Y) = H(Y) - H(Y \mid X) \;\ge\; H(Y) + \mathbb{E} \log_2 r(Y \mid X), \qquad "
    r"r = (1 - w)\,\mathrm{softmax}(z / t) + w\,h",
    "X is the remaining part of an image, Y the model's prediction for the whole image, z its "
    "logits for X. r may be any model of Y given X; h is the distribution of the predictions. t "
    "and w are fitted on other images. A better r would yield more, so this is a lower bound.",
    _BARBER,
    "Eq. 3",
)

add(
    "integrated gradients",
    r"\mathrm{IG}_i(x) = (x_i - x'_i) \int_0^1 \frac{\partial F(x' + a (x - x'))}"
    r"{\partial x_i}\, da, \qquad \sum_i \mathrm{IG}_i(x) = F(x) - F(x')",
    "Gradients of the class's logit F on the path from a grey image x' to x. They sum to the "
    "difference of the two logits (completeness); rounding in Q violates that.",
    _AXIOMATIC,
    "Eq. 1 and Proposition 1",
)

add(
    "rollout",
    r"R = \prod_{l=1}^{L} \tfrac{1}{2} \left( \bar{A}^{(l)} + I \right)",
    "How much each token contributes to each other one after all blocks; A is the mean over heads. "
    "The row of the class token is shown.",
    _ROLLOUT,
    "Eq. 1",
)

add(
    "wilson",
    r"\frac{1}{1 + z^2/n} \left( \hat{p} + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat{p}(1-\hat{p})}{n} "
    r"+ \frac{z^2}{4 n^2}} \right), \qquad z = 1.96",
    "95 % confidence interval of a share p_hat measured on n images. It stays within 0 to 1 and is "
    "valid for small n.",
    _WILSON,
)
