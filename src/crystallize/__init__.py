"""Crystallize: replicated experiments under any execution strategy."""

from __future__ import annotations

from crystallize._lazy import TYPE_CHECKING, lazy_names

if TYPE_CHECKING:
    from crystallize._version import __version__ as __version__
    from crystallize.cells.outcome import CellError as CellError
    from crystallize.cells.outcome import Outcome as Outcome
    from crystallize.description.grid import grid as grid
    from crystallize.description.retry import Retry as Retry
    from crystallize.description.until import Until as Until
    from crystallize.errors import CellLeftBehindWarning as CellLeftBehindWarning
    from crystallize.errors import ConfigError as ConfigError
    from crystallize.errors import CrystallizeError as CrystallizeError
    from crystallize.errors import CrystallizeWarning as CrystallizeWarning
    from crystallize.errors import DuplicateNameError as DuplicateNameError
    from crystallize.errors import ExecutorError as ExecutorError
    from crystallize.errors import ExperimentRefusedError as ExperimentRefusedError
    from crystallize.errors import ExportError as ExportError
    from crystallize.errors import FunctionError as FunctionError
    from crystallize.errors import FunctionKindError as FunctionKindError
    from crystallize.errors import FunctionLookupError as FunctionLookupError
    from crystallize.errors import GlobalRandomWarning as GlobalRandomWarning
    from crystallize.errors import InvalidValueError as InvalidValueError
    from crystallize.errors import InvalidValuesError as InvalidValuesError
    from crystallize.errors import OptionError as OptionError
    from crystallize.errors import PluginError as PluginError
    from crystallize.errors import PluginLoadError as PluginLoadError
    from crystallize.errors import PluginWarning as PluginWarning
    from crystallize.errors import ResourceError as ResourceError
    from crystallize.errors import ResultFileError as ResultFileError
    from crystallize.errors import SharedStateWarning as SharedStateWarning
    from crystallize.errors import StoreError as StoreError
    from crystallize.errors import StoreLostError as StoreLostError
    from crystallize.errors import StoreMismatchError as StoreMismatchError
    from crystallize.errors import StoreWarning as StoreWarning
    from crystallize.errors import TooLargeError as TooLargeError
    from crystallize.errors import UnknownNameError as UnknownNameError
    from crystallize.errors import ValuesNotKeptError as ValuesNotKeptError
    from crystallize.errors import WorkerDiffersError as WorkerDiffersError
    from crystallize.experiments.experiment import Experiment as Experiment
    from crystallize.hookspecs import hookimpl as hookimpl
    from crystallize.results.errors import CellFailedError as CellFailedError
    from crystallize.results.errors import Interrupted as Interrupted
    from crystallize.results.errors import MetricsRefusedError as MetricsRefusedError
    from crystallize.results.errors import TooManyFailuresError as TooManyFailuresError
    from crystallize.results.result import Result as Result

__all__ = [
    "CellError",
    "CellFailedError",
    "CellLeftBehindWarning",
    "ConfigError",
    "CrystallizeError",
    "CrystallizeWarning",
    "DuplicateNameError",
    "ExecutorError",
    "Experiment",
    "ExperimentRefusedError",
    "ExportError",
    "FunctionError",
    "FunctionKindError",
    "FunctionLookupError",
    "GlobalRandomWarning",
    "Interrupted",
    "InvalidValueError",
    "InvalidValuesError",
    "MetricsRefusedError",
    "OptionError",
    "Outcome",
    "PluginError",
    "PluginLoadError",
    "PluginWarning",
    "ResourceError",
    "Result",
    "ResultFileError",
    "Retry",
    "SharedStateWarning",
    "StoreError",
    "StoreLostError",
    "StoreMismatchError",
    "StoreWarning",
    "TooLargeError",
    "TooManyFailuresError",
    "UnknownNameError",
    "Until",
    "ValuesNotKeptError",
    "WorkerDiffersError",
    "__version__",
    "grid",
    "hookimpl",
]

if not TYPE_CHECKING:  # or else type checkers would take any name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "CellError": "crystallize.cells.outcome",
            "CellFailedError": "crystallize.results.errors",
            "CellLeftBehindWarning": "crystallize.errors",
            "ConfigError": "crystallize.errors",
            "CrystallizeError": "crystallize.errors",
            "CrystallizeWarning": "crystallize.errors",
            "DuplicateNameError": "crystallize.errors",
            "ExecutorError": "crystallize.errors",
            "ExperimentRefusedError": "crystallize.errors",
            "Experiment": "crystallize.experiments.experiment",
            "ExportError": "crystallize.errors",
            "FunctionError": "crystallize.errors",
            "FunctionKindError": "crystallize.errors",
            "FunctionLookupError": "crystallize.errors",
            "GlobalRandomWarning": "crystallize.errors",
            "Interrupted": "crystallize.results.errors",
            "InvalidValueError": "crystallize.errors",
            "InvalidValuesError": "crystallize.errors",
            "MetricsRefusedError": "crystallize.results.errors",
            "OptionError": "crystallize.errors",
            "Outcome": "crystallize.cells.outcome",
            "PluginError": "crystallize.errors",
            "PluginLoadError": "crystallize.errors",
            "PluginWarning": "crystallize.errors",
            "ResourceError": "crystallize.errors",
            "Result": "crystallize.results.result",
            "ResultFileError": "crystallize.errors",
            "Retry": "crystallize.description.retry",
            "SharedStateWarning": "crystallize.errors",
            "StoreError": "crystallize.errors",
            "StoreLostError": "crystallize.errors",
            "StoreMismatchError": "crystallize.errors",
            "StoreWarning": "crystallize.errors",
            "TooLargeError": "crystallize.errors",
            "TooManyFailuresError": "crystallize.results.errors",
            "UnknownNameError": "crystallize.errors",
            "Until": "crystallize.description.until",
            "ValuesNotKeptError": "crystallize.errors",
            "WorkerDiffersError": "crystallize.errors",
            "__version__": "crystallize._version",
            "grid": "crystallize.description.grid",
            "hookimpl": "crystallize.hookspecs",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
