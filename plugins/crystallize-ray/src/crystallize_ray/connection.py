"""This process's connection to Ray, of which Ray allows one at a time."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray._private import ray_constants, services
from ray._private import worker as ray_worker
from ray.exceptions import RayError

from crystallize import CrystallizeError

CONNECT_SECONDS = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """A head of one's own, on this machine.

    Attributes
    ----------
    num_cpus : int
    resources : mapping of str to float
        What it offers beside CPUs; GPUs are those that Ray finds.
    """

    num_cpus: int
    resources: Mapping[str, float] = field(default_factory=dict)


class Connection:
    """What this process is connected to, for as long as a run needs it.

    Runs at once share it: Ray has one connection for all of a process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._target: Head | str | None = None
        self._runs = 0
        self._is_ours = False

    @contextmanager
    def to(self, target: Head | str) -> Iterator[None]:
        """Have it open: to a head that is started and stopped, or to an address.

        Raises
        ------
        CrystallizeError
            If nothing can be reached there, or if this process is connected to
            something else.
        """
        with self._lock:
            if not self._runs:
                self._is_ours = _open(target)
                self._target = target
            elif target != self._target:
                raise CrystallizeError(
                    f"This process runs an experiment on {_named(self._target)}, and Ray allows "
                    f"it one connection: to run another on {_named(target)}, wait for that one, "
                    "or start another program."
                )
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if not self._runs and self._is_ours:
                    ray.shutdown()


def _open(target: Head | str) -> bool:
    """Connect this process; whether that was needed."""
    if ray.is_initialized():
        _check_is_connected_to(target)
        return False
    if isinstance(target, Head):
        _start(target)
    else:
        _connect(target)
    return True


def _check_is_connected_to(target: Head | str) -> None:
    here = ray.get_runtime_context().gcs_address
    if isinstance(target, Head):
        raise CrystallizeError(
            f"This process is connected to the Ray at {here} already, and Ray allows one "
            "connection. Say address = 'auto' to run the experiment there, or call "
            "ray.shutdown() first to have a head of its own."
        )
    if target not in ("auto", here, here.replace("127.0.0.1", "localhost")) and (
        _resolved(target) != here
    ):
        raise CrystallizeError(
            f"This process is connected to the Ray at {here}, not to {target!r}, and Ray allows "
            "one connection. Call ray.shutdown() first."
        )


def _start(head: Head) -> None:
    with _as_it_was(), _on_loopback(), _quietly():
        _init(
            address="local",
            num_cpus=head.num_cpus,
            resources=dict(head.resources) or None,
            include_dashboard=False,
        )
    place = ray.get_runtime_context().gcs_address
    if place.rpartition(":")[0].strip("[]") not in LOOPBACK:
        ray.shutdown()
        raise CrystallizeError(
            f"This version of Ray ({ray.__version__}) would listen at {place}, where others can "
            "reach it. Start a head yourself, and give its address."
        )


def _connect(address: str) -> None:
    place = _resolved(address)
    way: AbstractContextManager[None] = nullcontext()
    problem = _unreachable(place)
    if problem is not None:
        # Ray takes 127.0.0.1 for this machine's other address; a head may be on loopback alone.
        with _on_loopback():
            literal = _resolved(address)
        if literal == place or _unreachable(literal) is not None:
            raise _nothing_at(address, problem)
        place, way = literal, _on_loopback()
    try:
        with _as_it_was(), way:
            _init(address=place)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        if "InvalidAuthToken" in str(error.__cause__):
            raise CrystallizeError(
                f"The Ray at {address!r} asks for its token. Set RAY_AUTH_MODE=token in this "
                "program's environment, and RAY_AUTH_TOKEN or ~/.ray/auth_token to the token."
            ) from error
        raise _nothing_at(address, error) from error


def _unreachable(place: str) -> Exception | None:
    """Why nothing answers at a place; Ray itself would try for two minutes."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        return error
    return None


def _init(**options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # older versions announce newer ones
        ray.init(log_to_driver=False, configure_logging=False, **options)
    # Ray reports what happens to workers on standard output, which is the user's.
    ray_worker.print_to_stdstream = _log


def _log(data: Mapping[str, Any], ignore_prefix: bool = False) -> None:
    for line in data.get("lines", ()):
        logger.info(line)


def _resolved(address: str) -> str:
    """``host:port`` of an address, as Ray understands it."""
    if "://" in address:
        raise CrystallizeError(
            f"address: {address!r} is for Ray Client, through which running tasks cannot be "
            "followed. Give the address of the head itself, as in '10.0.0.1:6379', from a machine "
            "of the cluster."
        )
    try:
        place = services.canonicalize_bootstrap_address(address)
    except Exception as error:
        raise _nothing_at(address, error) from error
    if place is None:
        raise _nothing_at(address, "no head was started here, and RAY_ADDRESS is not set")
    return str(place)


def _nothing_at(address: str, reason: object) -> CrystallizeError:
    return CrystallizeError(
        f"There is no Ray to be reached at {address!r} ({reason}). Start one, fix the address, or "
        "leave it out for a head of this run's own."
    )


def _named(target: Head | str | None) -> str:
    return f"the Ray at {target!r}" if isinstance(target, str) else f"a head of its own ({target})"


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have Ray take this machine's loopback address, as it does on macOS and Windows by itself.

    Elsewhere it replaces 127.0.0.1 by an address that others reach, and listens everywhere.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep back what Ray warns of where it starts a head: that others need its token."""
    rays = logging.getLogger("ray")
    level = rays.level
    rays.setLevel(logging.ERROR)
    try:
        yield
    finally:
        rays.setLevel(level)


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Put back what is global in this process, where Ray has its own idea of it."""
    environment = dict(os.environ)
    generator = random.getstate()
    term = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        random.setstate(generator)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        with suppress(ValueError):  # in another thread, where Ray could not change it either
            signal.signal(signal.SIGTERM, term)


connection = Connection()
"""This process's."""
