import importlib
import sys
from pathlib import Path

# The package is at the repository's root, which is not importable; once it is loaded, its modules
# are found through it, so nothing else of the root becomes importable.
sys.path.insert(0, str(Path(__file__).parents[2]))
try:
    importlib.import_module("benchmarks")
finally:
    sys.path.pop(0)
