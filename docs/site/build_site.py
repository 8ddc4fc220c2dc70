"""Build the site: ``python docs/site/build_site.py`` writes ``build/site/html``.

The pages are laid out as they lie in the repository, so what links them works in both.  Added
are a reference of what is public, and the reports of the examples.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from gallery import EXAMPLES, write_reports

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PUBLIC = (
    "crystallize",
    "crystallize.plugins",
    "crystallize.plugins.execution",
    "crystallize.experiments",
    "crystallize.testing",
)
SHOWN = {".py": "python", ".toml": "toml"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--quick", action="store_true", help="examples with few replicates")
    chosen = parser.parse_args()
    build(chosen.into.resolve(), quick=chosen.quick)


def build(into: Path, *, quick: bool) -> None:
    """Lay the pages out and make the site of them; whatever does not fit ends it."""
    pages = into / "pages"
    shutil.rmtree(into, ignore_errors=True)
    lay_out(pages)
    check_navigation(HERE / "zensical.toml", pages)
    illustrate(pages / "examples", write_reports(pages / "examples", quick=quick))
    shutil.copy(HERE / "zensical.toml", into)
    (into / "extensions").mkdir()
    shutil.copy(HERE / "roles.py", into / "extensions")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=into, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(COLOUR.sub("", done.stdout + done.stderr))


def check_navigation(config: Path, pages: Path) -> None:
    """Whoever adds a page says where it is found."""
    nav = tomllib.loads(config.read_text(encoding="utf-8"))["project"]["nav"]
    entries = [entry for group in nav for own in group.values() for entry in own]
    linked = {page for entry in entries for page in entry.values()}
    there = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    if linked != there:
        sys.exit(f"In {config.name} and no page, or a page and not there: {sorted(linked ^ there)}")


def lay_out(pages: Path) -> None:
    """Every page at its place, with what it links to."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")]
    found += (path for path in ROOT.glob("docs/**/*.*") if HERE not in path.parents)
    for source in found:
        target = pages / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    shutil.copy(ROOT / "LICENSE", pages)
    for folder in EXAMPLES:
        add_example(ROOT / "examples" / folder, pages / "examples" / folder)
    (pages / "examples" / "README.md").write_text(gallery_page(), encoding="utf-8")
    (pages / "reference").mkdir()
    for package in PUBLIC:
        text = reference(package)
        (pages / "reference" / f"{package}.md").write_text(text, encoding="utf-8")


def add_example(source: Path, target: Path) -> None:
    """An example's page: what it says of itself, its report, and its files."""
    target.mkdir(parents=True)
    page = (source / "README.md").read_text(encoding="utf-8")
    page += "\n## Its report\n\n[What `crystallize report` makes of it](report.html), "
    page += "a file by itself.\n\n## Its files\n"
    for path in sorted(source.rglob("*")):
        if path.suffix in SHOWN:
            name, text = path.relative_to(source), path.read_text(encoding="utf-8")
            page += f"\n### {name}\n\n````{SHOWN[path.suffix]}\n{text}````\n"
        elif path.suffix == ".ipynb":
            shutil.copy(path, target)
    (target / "README.md").write_text(page, encoding="utf-8")


def gallery_page() -> str:
    """The list of examples, whose folders are pages here."""
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for folder in EXAMPLES:
        text = text.replace(f"]({folder})", f"]({folder}/README.md)")
    return text


def illustrate(examples: Path, pictures: Mapping[str, str]) -> None:
    """Each example with its picture, on its own page and in the gallery."""
    gallery = examples / "README.md"
    cards = [gallery.read_text(encoding="utf-8"), "## What they find"]
    for name, picture in pictures.items():
        page = examples / name / "README.md"
        title, rest = page.read_text(encoding="utf-8").split("\n", 1)
        shown = f'<div class="picture">{picture}</div>'
        page.write_text(f"{title}\n\n{shown}\n{rest}", encoding="utf-8")
        cards += [f"### [{title.removeprefix('# ')}]({name}/README.md)", shown]
    gallery.write_text("\n\n".join(cards) + "\n", encoding="utf-8")


def reference(package: str) -> str:
    """A page of everything that a package offers."""
    module = importlib.import_module(package)
    names = "".join(f"\n::: {package}.{name}\n" for name in module.__all__ if name[0] != "_")
    return f"# {package}\n\n{module.__doc__}\n{names}"


if __name__ == "__main__":
    main()
