"""An executor that runs replicates in any order, and an aggregator of quantiles."""

import random

import numpy as np

from crystallize import hookimpl

crystallize_api = 1


class ShuffledExecution:
    """Runs the replicates in a random order and returns them in index order."""

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        order = list(range(experiment.replicates))
        random.Random().shuffle(order)
        results = {i: replicate_fn(i) for i in order}
        return [results[i] for i in range(experiment.replicates)]


class Spread:
    """Adds the section ``spread``: quantiles as condition -> metric -> one number a probability.

    Of metrics that are numbers; a yes or no has no quantiles worth the name.
    """

    def __init__(self, probabilities=(0.25, 0.5, 0.75)):
        self.probabilities = list(probabilities)

    @hookimpl
    def extend_result(self, result):
        quantiles = {
            condition: {
                metric: np.nanquantile(values, self.probabilities)
                for metric, values in metrics.items()
                if values.ndim == 1 and values.dtype.kind in "iuf" and not np.isnan(values).all()
            }
            for condition, metrics in result.metrics.items()
        }
        return {"spread": {"probabilities": self.probabilities, **quantiles}}
