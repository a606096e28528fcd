"""Intervals and tests: they say what textbooks say, and are right as often as they claim."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from graphs.workers.inference import correlation, holm, mean_interval, slope

SAMPLES = 2000
probabilities = st.lists(st.floats(0, 1), max_size=30)


def test_a_slope_its_error_and_its_p_are_those_of_scipy() -> None:
    random = np.random.default_rng(1)
    for n in (3, 10, 500):
        x = random.uniform(0, 100, n)
        y = 2 - 0.3 * x + random.normal(0, 5, n)
        told = stats.linregress(x, y)
        found = slope(n, x.var(ddof=1), y.var(ddof=1), float(np.cov(x, y)[0, 1]), 0.9)
        assert found is not None
        reach = stats.t.ppf(0.95, n - 2) * told.stderr
        assert found.estimate == pytest.approx(told.slope)
        assert (found.interval.low, found.interval.high) == pytest.approx((told.slope - reach, told.slope + reach))
        assert found.p == pytest.approx(told.pvalue)


def test_a_correlation_its_interval_and_its_p_are_those_of_scipy() -> None:
    random = np.random.default_rng(2)
    for n in (4, 12, 300):
        x = random.normal(size=n)
        y = x + random.normal(size=n)
        told = stats.pearsonr(x, y)
        found = correlation(float(np.corrcoef(x, y)[0, 1]), n, 0.95)
        assert found is not None
        assert (found.interval.low, found.interval.high) == pytest.approx(tuple(told.confidence_interval(0.95)))
        assert found.p == pytest.approx(told.pvalue)


def test_the_interval_of_a_correlation_holds_the_truth_as_often_as_it_claims() -> None:
    random = np.random.default_rng(3)
    for truth in (0.0, 0.6, -0.9):
        held = 0
        for _ in range(SAMPLES):
            x = random.normal(size=25)
            y = truth * x + math.sqrt(1 - truth**2) * random.normal(size=25)
            found = correlation(float(np.corrcoef(x, y)[0, 1]), 25, 0.95)
            assert found is not None
            held += found.interval.low <= truth <= found.interval.high
        # Four standard errors of a share of 0.95 among so many.
        assert held / SAMPLES == pytest.approx(0.95, abs=0.02)


def test_the_interval_of_a_slope_holds_the_truth_as_often_as_it_claims() -> None:
    random, held = np.random.default_rng(4), 0
    for _ in range(SAMPLES):
        x = random.uniform(0, 10, 12)
        y = 3 + 0.5 * x + random.normal(size=12)
        found = slope(12, x.var(ddof=1), y.var(ddof=1), float(np.cov(x, y)[0, 1]), 0.9)
        assert found is not None
        held += found.interval.low <= 0.5 <= found.interval.high
    assert held / SAMPLES == pytest.approx(0.9, abs=0.03)


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_claims() -> None:
    random, held = np.random.default_rng(5), 0
    for _ in range(SAMPLES):
        x = random.normal(7, 3, 6)
        found = mean_interval(6, float(x.mean()), float(x.std(ddof=1)), 0.95)
        assert found is not None
        held += found.low <= 7 <= found.high
    assert held / SAMPLES == pytest.approx(0.95, abs=0.02)


def test_among_many_tests_of_noise_one_is_called_significant_no_more_often_than_the_level() -> None:
    random, wrong = np.random.default_rng(6), 0
    for _ in range(SAMPLES // 2):
        # Correlations among six columns: fifteen tests that depend on each other.
        r = np.corrcoef(random.normal(size=(6, 30)))[np.triu_indices(6, 1)]
        tests = [correlation(float(one), 30, 0.95) for one in r]
        wrong += min(holm([test.p for test in tests if test])) < 0.05
    assert wrong / (SAMPLES // 2) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / (SAMPLES // 2))


@given(probabilities)
def test_adjusted_ps_are_no_smaller_and_in_the_same_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)


@given(probabilities.filter(bool))
def test_the_smallest_p_is_multiplied_by_the_number_of_tests(ps: list[float]) -> None:
    assert min(holm(ps)) == min(1, len(ps) * min(ps))


@given(st.floats(-1, 1), st.integers(4, 10**6), st.sampled_from([0.8, 0.95, 0.999]))
def test_an_interval_is_within_what_a_correlation_can_be_and_around_it(r: float, n: int, confidence: float) -> None:
    found = correlation(r, n, confidence)
    assert found is not None
    assert -1 <= found.interval.low <= r + 1e-12
    assert r - 1e-12 <= found.interval.high <= 1
    assert 0 <= found.p <= 1


def test_what_a_sample_cannot_say_is_absent() -> None:
    assert mean_interval(1, 5, 0, 0.95) is None
    assert correlation(0.5, 3, 0.95) is None
    assert slope(2, 1, 1, 0.5, 0.95) is None
    assert slope(9, 0, 1, 0, 0.95) is None
    assert slope(9, 1, 0, 0, 0.95) is None


def test_an_exact_line_leaves_no_doubt() -> None:
    found = slope(10, 4, 16, 8, 0.95)
    assert found is not None
    assert (found.estimate, found.interval.low, found.interval.high, found.p) == (2, 2, 2, 0)
    same = correlation(1.0, 10, 0.95)
    assert same is not None
    assert (same.interval.low, same.interval.high, same.p) == (1, 1, 0)
