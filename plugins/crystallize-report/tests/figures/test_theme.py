"""The theme: colours that everybody tells apart, text on light and dark pages."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from crystallize_report.figures.theme import COLOURS, DASHES, INK, MARKERS, style
from matplotlib.colors import to_rgb

# Machado, Oliveira and Fernandes (2009), table 1, severity 1.
VISION = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def linear(color):
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear sRGB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(xyz @ rgb, 1e-6, None) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_any_two_of_the_first_colours_differ_for_every_kind_of_eye(vision):
    seen = [lab(np.asarray(VISION[vision]) @ linear(color)) for color in COLOURS]
    distances = [np.linalg.norm(a - b) for a, b in combinations(seen, 2)]
    assert min(distances) > 8  # 2.3 is what is just noticed


def test_ink_has_contrast_and_series_differ_without_colour():
    def contrast(one, other):
        high, low = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] + 0.05 for c in (one, other))[::-1]
        return high / low

    assert contrast(INK, "#ffffff") > 7
    assert len(set(MARKERS)) == len(COLOURS) == len({str(dashes) for dashes in DASHES})
    styles = [style(place) for place in range(21)]
    assert len({(s.color, s.marker) for s in styles}) == 21
