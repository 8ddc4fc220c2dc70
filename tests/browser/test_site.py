"""The site as somebody reads it: served from this machine, with no other host there."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.browser]

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|link)\b[^>]*?\b(?:src|href)=[\"']?([^\"' >]+)"
)
LINKED = re.compile(r"<a\b[^>]*?\bhref=[\"']?([^\"' >]+)")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Standard error is for errors."""


@pytest.fixture(scope="module")
def address(site):
    handler = partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def pages(site):
    return {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(pages):
    loaded = {target for text in pages.values() for target in LOADED.findall(text)}
    assert not {target for target in loaded if re.match(r"(?:[a-z]+:)?//", target)}


def test_every_link_leads_to_a_file_that_is_there(pages):
    broken = set()
    for path, text in pages.items():
        if path.name in ("report.html", "404.html"):  # which is at any address
            continue
        for target in LINKED.findall(text):
            file = unquote(target).partition("#")[0]
            if not re.match(r"[a-z]+:", target) and file and not (path.parent / file).exists():
                broken.add((path.name, target))
    assert not broken


def test_what_is_public_is_in_the_reference(site):
    text = (site / "reference" / "crystallize.html").read_text(encoding="utf-8")
    for anchor in ("Experiment", "Experiment.from_config", "Result.summary", "grid", "StoreError"):
        assert f'id="crystallize.{anchor}"' in text, anchor
    # Roles are Sphinx's, and no reader's.
    assert not re.search(r":(?:func|meth|class|attr|exc|data|mod):", text)


def test_the_gallery_has_a_picture_and_a_report_of_each_example(site, pytestconfig):
    gallery = (site / "examples" / "index.html").read_text(encoding="utf-8")
    for example in pytestconfig.rootpath.glob("examples/*/README.md"):
        name = example.parent.name
        assert (site / "examples" / name / "report.html").exists()
        page = (site / "examples" / name / "index.html").read_text(encoding="utf-8")
        assert 'href="report.html"' in page
        for text in (gallery, page):
            assert re.search(rf'<svg[^>]+aria-labelledby="{name}-', text), name


@pytest.mark.parametrize("page", ["index.html", "examples/index.html", "docs/statistics.html"])
def test_pages_are_laid_out_on_a_phone_and_ask_no_other_host(page, address, visit):
    opened = visit(f"{address}/{page}")
    opened.page.set_viewport_size({"width": 360, "height": 740})
    assert opened.see("() => document.documentElement.scrollWidth") <= 360
    assert opened.complaints == []
    assert not [url for url in opened.requests if not url.startswith((address, "data:", "blob:"))]
    opened.page.close()


def test_a_search_finds_the_page_and_leads_there(address, visit):
    opened = visit(f"{address}/index.html")
    opened.page.locator(".md-search__button").click()
    opened.page.get_by_role("combobox", name="Search").fill("until half_width")
    found = opened.page.get_by_role("listbox").locator("a[href*='until.html']").first
    found.click()
    opened.page.wait_for_url("**/docs/until.html*")
    assert opened.page.title().startswith("Until enough is known")
    assert opened.complaints == []
    opened.page.close()
