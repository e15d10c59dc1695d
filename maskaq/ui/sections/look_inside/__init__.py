"""The page Look inside: one picture, and what P and Q do with it."""
