"""The sandbox for rounding numbers: a browser component and the page around it."""
