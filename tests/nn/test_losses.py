"""Losses against the textbook formulas at 40 digits: values, gradients, extremes, wrong calls."""

import itertools
import math
import re
from fractions import Fraction
from functools import reduce
from operator import add

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_edu import Value, detect_anomaly
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.nn import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    log_softmax,
    logsumexp,
    mse,
    softmax,
)

EPS = 2.0**-52
INF = math.inf
mp = mpmath.mp.clone()
mp.dps = 40

logit_lists = st.lists(st.floats(-60.0, 60.0), min_size=1, max_size=6)
EXTREMES = [0.0, 1.0, -745.2, 710.0, 5e-324, 1e300, -1e300, 8e307, -8e307]


def values(numbers):
    """One leaf for each."""
    return [Value(number) for number in numbers]


def exact_softmax(numbers):
    """e^z / sum e^z, as it is written in books."""
    exponentials = [mp.exp(mp.mpf(z)) for z in numbers]
    return [e / mp.fsum(exponentials) for e in exponentials]


def exact_cross_entropy(numbers, weights):
    """-sum t log y."""
    pairs = zip(weights, exact_softmax(numbers), strict=True)
    return -mp.fsum(mp.mpf(t) * mp.log(y) for t, y in pairs if t)


def rounding(numbers):
    """How far a sum of e^(z - max) may be off, relative to it: an ulp for each step on the way.

    Half an ulp of the exponent z - max costs the exponential as many ulps of its own.
    """
    return EPS * (len(numbers) + (max(numbers) - min(numbers)) + 2.0)


# --- softmax ------------------------------------------------------------------------------------


@given(numbers=logit_lists)
def test_softmax_is_the_formula_of_books(numbers):
    """Each probability, relative to its own size; their sum is 1 but for an ulp for each."""
    found = softmax(values(numbers))

    for y, exact in zip(found, exact_softmax(numbers), strict=True):
        assert abs(y.data - exact) <= rounding(numbers) * exact
    assert abs(math.fsum(y.data for y in found) - 1.0) <= EPS * len(numbers)


@given(numbers=logit_lists, i=st.integers(0, 5))
def test_the_slopes_of_softmax_are_y_i_times_delta_minus_y_j(numbers, i):
    """The Jacobian of one probability in all logits."""
    assume(i < len(numbers))
    logits, y = values(numbers), exact_softmax(numbers)

    softmax(logits)[i].backward()

    for j, z in enumerate(logits):
        assert abs(z.grad - y[i] * ((i == j) - y[j])) <= 4.0 * rounding(numbers) * y[i]


@given(numbers=logit_lists)
def test_log_softmax_is_its_logarithm(numbers):
    """Also where the probability itself has no digits left."""
    for log_y, exact in zip(log_softmax(values(numbers)), exact_softmax(numbers), strict=True):
        assert abs(log_y.data - mp.log(exact)) <= rounding(numbers)


@given(numbers=logit_lists)
def test_logsumexp_is_the_logarithm_of_the_sum(numbers):
    """And its gradient is softmax, to the last bit."""
    logits = values(numbers)

    root = logsumexp(logits)
    root.backward()

    exact = mp.log(mp.fsum(mp.exp(mp.mpf(z)) for z in numbers))
    assert abs(root.data - exact) <= rounding(numbers) + EPS * abs(exact)
    assert [z.grad for z in logits] == [y.data for y in softmax(logits)]


@given(numbers=st.lists(st.integers(-40, 40), min_size=2, max_size=6), shift=st.integers(-99, 99))
def test_a_shift_of_all_logits_changes_no_bit(numbers, shift):
    """Whole numbers, so that the shift itself is exact."""
    here, there = (values(z + c for z in numbers) for c in (0, shift))

    assert [y.data for y in softmax(here)] == [y.data for y in softmax(there)]
    assert cross_entropy(here, 1).data == cross_entropy(there, 1).data


def test_a_logit_of_minus_infinity_is_a_class_ruled_out():
    """Probability 0, gradient 0, and the others as if it were not there."""
    logits = values([1.0, -INF, 2.0])

    loss = cross_entropy(logits, 0)
    loss.backward()

    rest = values([1.0, 2.0])
    expected = cross_entropy(rest, 0)
    expected.backward()
    assert loss.data == expected.data
    assert [z.grad for z in logits] == [rest[0].grad, 0.0, rest[1].grad]
    assert softmax(logits)[1].data == 0.0
    assert log_softmax(logits)[1].data == -INF


