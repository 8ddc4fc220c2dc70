"""Plugins: found, loaded, checked and called; and all that an author imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crystallize._lazy import lazy_names

if TYPE_CHECKING:
    from crystallize.cells.column import as_numbers as as_numbers
    from crystallize.cells.outcomes import Outcomes as Outcomes
    from crystallize.cells.page import Page as Page
    from crystallize.checks import choice as choice
    from crystallize.checks import flag as flag
    from crystallize.checks import optional as optional
    from crystallize.checks import seconds as seconds
    from crystallize.checks import text as text
    from crystallize.checks import whole_number as whole_number
    from crystallize.contracts import API_VERSION as API_VERSION
    from crystallize.contracts import ActiveRun as ActiveRun
    from crystallize.contracts import Call as Call
    from crystallize.contracts import Capabilities as Capabilities
    from crystallize.contracts import Completion as Completion
    from crystallize.contracts import Completions as Completions
    from crystallize.contracts import FutureLike as FutureLike
    from crystallize.contracts import LoopExecutor as LoopExecutor
    from crystallize.contracts import NextTask as NextTask
    from crystallize.contracts import RunStatus as RunStatus
    from crystallize.contracts import StreamingExecutor as StreamingExecutor
    from crystallize.description.spec import ExperimentSpec as ExperimentSpec
    from crystallize.hookspecs import hookimpl as hookimpl
    from crystallize.plugins.execution.base import Execution as Execution
    from crystallize.plugins.execution.base import Option as Option
    from crystallize.plugins.execution.futures import FuturesExecution as FuturesExecution
    from crystallize.plugins.execution.shipping import Shipped as Shipped
    from crystallize.results.digits import as_sure_as as as_sure_as
    from crystallize.results.file import is_saved as is_saved
    from crystallize.results.replacing import replaced_whole as replaced_whole

__all__ = [
    "API_VERSION",
    "ActiveRun",
    "Call",
    "Capabilities",
    "Completion",
    "Completions",
    "Execution",
    "ExperimentSpec",
    "FutureLike",
    "FuturesExecution",
    "LoopExecutor",
    "NextTask",
    "Option",
    "Outcomes",
    "Page",
    "RunStatus",
    "Shipped",
    "StreamingExecutor",
    "as_numbers",
    "as_sure_as",
    "choice",
    "flag",
    "hookimpl",
    "is_saved",
    "optional",
    "replaced_whole",
    "seconds",
    "text",
    "whole_number",
]

if not TYPE_CHECKING:  # or else type checkers would take any name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "API_VERSION": "crystallize.contracts",
            "ActiveRun": "crystallize.contracts",
            "Call": "crystallize.contracts",
            "Capabilities": "crystallize.contracts",
            "Completion": "crystallize.contracts",
            "Completions": "crystallize.contracts",
            "Execution": "crystallize.plugins.execution.base",
            "ExperimentSpec": "crystallize.description.spec",
            "FutureLike": "crystallize.contracts",
            "FuturesExecution": "crystallize.plugins.execution.futures",
            "LoopExecutor": "crystallize.contracts",
            "NextTask": "crystallize.contracts",
            "Option": "crystallize.plugins.execution.base",
            "Outcomes": "crystallize.cells.outcomes",
            "Page": "crystallize.cells.page",
            "RunStatus": "crystallize.contracts",
            "Shipped": "crystallize.plugins.execution.shipping",
            "StreamingExecutor": "crystallize.contracts",
            "as_numbers": "crystallize.cells.column",
            "as_sure_as": "crystallize.results.digits",
            "choice": "crystallize.checks",
            "flag": "crystallize.checks",
            "hookimpl": "crystallize.hookspecs",
            "is_saved": "crystallize.results.file",
            "optional": "crystallize.checks",
            "replaced_whole": "crystallize.results.replacing",
            "seconds": "crystallize.checks",
            "text": "crystallize.checks",
            "whole_number": "crystallize.checks",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
