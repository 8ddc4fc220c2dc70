"""What the site needs of the pages; that it builds, and is found well, is in tests/browser."""

import importlib


def test_every_page_has_its_place_on_the_site(pytestconfig, tmp_path, monkeypatch):
    folder = pytestconfig.rootpath / "docs" / "site"
    monkeypatch.syspath_prepend(folder)
    build = importlib.import_module("build_site")
    build.lay_out(tmp_path)
    build.check_navigation(folder / "zensical.toml", tmp_path)