def test_logsumexp_of_infinities():
    """As limits say: nothing but -inf is -inf, anything with +inf is +inf; nan stays nan."""
    assert logsumexp([-INF, -INF]).data == -INF
    assert logsumexp([INF, 1e300]).data == INF
    assert math.isnan(logsumexp([math.nan, 1e300]).data)
    assert math.isnan(logsumexp([1e300, math.nan]).data)


# --- cross entropy --------------------------------------------------------------------------------


@given(numbers=logit_lists, i=st.integers(0, 5))
def test_cross_entropy_is_minus_the_log_of_the_probability(numbers, i):
    """For an index; a one-hot target gives the same bits."""
    assume(i < len(numbers))
    one_hot = [float(i == j) for j in range(len(numbers))]

    loss = cross_entropy(values(numbers), i)

    assert abs(loss.data - exact_cross_entropy(numbers, one_hot)) <= rounding(numbers)
    assert cross_entropy(values(numbers), one_hot).data == loss.data


@given(
    numbers=st.lists(st.sampled_from(EXTREMES) | st.floats(-60, 60), min_size=1, max_size=6),
    i=st.integers(0, 5),
)
def test_the_gradient_is_y_minus_t_to_the_last_bit(numbers, i):
    """For an index and for one-hot, whatever the logits."""
    assume(i < len(numbers))
    one_hot = [float(i == j) for j in range(len(numbers))]

    for target in (i, one_hot):
        logits = values(numbers)
        cross_entropy(logits, target).backward()

        pairs = zip(softmax(logits), one_hot, strict=True)
        assert [z.grad for z in logits] == [y.data - t for y, t in pairs]


