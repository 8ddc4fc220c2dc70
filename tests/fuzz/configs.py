"""Configs that are whole, and what damages them."""

from hypothesis import strategies as st

from crystallize.spelling import spelled, spelled_key

FUNCTION = "fuzzed_trials:trial"
WHOLE = {
    "experiment": {"function": FUNCTION, "replicates": 3, "seed": 1, "retries": 1, "name": "n"},
    "parameters": {"m": 1},
    "conditions": {"a": {"n": 1}, "b": {"n": [1, 2.5]}},
    "execution": {"strategy": "serial"},
    "aggregation": {"aggregators": [], "options": {}},
    "store": {"path": "cells.db"},
}
GRID = {
    "experiment": {"function": FUNCTION, "baseline": "n=1,m=2"},
    "grid": {"n": [1, 2], "m": [2, "x"], "exclude": [{"n": 2, "m": "x"}]},
}
GRIDS = {"experiment": {"function": FUNCTION}, "grid": [{"n": [1]}, {"n": [2], "m": [3]}]}
CONFIGS = [WHOLE, GRID, GRIDS]

PIECES = [
    b"[", b"]", b"{", b"}", b"[[", b"*a", b"&a ", b"!!set ", b"!!python/name:os.system ", b'"',
    b"'", b"'''", b"\n", b"\n\n[", b"<<: *a\n", b"? ", b"- ", b": ", b" = ", b"#", b"\xff", b"\0",
    b"1e999", b"-0", b"0x", b"9" * 5000, b"nan", b"null", b"1979-05-27", b"extends = 'c.toml'\n",
    b"\xef\xbb\xbf", b"\r", b"\\u0000", b"\\ud800",
]  # fmt: skip

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(4000, 5000).map(lambda digits: 10**digits)
    | st.sampled_from([-(2**63), 2**64, 10**12, "os:system", "", "serial", "none", "."])
    | st.floats()
    | st.text(max_size=8)
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)

PARAMETERS = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)


def toml(content):
    """A config as TOML; what TOML has no word for raises a TypeError."""
    return "".join(f"{spelled_key(key)} = {spelled(value)}\n" for key, value in content.items())
