"""Quantization of Vision Transformers: quantizers, conversion of P to Q, fitting of Q."""
