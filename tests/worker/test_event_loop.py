"""An event loop of ours: closing it ends whatever is left on it."""

from __future__ import annotations

import asyncio

from crystallize.cells.block import CellByCell
from crystallize.worker.event_loop import CellTask, OwnLoop


def test_closing_a_loop_ends_a_cell_that_is_left_on_it() -> None:
    ended: list[str] = []

    async def cell() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cell")

    async def leave_one() -> None:
        left = CellTask(cell(), loop=asyncio.get_running_loop())
        left.block = CellByCell("a run", 1, cell=("for whom", 0, 0))
        await asyncio.sleep(0)

    loop = OwnLoop()
    loop.run(leave_one())
    loop.close()
    assert ended == ["cell"]
    assert loop.loop.is_closed()
