"""Reports and figures of what an experiment found."""

from crystallize_report.writing import html as html
from crystallize_report.writing import write as write

__all__ = ["html", "write"]
