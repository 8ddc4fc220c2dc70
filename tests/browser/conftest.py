"""The site with the reports of all examples, built once, and one browser to look at them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crystallize import Experiment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = "CRYSTALLIZE_SCREENSHOTS"
"""Where pictures of the reports go; `build/screenshots` by default."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    into = tmp_path_factory.mktemp("site")
    build = ROOT / "docs" / "site" / "build_site.py"
    command = [sys.executable, build, "--quick", "--into", into]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return into / "html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # Which only these tests need.

    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert found, f"These tests need one of {', '.join(CHROMIUM)}; Debian's package is chromium."
    with sync_playwright() as playwright:
        # Root has no sandbox for what it starts, and CI runs as root.
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Visit:
    """A page that is open, and what it asked for and complained of since it was opened."""

    name: str
    address: str
    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.goto(self.address)

    def see(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)


@pytest.fixture(scope="session")
def visit(context: BrowserContext) -> Callable[..., Visit]:
    """Opens an address in a tab of its own."""

    def opened(address: str, name: str = "") -> Visit:
        return Visit(name, address, context.new_page())

    return opened


@pytest.fixture(scope="session")
def hard_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of what is hardest to show, by their names."""
    folder = tmp_path_factory.mktemp("hard")

    def wild(rng: np.random.Generator, level: int, kind: str) -> dict[str, Any]:
        if kind == "fails":
            raise ValueError("</script><img src=x onerror=alert(1)>" + "z" * 10_000)
        return {
            "</td><script>alert(1)</script>": rng.normal(),
            "אבג 😀": float("nan"),
            "text": kind,
        }

    kinds = ["fine", "\"quoted'</script>", "fails", "عربي \u202e", "x" * 10_000]
    names = {
        f"{place} {kinds[place % 5]}": {"level": place, "kind": kinds[place % 5]}
        for place in range(200)
    }
    Experiment(
        wild, names, replicates=4, seed=1, name="</title><b>‮ 😀" + "n" * 10_000
    ).run().export(folder / "wild.html")

    def nothing() -> dict[str, float]:
        return {}

    def fails() -> float:
        raise ValueError("always")

    Experiment(nothing, replicates=3, seed=1, name="no metrics").run().export(
        folder / "nothing.html"
    )
    Experiment(fails, {"a": {}, "b": {}}, replicates=3, seed=1).run().export(folder / "failed.html")
    return folder


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(accept_downloads=False)
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = Path(os.environ.get(SCREENSHOTS, ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
