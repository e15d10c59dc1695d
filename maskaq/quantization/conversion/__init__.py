"""From P to Q: replaced layers, and exact rewritings of P that quantize better."""
