"""The execution strategy ``ray``: replicates on Ray."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import ray
from loky import cpu_count

from crystallize import CrystallizeError
from crystallize.plugins import (
    Call,
    Capabilities,
    FutureLike,
    FuturesExecution,
    Option,
    Shipped,
    optional,
    text,
    whole_number,
)
from crystallize_ray.amounts import amount, amounts
from crystallize_ray.connection import Head, connection
from crystallize_ray.tasks import RayFuture, forget_everywhere, run_task

__all__ = ["RayExecution"]


class RayExecution(FuturesExecution):
    """Run replicates on Ray; takes plain functions.

    Parameters
    ----------
    address : str, optional
        ``host:port`` of a head, or ``"auto"``: the one that this process is connected
        to, ``RAY_ADDRESS`` names, or was started on this machine.  Default: a head
        of its own for the time of the run, on loopback.
    workers : int, optional
        How many cells run at once at the most.  Default: what this machine's CPUs,
        or the nodes of the cluster, have room for.
    num_cpus, num_gpus : float
        What one cell needs of these; above 1 it is a whole number.
    resources : mapping of str to float, optional
        What one cell needs of other resources.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, if an option is out of range.
    """

    address = Option(optional(text))
    workers = Option(optional(partial(whole_number, least=1)))
    num_cpus = Option(amount)
    num_gpus = Option(amount)
    resources = Option(optional(amounts))

    in_flight_per_worker = 1  # Ray runs whatever there is room for, and that may be more

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        num_cpus: float = 1,
        num_gpus: float = 0,
        resources: Mapping[str, float] | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(progress)
        self.address = address
        self.workers = workers
        self.num_cpus = num_cpus
        self.num_gpus = num_gpus
        self.resources = resources

    @property
    def capabilities(self) -> Capabilities:
        is_local = self.address is None
        return Capabilities(
            workers=self.workers or self._room,
            shares_process=False,
            can_cancel=True,
            local_processes=is_local,
            loss_is_the_tasks=is_local,  # a node of a cluster can be lost
        )

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Stay connected while a ``with`` lasts, so that several runs share one head.

        Raises
        ------
        CrystallizeError
            If there is nothing at the address, or if this process is connected to
            something else.
        """
        workers = 1 if self.address else self.capabilities.workers
        head = Head(
            max(1, math.ceil(workers * self.num_cpus)),
            {name: workers * value for name, value in (self.resources or {}).items()},
        )
        with connection.to(self.address or head):
            yield

    @contextmanager
    def submitter(self, call: Call, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        with self.connected():
            if self.address is None:
                self._room_of_nodes()  # GPUs are there, or they are not
            shipped = Shipped(call)
            heavy = ray.put(shipped)
            needed = {
                "num_cpus": self.num_cpus,
                "num_gpus": self.num_gpus,
                "resources": self.resources,
            }
            function = run_task.options(**needed)
            running: set[RayFuture] = set()
            holders: set[str] = set()

            def submit(task: Any) -> RayFuture:
                future = RayFuture(function.remote(heavy, task), holders)
                running.add(future)
                future.add_done_callback(running.discard)
                return future

            try:
                yield submit
            finally:
                unfinished = list(running)
                for future in unfinished:
                    future.cancel()
                if not unfinished:
                    forget_everywhere(shipped, holders, **needed)

    def cancel_running(self, future: Any) -> bool:
        future.cancel()
        return True

    @cached_property
    def _room(self) -> int:
        """How many cells there is room for at once."""
        if self.address is None:
            return max(1, int(cpu_count() / (self.num_cpus or 1)))
        with self.connected():
            return self._room_of_nodes()

    def _room_of_nodes(self) -> int:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(self._room_in(node) for node in nodes)
        if not room:
            place = "This machine" if self.address is None else f"No node at {self.address!r}"
            has = "; ".join(map(_listed, nodes))
            raise CrystallizeError(
                f"{place} has no room for one cell, which needs {_listed(self._needed)}; there "
                f"is {has}. Ask for less, or say workers where nodes are still to come."
            )
        return room

    def _room_in(self, node: Mapping[str, float]) -> int:
        return math.floor(
            min(node.get(name, 0.0) / needed for name, needed in self._needed.items())
        )

    @property
    def _needed(self) -> dict[str, float]:
        """What one cell needs; at least a CPU's worth of something."""
        needed = {"CPU": self.num_cpus, "GPU": self.num_gpus, **(self.resources or {})}
        return {name: value for name, value in needed.items() if value} or {"CPU": 1.0}


def _listed(resources: Mapping[str, float]) -> str:
    shown = {name: value for name, value in resources.items() if ":" not in name}
    return ", ".join(f"{name}: {value:g}" for name, value in sorted(shown.items())) or "nothing"
