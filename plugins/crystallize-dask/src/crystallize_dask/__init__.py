"""The execution strategy ``dask``: replicates on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Security, wait

from crystallize import CrystallizeError
from crystallize.plugins import (
    Call,
    Capabilities,
    FutureLike,
    FuturesExecution,
    Option,
    Shipped,
    flag,
    optional,
    text,
    whole_number,
)
from crystallize_dask.clusters import (
    cluster_name,
    find_cluster,
    opened,
    options_table,
)

__all__ = ["DaskExecution"]

CONNECT_SECONDS = 5
FORGET_SECONDS = 1
TLS_FILES = ("tls_ca_file", "tls_client_cert", "tls_client_key")


class DaskExecution(FuturesExecution):
    """Run replicates on a Dask cluster; takes plain functions.

    Parameters
    ----------
    address : str, optional
        A scheduler's address.  Default: a local cluster for the time of the run.
    n_workers : int, optional
        Worker processes of the cluster that is opened.  Default: this process's
        CPUs; to be said with `cluster`.
    threads_per_worker : int
        Threads in each of them.
    dashboard : bool
        Serve Dask's dashboard for the local cluster, on loopback.
    cluster : str, optional
        ``module:attribute`` of the cluster class to open for the time of the run, as
        ``dask_jobqueue:SLURMCluster``.
    cluster_options : mapping, optional
        What that class is given.
    tls_ca_file, tls_client_cert, tls_client_key : path, optional
        What a scheduler at a ``tls://`` address is reached with.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    ValueError
        If an option is out of range, or one of a cluster that is opened comes with
        an address.
    CrystallizeError
        If there is no such cluster class.
    """

    address = Option(optional(text))
    n_workers = Option(partial(whole_number, least=1))
    threads_per_worker = Option(partial(whole_number, least=1))
    dashboard = Option(flag)
    cluster = Option(optional(cluster_name))
    cluster_options = Option(optional(options_table))

    def __init__(
        self,
        address: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int = 1,
        dashboard: bool = False,
        progress: bool = False,
        *,
        cluster: str | None = None,
        cluster_options: Mapping[str, Any] | None = None,
        tls_ca_file: Path | None = None,
        tls_client_cert: Path | None = None,
        tls_client_key: Path | None = None,
    ) -> None:
        super().__init__(progress)
        self.address = address
        self.n_workers = CPU_COUNT if n_workers is None else n_workers
        self.threads_per_worker = threads_per_worker
        self.dashboard = dashboard
        self.cluster = cluster
        self.cluster_options = cluster_options
        self.tls_ca_file = tls_ca_file
        self.tls_client_cert = tls_client_cert
        self.tls_client_key = tls_client_key
        self._check_combination(n_workers)

    def _check_combination(self, n_workers: int | None) -> None:
        described = (n_workers, self.threads_per_worker, self.dashboard) != (None, 1, False)
        if self.address is not None and (described or self.cluster or self.cluster_options):
            raise ValueError(
                "n_workers, threads_per_worker, dashboard, cluster and cluster_options describe a "
                f"cluster that is opened; the one at {self.address} has its own. Leave them out, "
                "or the address."
            )
        if self.cluster is None and self.cluster_options:
            raise ValueError("cluster_options is for a cluster: say cluster = … too.")
        if self.cluster is not None:
            if n_workers is None:
                raise ValueError(
                    "n_workers: say how many workers the cluster is to have; so many cells (times "
                    "threads_per_worker) run at once."
                )
            if self.dashboard:
                raise ValueError(
                    "dashboard is for the local cluster; say so in cluster_options here."
                )
            find_cluster(self.cluster)
        if self._tls and not (self.address or "").startswith("tls://"):
            raise ValueError(
                f"{' and '.join(self._tls)}: for an address that begins with tls://; a cluster "
                "that is opened is given its own, as cluster_options = { security = … }."
            )
        for name, path in self._tls.items():
            if not Path(path).is_file():
                raise ValueError(f"{name}: there is no file {path!r}.")

    @property
    def capabilities(self) -> Capabilities:
        # Dask's own threads are in the same process, and draw random numbers too.
        return Capabilities(workers=self._workers, draws_global_random=True)

    @property
    def in_flight_per_worker(self) -> int:  # type: ignore[override]
        # Workers of a class of its own may have more threads than we know of.
        return 1 if self.cluster is not None else super().in_flight_per_worker

    @cached_property
    def _workers(self) -> int:
        if self.address is None:
            return self.n_workers * self.threads_per_worker
        with self._client() as client:
            return sum(client.nthreads().values()) or 1

    @property
    def _tls(self) -> dict[str, str]:
        given = {name: getattr(self, name) for name in TLS_FILES}
        return {name: str(path) for name, path in given.items() if path is not None}

    @contextmanager
    def submitter(self, call: Call, workers: int) -> Iterator[Callable[[Any], FutureLike]]:
        shipped = Shipped(call)
        with (
            self._client() as client,
            # The function may hold large data; it is meant to travel in the graph, once.
            dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}),
        ):
            # A task rather than scattered data: Dask makes it again if every holder dies.
            heavy = client.submit(_itself, shipped, pure=False)
            yield lambda task: client.submit(_run, heavy, task, pure=False)
            # Each worker leaves what it opened.  A task, since one that has died answers nothing.
            forget = shipped.by_key.forget
            asked = [client.submit(forget, workers=[at], pure=False) for at in client.nthreads()]
            with client.as_current(), suppress(TimeoutError):
                wait(asked, timeout=FORGET_SECONDS)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        if self.address is not None:
            security = Security(require_encryption=True, **self._tls) if self._tls else None
            try:
                client = _Client(  # type: ignore[no-untyped-call]
                    self.address, timeout=CONNECT_SECONDS, set_as_default=False, security=security
                )
            except Exception as error:  # what Dask raises at a wrong certificate differs
                reason = str(error) or type(error).__name__
                raise CrystallizeError(
                    f"There is no Dask scheduler to be reached at {self.address!r} ({reason}). "
                    "Start one, fix the address or its certificates, or leave it out for a local "
                    "cluster."
                ) from error
            with client:
                yield client
            return
        with self._opened() as cluster, Client(cluster, set_as_default=False) as client:
            yield client

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        sizes = {"n_workers": self.n_workers, "threads_per_worker": self.threads_per_worker}
        if self.cluster is not None:
            make, options = find_cluster(self.cluster), self.cluster_options or {}
            with opened(self.cluster, make, options, sizes) as cluster:
                yield cluster
        else:
            serve = {"scheduler_kwargs": {"dashboard": self.dashboard}}
            with opened("distributed:LocalCluster", LocalCluster, serve, sizes) as cluster:
                yield cluster


class _Client(Client):
    """Closed at once where it cannot connect.

    Left to the garbage collector it waits for a lock of Dask's that whoever is being
    interrupted by the collector may hold.
    """

    def start(self, **options: Any) -> Any:
        try:
            return super().start(**options)  # type: ignore[no-untyped-call]
        except BaseException:
            self.close()  # type: ignore[no-untyped-call]
            raise


def _itself(shipped: Shipped) -> Shipped:
    return shipped


def _run(call: Call, task: Any) -> Any:
    return call(task)
