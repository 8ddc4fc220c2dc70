"""One sample, one interval: does it cover the true proportion?"""

from math import sqrt

Z = 1.959963984540054  # the 97.5% quantile of the normal distribution


def wald(successes, n):
    """Wald's interval."""
    p = successes / n
    half = Z * sqrt(p * (1 - p) / n)
    return p - half, p + half


def wilson(successes, n):
    """Wilson's score interval (1927)."""
    p = successes / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return centre - half, centre + half


INTERVALS = {"wald": wald, "wilson": wilson}


def trial(rng, method, n, p):
    low, high = INTERVALS[method](rng.binomial(n, p), n)
    return {"covered": low <= p <= high, "width": high - low}
