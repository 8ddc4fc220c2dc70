"""Confidence sequences: intervals that all hold at once, however often one looks."""
