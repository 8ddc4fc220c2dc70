"""Large arrays in a file that every process of this machine maps: one copy for all of them."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.metrics import ARRAY_KINDS
from crystallize.errors import ExecutorError
from crystallize.worker.left_files import delete_left, new_file

LARGE_BYTES = 2**20
"""From which size on an array is mapped."""


PART_BYTES = 2**24
"""How much of two files is compared at once."""


SHARED_MEMORY = Path("/dev/shm")
"""Files that are memory, where the system has them."""


class MappedArray(np.memmap[Any, Any]):
    """A read-only array in a file; pickled as the place where it is."""

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> MappedArray:
        """Map an array: where it is, if that is a file which still says the same, or in a new one.

        The new file is deleted with what this gives.

        Raises
        ------
        ExecutorError
            If there is no room for it.
        """
        if (there := cls._again(array)) is not None:
            return there
        from loky.backend import resource_tracker

        folder = _folder(array.nbytes)
        delete_left(folder)
        handle, name = new_file(folder)
        # Deletes it if this process is killed, unless it is killed too.
        resource_tracker.register(name, "file")
        try:
            with os.fdopen(handle, "wb", closefd=False) as file:
                array.ravel(order="K").tofile(file)
            made = cls._at(name, 0, array.dtype, array.shape, _order(array))
        except OSError as error:
            _delete(name, handle, os.getpid())
            raise ExecutorError(
                f"There is no room in {Path(name).parent} for an array of {array.nbytes:,} bytes "
                f"that worker processes are to share ({error}). Make room there, or let TMPDIR "
                "name another folder."
            ) from error
        weakref.finalize(made, _delete, name, handle, os.getpid())
        return made

    @classmethod
    def _again(cls, array: npt.NDArray[Any]) -> MappedArray | None:
        """Map the file of an array once more, unless another is in its place by now."""
        if not (
            isinstance(array, np.memmap)
            and isinstance(array.base, mmap.mmap)
            and isinstance(array.filename, (str, os.PathLike))
            and array.mode != "c"
        ):
            return None
        with suppress(OSError, ValueError):
            found = cls._at(array.filename, array.offset, array.dtype, array.shape, _order(array))
            if all(map(np.array_equal, _parts(found), _parts(array))):
                return found
        return None

    @classmethod
    def _at(
        cls, name: Any, offset: int, dtype: Any, shape: tuple[int, ...], order: Any
    ) -> MappedArray:
        return cls(name, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)

    def __repr__(self) -> str:
        # Parameters that are no arrays themselves but hold some are told apart by it.
        return repr(self.view(np.ndarray))

    def __reduce__(self) -> Any:
        if not isinstance(self.base, mmap.mmap):  # a part of one, or a copy
            return np.array(self).__reduce__()
        place = (self.filename, self.offset, self.dtype, self.shape, _order(self))
        return MappedArray._at, place


def with_shared_arrays(
    conditions: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The same conditions with mapped arrays for large ones, also in lists, tuples and dicts.

    An array that is there twice is mapped once.

    Raises
    ------
    ExecutorError
        If there is no room for one.
    """
    made: _Made = {}
    return {
        name: {key: _mapped(value, made) for key, value in given.items()}
        for name, given in conditions.items()
    }


_Made = dict[int, tuple[Any, MappedArray]]
"""Id of an array -> the array, which keeps the id its own, and the mapped one."""


def _mapped(value: Any, made: _Made) -> Any:
    if _is_large(value):
        if id(value) not in made:
            made[id(value)] = value, MappedArray.of(value)
        return made[id(value)][1]
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, made) for item in value)
    if type(value) is dict:
        return {key: _mapped(item, made) for key, item in value.items()}
    return value


def _is_large(value: Any) -> bool:
    return (
        type(value) in (np.ndarray, np.memmap)
        and value.nbytes >= LARGE_BYTES
        and value.dtype.kind in ARRAY_KINDS
        and bool(_order(value))
    )


def _order(array: npt.NDArray[Any]) -> str:
    if array.flags.c_contiguous:
        return "C"
    return "F" if array.flags.f_contiguous else ""


def _parts(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.uint8]]:
    """The bytes of an array that is in one piece, some at a time."""
    data = array.ravel(order="K").view(np.ndarray).view(np.uint8)
    return (data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES))


def _folder(size: int) -> Path:
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        with suppress(OSError):
            if shutil.disk_usage(SHARED_MEMORY).free > 2 * size:
                return SHARED_MEMORY
    return Path(tempfile.gettempdir())


def _delete(name: str, handle: int, maker: int) -> None:
    if os.getpid() != maker:  # a fork of the process that made it
        return
    from loky.backend import resource_tracker

    with suppress(OSError):  # still mapped, on Windows: the tracker deletes it at the end
        os.close(handle)  # first: Windows deletes nothing that is open
        Path(name).unlink(missing_ok=True)
        resource_tracker.unregister(name, "file")
