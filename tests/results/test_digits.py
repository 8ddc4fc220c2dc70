"""How many digits a number is shown with."""

import math

import pytest

from crystallize.results.digits import as_sure_as


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.9512, 0.00218, "0.9512"),
        (0.9512, 0.0218, "0.951"),
        (0.95, 0.00218, "0.9500"),
        (0.0218, 0.0218, "0.022"),
        (1.0, 0.0996, "1.00"),  # the error is 0.10, rounded
        (0.0996, 0.0996, "0.10"),
        (1234.5678, 250.0, "1235"),
        (-0.0001, 0.02, "0.000"),
        (0.0, 0.02, "0.000"),
        (3.0, 40.0, "3"),
        (1e-8, 2e-9, "1.00e-08"),
        (1.23456789e12, 1e7, "1.234568e+12"),
    ],
)
def test_the_last_digit_is_the_second_one_of_the_error(value, error, text):
    assert as_sure_as(value, error) == text


@pytest.mark.parametrize("error", [None, 0.0, math.nan, math.inf])
def test_without_an_error_there_are_six(error):
    assert as_sure_as(0.12345678, error) == "0.123457"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_said_to_be_so(value):
    assert as_sure_as(value, 0.1) == str(value)


def test_no_error_has_more_digits_than_a_float():
    assert as_sure_as(1.0, 1e-300) == "1.00000000000000e+00"
    assert as_sure_as(5e-324, 5e-324) == "4.9e-324"
