"""Measurements behind the figures of README and docs: ratios within one run, medians, scripts that anyone can run."""
