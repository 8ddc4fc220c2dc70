"""The ray strategy under the suite of every executor, on one head for all tests."""

from __future__ import annotations

import sys

import cloudpickle
import pytest
from crystallize_ray import RayExecution

from crystallize.testing import ExecutorSuite

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test module


@pytest.fixture(scope="module", autouse=True)
def head():
    with RayExecution(workers=2).connected():
        yield


@pytest.mark.faults
class TestConformance(ExecutorSuite):
    patience = 120.0  # a program of its own starts three heads
    replicates = 20

    def make(self):
        return RayExecution(workers=2)
