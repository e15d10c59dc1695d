"""Quantization of a Vision Transformer: quantizers, conversion of P to Q, fitting of Q."""
