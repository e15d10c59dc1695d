"""The commands of `python -m maskaq`, one module each; `add` declares its options."""