@given(numbers=logit_lists, raw=st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_targets_may_be_probabilities(numbers, raw):
    """Value as by the formula; the gradient is y - t to the last bit here, too."""
    assume(sum(raw[: len(numbers)]))
    weights = [number / sum(raw[: len(numbers)]) for number in raw[: len(numbers)]]
    logits = values(numbers)

    loss = cross_entropy(logits, weights)
    loss.backward()

    assert abs(loss.data - exact_cross_entropy(numbers, weights)) <= 2.0 * rounding(numbers)
    pairs = zip(softmax(logits), weights, strict=True)
    assert [z.grad for z in logits] == [y.data - t for y, t in pairs]


@pytest.mark.parametrize("numbers", list(itertools.permutations(EXTREMES, 2)))
@pytest.mark.parametrize("i", [0, 1])
def test_loss_and_gradient_are_finite_at_any_gap(numbers, i):
    """And the loss is right: log(1 + e^gap), nearly the gap itself where that is large."""
    logits = values(numbers)
    gap = mp.mpf(numbers[1 - i]) - mp.mpf(numbers[i])

    with detect_anomaly():
        loss = cross_entropy(logits, i)
        loss.backward()

    exact = gap + mp.exp(-gap) if gap > 50 else mp.log(1 + mp.exp(gap))
    assert math.isfinite(loss.data)
    assert all(math.isfinite(z.grad) for z in logits)
    assert abs(loss.data - exact) <= EPS * max(1.0, abs(exact))


def test_the_textbook_formula_would_fail_here():
    """So the test above can fail: without the shift, e^710 is infinite and the loss is nan."""
    a, b = values([710.0, 1.0])

    loss = (a.exp() + b.exp()).log() - a

    assert loss.data == INF
    loss.backward()
    assert math.isnan(a.grad)


@given(rows=st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_batch_gives_the_mean(rows):
    """Of losses, exactly; of gradients, within an ulp of 1/n."""
    n = len(rows)
    targets = [0, [0.0, 0.5, 0.5], 2, [0, 0, 1]][:n]
    logits = [values(row) for row in rows]

    loss = cross_entropy(logits, targets)
    loss.backward()

    single = [cross_entropy(values(row), t).data for row, t in zip(rows, targets, strict=True)]
    assert loss.data == reduce(add, single) / n
    for row, target in zip(logits, targets, strict=True):
        t = target if isinstance(target, list) else [float(target == j) for j in range(3)]
        for z, y, weight in zip(row, softmax(row), t, strict=True):
            assert abs(z.grad - (y.data - weight) / n) <= EPS / n


TARGETS = [
    (cross_entropy, 3, "class 3 of 3"),
    (cross_entropy, -1, "class -1 of 3"),
    *((cross_entropy, target, target) for target in (1.5, math.nan, None)),
    (cross_entropy, [2.0, -1.0, 0.0], -1),
    (cross_entropy, [math.nan, 0.0, 1.0], "nan"),
    # labels 0 and 1 for the hinge, or -1 and +1 for the other, are the likely slips
    *((hinge, [1, 1, t], f"{t:.6g}") for t in (0, 0.5, 2, math.nan, False)),
    *((binary_cross_entropy, [1, 1, t], f"{t:.6g}") for t in (-1, 1.5, -1e-9, math.nan, INF)),
]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(("loss", "target", "shown"), TARGETS)
def test_a_target_that_is_not_allowed_is_refused(loss, target, shown):
    """With its value; the message says what is expected."""
    with pytest.raises(SettingError, match=f"(?s){re.escape(f'the target is {shown}.')}.*Expected"):
        loss(values([1.0, 2.0, 3.0]), target)


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(("target", "total"), [([0.5, 0.6, 0.0], "1.1"), ([0, 0, 0], "0")])
def test_probabilities_that_do_not_sum_to_one_are_refused(target, total):
    """With their sum."""
    with pytest.raises(SettingError, match=f"the target sum to {re.escape(total)}\\."):
        cross_entropy(values([1.0, 2.0, 3.0]), target)


NO_LOGITS = "expected a list of logits, got []"
LENGTHS = [
    (cross_entropy, ([1.0, 2.0, 3.0], [1.0, 0.0]), "2 probabilities, but there are 3 logits"),
    (cross_entropy, ([1.0, 2.0, 3.0], [0, 0, 0, 1]), "4 probabilities, but there are 3 logits"),
    (cross_entropy, ([1.0, 2.0, 3.0], []), "0 probabilities, but there are 3 logits"),
    (cross_entropy, (5.0, 0), "expected a list of logits, got 5.0"),
    (cross_entropy, ([[1.0, 2.0]] * 3, [0, 1]), "3 outputs and 2 targets"),
    (cross_entropy, ([[1.0, 2.0]] * 3, 1), "3 outputs and 1 targets"),
    (cross_entropy, ([[1.0, 2.0], []], [0, 1]), NO_LOGITS),
    (cross_entropy, ([], 0), NO_LOGITS),
    *((function, ([],), NO_LOGITS) for function in (softmax, log_softmax, logsumexp)),
    *(
        (loss, pair, f"{loss.__name__} got {counts} targets")
        for loss in (mse, hinge, binary_cross_entropy)
        for pair, counts in [
            (([1.0, 2.0], [1.0]), "2 outputs and 1"),
            (([1.0], [1.0, 1.0, 1.0]), "1 outputs and 3"),
            (([], []), "0 outputs and 0"),
            ((1.0, [1.0, 1.0]), "1 outputs and 2"),
            (([1.0, 2.0], 1.0), "2 outputs and 1"),
        ]
    ),
]


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize(("function", "arguments", "message"), LENGTHS)
def test_lengths_that_differ_are_refused(function, arguments, message):
    """Expected and got; never cut to the shorter one. Nothing has no probability and no mean."""
    with pytest.raises(LengthError, match=re.escape(message)):
        function(*arguments)


# --- mean squared error, hinge, binary cross entropy ---------------------------------------------

number_pairs = st.lists(
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=6
)


@given(pairs=number_pairs)
def test_mse_is_the_mean_of_squares(pairs):
    """Value and gradient 2 (y - t) / n."""
    outputs = values(y for y, _ in pairs)

    loss = mse(outputs, [t for _, t in pairs])
    loss.backward()

    n, exact = len(pairs), [mp.mpf(y) - mp.mpf(t) for y, t in pairs]
    mean = mp.fsum(e * e for e in exact) / n
    assert abs(loss.data - mean) <= EPS * (n + 3) * mean + 5e-324
    for y, e in zip(outputs, exact, strict=True):
        assert abs(y.grad - 2 * e / n) <= 2 * EPS * abs(2 * e / n) + 5e-324


@given(
    pairs=st.lists(st.tuples(st.floats(-9, 9), st.sampled_from([-1, 1])), min_size=1, max_size=6)
)
def test_hinge_is_the_mean_of_what_lacks_to_a_margin_of_one(pairs):
    """Value, and gradient -t / n where the margin is less than 1, else 0."""
    scores = values(s for s, _ in pairs)

    loss = hinge(scores, [t for _, t in pairs])
    loss.backward()

    n, margins = len(pairs), [t * Fraction(s) for s, t in pairs]
    mean = sum(max(Fraction(0), 1 - m) for m in margins) / n
    assert abs(loss.data - mean) <= EPS * (n + 2) * 10
    for score, m, (_, t) in zip(scores, margins, pairs, strict=True):
        rounds_to_one = 1.0 - float(m) == 0.0
        assert score.grad == (-t / n if m < 1 and not rounds_to_one else 0.0)


@pytest.mark.parametrize("z", [0.0, 0.5, -3.0, 40.0, -40.0, 700.0, -700.0, 1e300, -1e300])
@pytest.mark.parametrize("t", [0, 1, 0.25, 0.5])
def test_binary_cross_entropy_is_accurate_in_every_digit(z, t):
    """Relative to its own size, also where the loss is 1e-17; finite at any logit."""
    logit, x = Value(z), mp.mpf(z)

    loss = binary_cross_entropy(logit, t)
    loss.backward()

    def log1p_exp(u):
        return u if u > 1e4 else mp.log1p(mp.exp(u)) if u > -1e4 else mp.mpf(0)

    with mp.workdps(400):
        exact = t * log1p_exp(-x) + (1 - t) * log1p_exp(x)
        slope = 1 / (1 + mp.exp(-x)) - t
    assert abs(loss.data - exact) <= 3 * EPS * exact
    assert abs(logit.grad - slope) <= 2 * EPS * (abs(slope) if t in (0, 1) else 1.0) + 5e-324


def test_binary_cross_entropy_of_infinite_logits():
    """A certain answer that is right costs nothing, one that is wrong everything: never nan."""
    certain = Value(INF)

    loss = binary_cross_entropy([certain, Value(-INF)], [1, 0])
    loss.backward()

    assert (loss.data, certain.grad) == (0.0, 0.0)
    assert binary_cross_entropy(Value(INF), 0).data == INF
    assert binary_cross_entropy(Value(-INF), 1).data == INF


@given(pairs=st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=2, max_size=5))
def test_binary_cross_entropy_of_many_is_the_mean(pairs):
    """Of the single losses, exactly."""
    single = [binary_cross_entropy(Value(z), t).data for z, t in pairs]

    loss = binary_cross_entropy(values(z for z, _ in pairs), [t for _, t in pairs])

    assert loss.data == reduce(add, single) / len(pairs)


@pytest.mark.parametrize("loss", [mse, hinge, binary_cross_entropy])
def test_one_output_and_a_list_of_one_are_the_same(loss):
    """No division by 1 in the graph."""
    assert repr(loss(Value(0.5), 1)) == repr(loss([Value(0.5)], [1]))


@pytest.mark.parametrize("loss", [mse, hinge, binary_cross_entropy, cross_entropy])
@pytest.mark.parametrize("bad", ["1", None, 1j])
def test_outputs_must_be_numbers_or_values(loss, bad):
    """The same refusal as in arithmetic."""
    with pytest.raises(OperandError, match="expected a real number"):
        loss([1.0, bad], [1, 0] if loss is cross_entropy else [1, 1])


@pytest.mark.parametrize("loss", [mse, hinge, binary_cross_entropy, cross_entropy])
@pytest.mark.parametrize(
    "kind",
    [np.array, tuple, lambda ts: [Fraction(t) for t in ts], lambda ts: [Value(t) for t in ts]],
)
def test_targets_may_be_any_real_numbers_or_values(loss, kind):
    """Arrays, tuples, fractions; Values for a graph that is run again with other targets."""
    targets = [1, 0] if loss in (cross_entropy, binary_cross_entropy) else [1, -1]

    expected = loss(values([0.3, -0.7]), targets).data

    assert loss(values([0.3, -0.7]), kind(targets)).data == expected
