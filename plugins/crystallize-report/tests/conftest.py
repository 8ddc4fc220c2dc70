"""Pages as a browser's parser sees them."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote

import crystallize_report
import pytest

VOID = {"meta", "input", "img", "br", "link"}


class Page(HTMLParser):
    """Tags that are closed as they were opened, texts, attributes.

    Attributes
    ----------
    tags : list of (str, dict)
    texts : list of (str, str)
        The tag around a text, and the text.
    tables : dict of str to list of list of str
        By their ids, the texts of the cells, the head first.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag == "figure":
            self._rows = self.tables[str(dict(attrs)["id"])] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open and self._open[-1] == tag, f"{tag} closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))
        if {"th", "td"} & set(self._open):
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        """All that is to be read."""
        return " ".join(data for tag, data in self.texts if tag not in ("script", "style"))

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]

    def inside(self, tag: str) -> str:
        """The first text in a tag."""
        return next(data for found, data in self.texts if found == tag)

    def rows(self, table: str) -> list[list[str]]:
        """The texts of a table's cells, its head first."""
        return self.tables[f"t-{table}"]

    def file(self, name: str) -> str:
        """What is behind a link to a file in the page."""
        for tag, attrs in self.tags:
            if tag == "a" and attrs.get("download") == name:
                return unquote((attrs["href"] or "").partition(",")[2])
        raise LookupError(name)


@pytest.fixture
def page_of():
    """A function that reads the report of a result or file; without figures, which take longest."""

    def read(source, *, figures=False, **options):
        return Page(crystallize_report.html(source, figures=figures, **options))

    return read
