"""Trials with a survival outcome, as Morris, White and Crowther (2019) analyse them."""

import numpy as np

PATIENTS, RATE, LOG_HAZARD_RATIO, FOLLOW_UP = 300, 0.1, -0.5, 5.0
STEPS, CLOSE = 50, 1e-10


def trial(rng, gamma, method):
    """One trial, analysed by one model: the log hazard ratio and its standard error.

    Aims
    ----
    What a wrongly assumed baseline hazard does to an estimated log hazard ratio.

    Data
    ----
    300 patients, of whom each is treated with probability 1/2; hazard at time t is
    0.1 gamma t^(gamma - 1) exp(-0.5 treated), and follow-up ends at time 5.

    Estimands
    ---------
    The log hazard ratio, -0.5.

    Methods
    -------
    Exponential, Weibull and Cox models.

    Measures
    --------
    Bias, empirical and model standard error, precision against the Weibull model, coverage.
    """
    treated = rng.random(PATIENTS) < 0.5
    # The cumulative hazard at the time of an event is exponential.
    hazard = rng.exponential(size=PATIENTS) / np.exp(LOG_HAZARD_RATIO * treated)
    times = (hazard / RATE) ** (1 / gamma)
    events = times < FOLLOW_UP
    theta, se = METHODS[method](np.minimum(times, FOLLOW_UP), events, treated)
    return {"theta": theta, "se": se}


def exponential(times, events, treated):
    """A constant hazard in each arm: events by time at risk."""
    arms = [treated, ~treated]
    log_rates = [np.log(events[arm].sum() / times[arm].sum()) for arm in arms]
    return log_rates[0] - log_rates[1], np.sqrt(sum(1 / events[arm].sum() for arm in arms))


def weibull(times, events, treated):
    """Newton's steps for the shape; the scale of each arm follows from it."""
    arms = [treated, ~treated]
    counts = np.array([events[arm].sum() for arm in arms])
    logs = np.log(times)

    def powers(shape):
        """For each arm the sum of t^shape, and the mean and variance of log t by these weights."""
        weights = [times[arm] ** shape for arm in arms]
        sums = np.array([weight.sum() for weight in weights])
        means = (
            np.array([weight @ logs[arm] for weight, arm in zip(weights, arms, strict=True)]) / sums
        )
        squares = (
            np.array([weight @ logs[arm] ** 2 for weight, arm in zip(weights, arms, strict=True)])
            / sums
        )
        return sums, means, squares - means**2

    def score(shape):
        _, means, _ = powers(shape)
        return counts.sum() / shape + logs[events].sum() - counts @ means

    def information(shape):
        _, _, variances = powers(shape)
        return counts.sum() / shape**2 + counts @ variances

    shape = newton(score, information, 1.0)
    sums, means, _ = powers(shape)
    theta = np.diff(np.log(sums / counts))[0]
    return theta, np.sqrt((1 / counts).sum() + (means[0] - means[1]) ** 2 / information(shape))


def cox(times, events, treated):
    """Newton's steps for the partial likelihood; no two patients have an event at once."""
    order = np.argsort(-times, kind="stable")
    at_risk = np.cumsum(np.column_stack([treated, ~treated])[order], axis=0)[events[order]]
    treated_events = (treated & events).sum()

    def share(theta):
        """The probability at each event that it is a treated patient's."""
        odds = at_risk * [np.exp(theta), 1.0]
        return odds[:, 0] / odds.sum(axis=1)

    def score(theta):
        return treated_events - share(theta).sum()

    def information(theta):
        return (share(theta) * (1 - share(theta))).sum()

    theta = newton(score, information, 0.0)
    return theta, 1 / np.sqrt(information(theta))


def newton(score, information, value):
    for _ in range(STEPS):
        step = score(value) / information(value)
        value += step
        if abs(step) < CLOSE:
            return value
    raise ArithmeticError("no convergence")


METHODS = {"exponential": exponential, "weibull": weibull, "cox": cox}
