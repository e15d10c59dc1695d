"""Conversion of P to Q: quantized layers, and equivalent rewrites of P that quantize better."""
