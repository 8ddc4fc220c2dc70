"""Prints the fingerprint of `trial` in each module of a folder, as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from crystallize import Experiment
from crystallize.description.fingerprint import fingerprint_of

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
found = {}
for name in sorted(path.stem for path in folder.glob("*.py")):
    if not name.endswith("_helper"):
        trial = importlib.import_module(name).trial
        found[name] = fingerprint_of(Experiment(trial).spec).record()
print(json.dumps(found))
