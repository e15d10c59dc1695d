"""Synthesis: calibration images made from P alone."""
