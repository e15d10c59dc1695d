"""Quantizers and the objectives that fit Q."""

from maskaq.formulas.formula import MASKAQ, add

_LSQ = "LSQ (Esser et al., ICLR 2020, arXiv 1902.08153)"
_REPQ = "RepQ-ViT (Li et al., ICCV 2023, arXiv 2212.08254)"
_ADALOG = "AdaLog (Wu et al., ECCV 2024, arXiv 2407.12951)"
_QUAROT = "QuaRot (Ashkboos et al., NeurIPS 2024, arXiv 2404.00456)"
_GPTQ = "GPTQ (Frantar et al., ICLR 2023, arXiv 2210.17323)"
_ADAROUND = "AdaRound (Nagel et al., ICML 2020, arXiv 2004.10568)"

add(
    "quantization",
    r"c = \mathrm{clip}\left(\left\lfloor \tfrac{x}{s} \right\rceil + z,\; q_{\min},\; "
    r"q_{\max}\right), \qquad \hat{x} = s\,(c - z)",
    "A value x is rounded to the code c, an integer of b bits, which represents x_hat. s is the "
    "step size, z the zero point. Signed codes run from -2^(b-1) to 2^(b-1)-1, unsigned ones from "
    "0 to 2^b-1. The paper writes the inverse of the step size, and z with the opposite sign.",
    MASKAQ,
    "Eq. 26",
)

add(
    "minmax",
    r"s = \frac{\max(x) - \min(x)}{2^b - 1}, \quad z = \left\lfloor -\tfrac{\min(x)}{s} "
    r"\right\rceil; \qquad \text{symmetric: } s = \frac{2 \max|x|}{2^b - 1},\; z = 0",
    "The range that clips nothing. One large value makes the step size large for all the others.",
    "the weights of MaskAQ's released code; common practice",
)

add(
    "mse",
    r"s^{*} = \arg\min_{\gamma} \sum_i \left( x_i - \hat{x}_i(\gamma) \right)^2",
    "The min-max range times gamma, for the gamma with the smallest squared error, even if it "
    "clips some values.",
    "common practice, among others in RepQ-ViT's released code",
)

add(
    "log-sqrt2",
    r"c = \mathrm{clip}\left(\left\lfloor -2 \log_2 \tfrac{x}{\delta} \right\rceil,\; 0,\; "
    r"2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-c/2}",
    "Levels at half octaves below delta, for softmax outputs, most of which are tiny. Here the "
    "last code represents 0.",
    _REPQ,
)

add(
    "adaptive-log",
    r"c = \mathrm{clip}\left(\left\lfloor -\tfrac{1}{t} \log_2 \tfrac{x + 0.17}{\delta} "
    r"\right\rceil,\; 0,\; 2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-t c} - 0.17",
    "A logarithmic grid whose base 2^t is searched, shifted by 0.17 because GELU is never below "
    "-0.17. Here the last code represents -0.17. Written from the paper's idea, not its code.",
    _ADALOG,
)

add(
    "lsq",
    r"\frac{\partial \hat{x}}{\partial s} = \begin{cases} \left\lfloor \tfrac{x}{s} \right\rceil "
    r"- \tfrac{x}{s} & q_{\min} < \tfrac{x}{s} < q_{\max} \\ q_{\min} \text{ or } q_{\max} & "
    r"\text{otherwise} \end{cases}, \qquad s_0 = \frac{2\,\overline{|x|}}{\sqrt{q_{\max}}}",
    "The step size is learned by gradient descent, with the straight-through estimator for "
    "rounding. s_0 is its initial value; this library starts from a searched range instead.",
    _LSQ,
    "Eq. 3",
)

add(
    "sqnr",
    r"\mathrm{SQNR} = 10 \log_{10} \frac{\sum_i x_i^2}{\sum_i (x_i - \hat{x}_i)^2}",
    "Power of the signal over power of the error, in dB. 6 dB more means errors half as large.",
    "common definition in signal processing",
)

add(
    "rotation",
    r"q k^\top = (R q)(R k)^\top, \qquad W_o\, (A v) = (W_o R^\top)(A R v)",
    "Queries, keys and values of each head are rotated by an orthogonal matrix R, which is folded "
    "into the weights around them: P computes the same, but all channels of a head have similar "
    "ranges and one step size fits them.",
    _QUAROT,
)

add(
    "gptq",
    r"w \leftarrow w - \frac{w_j - \hat{w}_j}{[H^{-1}]_{jj}}\, [H^{-1}]_{j,:}, \qquad "
    r"H = \mathrm{cov}(x)",
    "Weights are rounded one input at a time. The weights that are not rounded yet compensate the "
    "error of w_j, as far as their inputs x correlate with the j-th. Our variant: H is the "
    "covariance about the mean, and the bias compensates the rest.",
    _GPTQ,
    "Eq. 2",
)

add(
    "reconstruction",
    r"L_B = \frac{1}{T C} \sum_{t,c} m_t\, g_{t,c} \left(y^p_{t,c} - y^q_{t,c}\right)^2 + "
    r"\lambda \sum_i \left(1 - \lvert 2 h_i - 1 \rvert^\beta\right)",
    "The loss of one block of Q: the distance of its output y from that of P's block. g is how "
    "much P's logits depend on it, m is larger on informative tokens; the second sum moves each "
    "weight's rounding h to 0 (down) or 1 (up).",
    _ADAROUND + ", with the blocks and weights of BRECQ (Li et al., ICLR 2021)",
)

add(
    "tuning",
    r"L_T = \mathrm{KL}\left(f^p(x) \,\Vert\, f^q(x)\right) + \frac{10}{L} \sum_l "
    r"\frac{\lVert y^q_l - y^p_l \rVert^2}{\lVert y^p_l \rVert^2}",
    "The loss of the final finetuning of all of Q at 3 bits or fewer: the divergence of Q's "
    "prediction f from P's, and the relative error of the output y of each of its L blocks. "
    "Weights keep their codes; a gain for each row, biases, LayerNorms and the step sizes of "
    "activations are learned.",
    "ours; distillation after Hinton et al. (arXiv 1503.02531)",
)

add(
    "calibration",
    r"L_Q = \frac{1}{L H} \sum_{l,h} \frac{\sum_n w_{l,n}\, D(h^p_{l,h,n}, h^q_{l,h,n})}"
    r"{\sum_n w_{l,n}}, \qquad w_l = 1 + m^c_l (w - 1)",
    "The loss of fitting Q: the distance D of Q's head outputs from P's, with weight w for "
    "informative tokens.",
    MASKAQ,
    "Eq. 16",
)
