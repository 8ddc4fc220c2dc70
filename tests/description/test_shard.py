"""Which replicates a shard has, and what an array job says of which shard it is."""

import re

import pytest

from crystallize.description.array_jobs import SCHEDULERS, VARIABLE
from crystallize.description.shard import Shard, shard
from crystallize.errors import CrystallizeError


@pytest.fixture(autouse=True)
def no_array(monkeypatch):
    for scheduler in SCHEDULERS:
        for name in scheduler.variables:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(("replicates", "count"), [(1000, 10), (103, 10), (7, 7), (5, 9), (1, 1)])
def test_shards_have_each_replicate_once_and_are_alike_in_size(replicates, count):
    parts = [Shard(number, count).part(replicates) for number in range(1, count + 1)]
    assert [i for start, stop in parts for i in range(start, stop)] == list(range(replicates))
    sizes = {stop - start for start, stop in parts}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/10", "11/10", "3", "3/0", "a/b", "-1/3", "3/10/2", "", 3, 0.3])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(CrystallizeError, match=r"^--shard: expected .* '3/10'"):
        shard("--shard", text)


SLURM = {
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "10",
    "SLURM_ARRAY_TASK_COUNT": "10",
    "SLURM_ARRAY_TASK_STEP": "1",
}
SGE = {
    "SGE_TASK_ID": "21",
    "SGE_TASK_FIRST": "1",
    "SGE_TASK_LAST": "91",
    "SGE_TASK_STEPSIZE": "10",
}
LSF = {"LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "10", "LSB_JOBINDEX_STEP": "1"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (SLURM, "3/10"),
        (SLURM | {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "9"}, "4/10"),
        (SGE, "3/10"),
        (LSF, "3/10"),
        # Outside of an array these are set all the same.
        (SLURM | {"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "0"}, "3/10"),
        ({VARIABLE: "2/5"} | SLURM, "2/5"),
    ],
)
def test_the_variables_of_an_array_say_which_shard_it_is(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = shard("--shard", "auto")
    assert str(found) == expected
    used = {VARIABLE} if VARIABLE in variables else variables.keys() - {"SGE_TASK_ID"}
    assert any(f"{name}={variables[name]}" in found.source for name in used)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "none of CRYSTALLIZE_SHARD, SLURM_ARRAY_TASK_ID, .* is set. Say which shard it is"),
        ({"PBS_ARRAY_INDEX": "3"}, r'PBS .*no variable .*Say of how many: "\$PBS_ARRAY_INDEX/N"'),
        ({"PBS_ARRAYID": "3"}, r'Torque .* Say of how many: "\$PBS_ARRAYID/N"'),
        (
            {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MAX": "9"},
            r'SLURM_ARRAY_TASK_MIN is not\. Say of how many: "\$SLURM_ARRAY_TASK_ID/N"',
        ),
        (LSF | {"LSB_JOBINDEX_END": ""}, "LSB_JOBINDEX_END is not"),
        # Tasks that are submitted again are an array of their own.
        (
            SLURM | {"SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "3"},
            r"perhaps some of one that are run again.*SLURM_ARRAY_TASK_MIN=3",
        ),
        (SLURM | {"SLURM_ARRAY_TASK_COUNT": "4"}, "SLURM_ARRAY_TASK_COUNT=4"),
        (SGE | {"SGE_TASK_ID": "many"}, "SGE_TASK_ID: expected a whole number"),
        (SLURM | LSF, "SLURM_ARRAY_TASK_ID=3 and LSB_JOBINDEX=3 are set"),
        ({VARIABLE: "3"}, r"CRYSTALLIZE_SHARD=3: expected"),
    ],
)
def test_what_an_array_does_not_say_is_asked_for(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CrystallizeError) as caught:
        shard("--shard", "auto")
    assert re.search(message, str(caught.value)), str(caught.value)
