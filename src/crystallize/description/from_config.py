"""From a config to the arguments of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crystallize.description.config import Config


def experiment_arguments(
    config: Config, beside: Path, *, execution: str | None = None
) -> dict[str, Any]:
    """The keyword arguments of :class:`crystallize.Experiment`, all but the function.

    Parameters
    ----------
    config : Config
    beside : path
        The config's folder.
    execution : str, optional
        Another strategy; the config's options go with its own alone.
    """
    strategy = config.execution.strategy if execution is None else execution
    own = strategy == config.execution.strategy
    return {
        **config.experiment.values,
        "conditions": config.conditions,
        "execution": strategy,
        "execution_options": dict(config.execution.options) if own else {},
        "aggregators": config.aggregation.aggregators,
        "aggregator_options": config.aggregation.options,
        "store": None if config.store is None else beside / config.store,
    }
