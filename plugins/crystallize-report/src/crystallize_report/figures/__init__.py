"""Figures of what an experiment found, for papers and pages."""

from crystallize_report.figures.drawn import Drawn
from crystallize_report.figures.ecdf import ecdf
from crystallize_report.figures.estimates import estimates
from crystallize_report.figures.files import save, svg
from crystallize_report.figures.fitting import fitting
from crystallize_report.figures.forest import forest
from crystallize_report.figures.picture import Picture

__all__ = ["Drawn", "Picture", "ecdf", "estimates", "fitting", "forest", "save", "svg"]
