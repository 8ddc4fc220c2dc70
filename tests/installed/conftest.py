"""Real distributions on a real path."""

import pytest


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs a small distribution: a module and its metadata, in a folder on the path."""

    def install(name, entry_points, module="", version="1.0"):
        folder = tmp_path / f"site-{name}-{version}"
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            f"[{group}]\n{entry} = {value}\n"
            for group, entries in entry_points.items()
            for entry, value in entries.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        (folder / f"{name.replace('-', '_')}.py").write_text(module)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install
