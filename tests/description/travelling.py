"""Sends `trial` of each module of a folder as workers get it, or says how it arrived.

travelling.py send FOLDER FILE reference|value
travelling.py receive FOLDER FILE
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from contextlib import suppress
from pathlib import Path

import cloudpickle

from crystallize.description.fingerprint import loaded_fingerprint
from crystallize.worker.pickling import pickled_by_value
from crystallize.worker.same_code import unlike_driver

action, folder, file, *how = sys.argv[1:]
sys.path.insert(0, folder)
if action == "send":
    sent = {}
    for name in sorted(path.stem for path in Path(folder).glob("*.py")):
        if not name.endswith("_helper"):
            module = importlib.import_module(name)
            if how == ["value"]:
                cloudpickle.register_pickle_by_value(module)
            conditions = {"a": {"given": module.trial}}
            drivers = loaded_fingerprint(module.trial, conditions)
            with suppress(TypeError, AttributeError):  # no worker gets that either
                sent[name] = pickled_by_value((drivers, module.trial, conditions))
    Path(file).write_bytes(pickle.dumps(sent))
else:
    arrived = pickle.loads(Path(file).read_bytes())
    answers = {name: unlike_driver(*pickle.loads(each)) for name, each in arrived.items()}
    print(json.dumps({name: answer and str(answer) for name, answer in answers.items()}))
