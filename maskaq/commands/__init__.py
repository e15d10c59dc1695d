"""The commands of `python -m maskaq`, a file each; `add` puts one into the parser."""
