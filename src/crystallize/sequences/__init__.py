"""Confidence sequences: intervals that all hold at once, however often one looks."""

from crystallize.sequences.interval import Interval as Interval
from crystallize.sequences.means import BoundedSequence as BoundedSequence
from crystallize.sequences.means import MeanSequence as MeanSequence
from crystallize.sequences.proportions import ProportionSequence as ProportionSequence

__all__ = ["BoundedSequence", "Interval", "MeanSequence", "ProportionSequence"]
