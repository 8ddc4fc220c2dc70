"""The execution strategy ``dask``: replicates on a Dask cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import cloudpickle
import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster

from crystallize import CrystallizeError
from crystallize.plugins import (
    Capabilities,
    FuturesExecution,
    Option,
    flag,
    optional,
    text,
    whole_number,
)

__all__ = ["DaskExecution"]

CONNECT_SECONDS = 5


class DaskExecution(FuturesExecution):
    """Run replicates on a Dask cluster; takes plain functions.

    Parameters
    ----------
    address : str, optional
        A scheduler's address.  Default: a local cluster for the time of the run.
    n_workers : int, optional
        Worker processes of the local cluster.  Default: this process's CPUs.
    threads_per_worker : int
        Threads in each process of the local cluster.
    dashboard : bool
        Serve Dask's dashboard for the local cluster, on loopback.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    ValueError
        If an option is out of range, or one of a local cluster comes with an
        address.
    """

    address = Option(optional(text))
    n_workers = Option(partial(whole_number, least=1))
    threads_per_worker = Option(partial(whole_number, least=1))
    dashboard = Option(flag)

    def __init__(
        self,
        address: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int = 1,
        dashboard: bool = False,
        progress: bool = False,
    ) -> None:
        super().__init__(progress)
        if address is not None and (n_workers, threads_per_worker, dashboard) != (None, 1, False):
            raise ValueError(
                "n_workers, threads_per_worker and dashboard describe a local cluster; "
                f"the one at {address} has its own. Leave them out, or the address."
            )
        self.address = address
        self.n_workers = CPU_COUNT if n_workers is None else n_workers
        self.threads_per_worker = threads_per_worker
        self.dashboard = dashboard

    @property
    def capabilities(self) -> Capabilities:
        # Dask's own threads are in the same process, and draw random numbers too.
        return Capabilities(workers=self._workers, draws_global_random=True)

    @cached_property
    def _workers(self) -> int:
        if self.address is None:
            return self.n_workers * self.threads_per_worker
        with self._client() as client:
            return sum(client.nthreads().values()) or 1

    @contextmanager
    def submitter(self, call: Callable[[Any], Any], workers: int) -> Iterator[Callable[[Any], Any]]:
        payload = cloudpickle.dumps(call)
        with (
            self._client() as client,
            # The function may hold large data; it is meant to travel in the graph, once.
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}),
        ):
            # A task rather than scattered data: Dask makes it again if every holder dies.
            heavy = client.submit(_load, payload, pure=False)
            yield lambda task: client.submit(_run, heavy, task, pure=False)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        if self.address is not None:
            try:
                client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                raise CrystallizeError(
                    f"There is no Dask scheduler at {self.address!r} ({error}). Start one, fix "
                    "the address, or leave it out for a local cluster."
                ) from error
            with client:
                yield client
            return
        cluster = LocalCluster(
            n_workers=self.n_workers,
            threads_per_worker=self.threads_per_worker,
            processes=True,
            host="127.0.0.1",
            # Any free port, on loopback: Dask's HTTP server listens even with no dashboard.
            scheduler_kwargs={"dashboard": self.dashboard, "dashboard_address": "127.0.0.1:0"},
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


def _load(payload: bytes) -> Any:
    try:
        return pickle.loads(payload)
    except Exception as error:
        raise CrystallizeError(
            f"A Dask worker could not load the function: {type(error).__name__}: {error}. "
            "Is its module installed there?"
        ) from None


def _run(call: Callable[[Any], Any], task: Any) -> Any:
    return call(task)
