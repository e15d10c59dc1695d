"""How numbers are rounded, and how Q is fitted."""

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
    "A value x becomes the code c, an integer of b bits, and comes back as x_hat. s is the step "
    "between two levels, z the code of zero. Signed codes run from -2^(b-1) to 2^(b-1)-1, unsigned "
    "ones from 0 to 2^b-1. The paper writes the step as its inverse and z with the other sign.",
    MASKAQ,
    "Eq. 26",
)

add(
    "minmax",
    r"s = \frac{\max(x) - \min(x)}{2^b - 1}, \quad z = \left\lfloor -\tfrac{\min(x)}{s} "
    r"\right\rceil; \qquad \text{symmetric: } s = \frac{2 \max|x|}{2^b - 1},\; z = 0",
    "The range that clips nothing. One large value makes the step large for all the others.",
    "the weights of MaskAQ's released code; common practice",
)

add(
    "mse",
    r"s^{*} = \arg\min_{\gamma} \sum_i \left( x_i - \hat{x}_i(\gamma) \right)^2",
    "The range is min-max shrunk by gamma; the gamma with the least squared error wins, though it "
    "clips some values.",
    "common practice, among others in RepQ-ViT's released code",
)

add(
    "log-sqrt2",
    r"c = \mathrm{clip}\left(\left\lfloor -2 \log_2 \tfrac{x}{\delta} \right\rceil,\; 0,\; "
    r"2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-c/2}",
    "Levels in half octaves below delta, for softmax outputs, which are mostly tiny. Here the last "
    "code stands for 0.",
    _REPQ,
)

add(
    "adaptive-log",
    r"c = \mathrm{clip}\left(\left\lfloor -\tfrac{1}{t} \log_2 \tfrac{x + 0.17}{\delta} "
    r"\right\rceil,\; 0,\; 2^b - 1\right), \qquad \hat{x} = \delta\, 2^{-t c} - 0.17",
    "A logarithmic grid whose base 2^t is searched, shifted by 0.17 because GELU is never below "
    "-0.17. Here the last code stands for -0.17. Written after the paper's idea, not its code.",
    _ADALOG,
)

add(
    "lsq",
    r"\frac{\partial \hat{x}}{\partial s} = \begin{cases} \left\lfloor \tfrac{x}{s} \right\rceil "
    r"- \tfrac{x}{s} & q_{\min} < \tfrac{x}{s} < q_{\max} \\ q_{\min} \text{ or } q_{\max} & "
    r"\text{otherwise} \end{cases}, \qquad s_0 = \frac{2\,\overline{|x|}}{\sqrt{q_{\max}}}",
    "The step is learned by gradient descent: rounding is passed straight through. s_0 is where it "
    "starts; this library starts Q from a searched range instead.",
    _LSQ,
    "Eq. 3",
)

add(
    "sqnr",
    r"\mathrm{SQNR} = 10 \log_{10} \frac{\sum_i x_i^2}{\sum_i (x_i - \hat{x}_i)^2}",
    "Power of the signal over power of the error, in dB. 6 dB more: errors half as large.",
    "common definition in signal processing",
)

add(
    "rotation",
    r"q k^\top = (R q)(R k)^\top, \qquad W_o\, (A v) = (W_o R^\top)(A R v)",
    "Queries, keys and values of each head are turned by an orthogonal matrix R, which is put into "
    "the weights around them: P computes the same, but all channels of a head look alike and one "
    "step fits them.",
    _QUAROT,
)

add(
    "gptq",
    r"w \leftarrow w - \frac{w_j - \hat{w}_j}{[H^{-1}]_{jj}}\, [H^{-1}]_{j,:}, \qquad "
    r"H = \mathrm{cov}(x)",
    "Weights are rounded one input after the other. What rounding w_j lost, the weights that are "
    "still free make up for, as far as their inputs x move with the j-th. That H is taken about "
    "the mean, with the bias making up for the rest, is ours.",
    _GPTQ,
    "Eq. 2",
)

add(
    "reconstruction",
    r"L_B = \frac{1}{T C} \sum_{t,c} m_t\, g_{t,c} \left(y^p_{t,c} - y^q_{t,c}\right)^2 + "
    r"\lambda \sum_i \left(1 - \lvert 2 h_i - 1 \rvert^\beta\right)",
    "What one block of Q keeps small as it learns: how far its output y is from that of P's block. "
    "g is how much P's answer depends on it, m is larger on informative tokens; the second sum "
    "draws each weight's rounding h to 0, down, or 1, up.",
    _ADAROUND + ", with the blocks and weights of BRECQ (Li et al., ICLR 2021)",
)

add(
    "tuning",
    r"L_T = \mathrm{KL}\left(f^p(x) \,\Vert\, f^q(x)\right) + \frac{10}{L} \sum_l "
    r"\frac{\lVert y^q_l - y^p_l \rVert^2}{\lVert y^p_l \rVert^2}",
    "What the steps through all of Q keep small that end the fit at 3 bits or fewer: how far Q's "
    "answer f is from P's, and the output y of each of its L blocks. Weights keep their levels; a "
    "gain for each row, biases, LayerNorms and the activations' steps are learned.",
    "ours; distillation after Hinton et al. (arXiv 1503.02531)",
)

add(
    "calibration",
    r"L_Q = \frac{1}{L H} \sum_{l,h} \frac{\sum_n w_{l,n}\, D(h^p_{l,h,n}, h^q_{l,h,n})}"
    r"{\sum_n w_{l,n}}, \qquad w_l = 1 + m^c_l (w - 1)",
    "What fitting Q minimises: the distance D of Q's head outputs from P's, informative tokens "
    "weighted w times.",
    MASKAQ,
    "Eq. 16",
)
