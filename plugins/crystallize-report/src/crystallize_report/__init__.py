"""Reports and figures of what an experiment found."""

from crystallize_report.writing import html as html
from crystallize_report.writing import write as write
from crystallize_report.writing import written_figures as written_figures

__all__ = ["html", "write", "written_figures"]
