"""Figures of what an experiment found, for papers and pages."""

from crystallize_report.figures.critical import critical_difference
from crystallize_report.figures.curves import curves
from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.ecdf import ecdf
from crystallize_report.figures.estimates import estimates
from crystallize_report.figures.failures import failures
from crystallize_report.figures.files import save, svg
from crystallize_report.figures.fitting import fitting
from crystallize_report.figures.forest import forest
from crystallize_report.figures.lolly import lolly
from crystallize_report.figures.nested import nested_loop
from crystallize_report.figures.paired import paired
from crystallize_report.figures.picture import Picture
from crystallize_report.figures.running import running_mean
from crystallize_report.figures.zips import zip_plot

__all__ = [
    "Drawn",
    "Picture",
    "critical_difference",
    "curves",
    "ecdf",
    "estimates",
    "failures",
    "fitting",
    "forest",
    "lolly",
    "nested_loop",
    "paired",
    "running_mean",
    "save",
    "svg",
    "zip_plot",
]
