"""Schedules and clipping: the published formulas, their ends, and what is refused."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Value, nn
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import AnomalyError, SettingError
from tinygrad_edu.train import (
    SGD,
    Adam,
    ClipByNorm,
    ClipByValue,
    History,
    ReduceLROnPlateau,
    constant,
    cosine,
    cosine_restarts,
    linear,
    step_decay,
    warm_up,
)


def test_they_start_at_one_and_end_where_they_should():
    """And stay there for ever after."""
    for schedule, end in ((linear(10, 0.2), 0.2), (cosine(10, 0.2), 0.2), (constant(), 1.0)):
        assert schedule(0) == 1.0
        assert schedule(10) == schedule(1000) == pytest.approx(end, abs=1e-15)


def test_cosine_is_that_of_the_paper():
    """Loshchilov and Hutter 2017, eq. 5, with rates between 1 and 0."""
    schedule = cosine(8)

    for t in range(9):
        assert schedule(t) == pytest.approx(0.5 * (1 + math.cos(math.pi * t / 8)), abs=1e-15)


def test_warm_up_is_linear_and_hands_over():
    """Its last update has the full rate, then the other schedule starts from its beginning."""
    schedule = warm_up(4, then=step_decay(2, 0.5))

    assert [schedule(i) for i in range(9)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]


def test_the_schedule_moves_the_rate_of_each_step():
    """With a gradient of 1, the weight falls by the rates themselves."""
    w = Value(0.0)
    optimizer = SGD([w], 0.5, schedule=linear(4))
    path = []
    for _ in range(5):
        w.grad = 1.0
        optimizer.step()
        path.append(w.data)

    assert path == [-0.5, -0.875, -1.125, -1.25, -1.25]
    assert optimizer.learning_rate == 0.5


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("factor", [math.nan, -0.5, math.inf, "1"])
def test_a_schedule_that_answers_nonsense_is_refused(factor):
    """Before any weight is changed."""
    w = Value(1.0)
    optimizer = SGD([w], 0.1, schedule=lambda step: factor)

    with pytest.raises(SettingError, match=r"schedule\(0\) is"):
        optimizer.step()
    assert w.data == 1.0


numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_clipping_by_norm_keeps_the_direction(gradients, limit):
    """The norm is at most the limit, and all gradients shrink by one factor, if at all."""
    norm = math.sqrt(math.fsum(g * g for g in gradients))

    clipped = [ClipByNorm(limit)(ieee, g, norm) for g in gradients]

    assert math.sqrt(math.fsum(g * g for g in clipped)) <= limit * (1 + 1e-12)
    factor = min(1.0, limit / (norm + 1e-6))
    assert clipped == [g * factor for g in gradients]


@given(st.lists(numbers, min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_clipping_by_value_is_numpys_clip(gradients, limit):
    """One formula on floats and on arrays."""
    clip = ClipByValue(limit)

    assert [clip(ieee, g, 0.0) for g in gradients] == np.clip(gradients, -limit, limit).tolist()
    array = clip(np, np.array(gradients), 0.0)
    assert array.tolist() == np.clip(gradients, -limit, limit).tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: linear(0),
        lambda: cosine(2.5),
        lambda: step_decay(3, 0.0),
        lambda: warm_up(-1),
        lambda: warm_up(3, then=0.5),
        lambda: ClipByNorm(0.0),
        lambda: ClipByValue(math.nan),
        lambda: linear(3, end=-1.0),
        lambda: cosine_restarts(3, growth=0),
        lambda: ReduceLROnPlateau(None, factor=1.0),
        lambda: ReduceLROnPlateau(None, patience=0),
    ],
)
def test_settings_are_checked_when_it_is_made(make):
    """Not in the middle of training."""
    with pytest.raises(SettingError):
        make()


@pytest.mark.parametrize(
    "schedule",
    [
        *(constant(), step_decay(3), linear(7), cosine(7), warm_up(2), warm_up(2, then=cosine(5))),
        cosine_restarts(2, 2),
    ],
)
def test_an_optimizer_is_pickled_with_its_schedule(schedule):
    """So that a worker, or another process, makes the same steps."""
    model = nn.MLP(1, [1])

    twin = pickle.loads(pickle.dumps(Adam(model.parameters(), 0.1, schedule=schedule)))

    assert [twin.schedule(step) for step in range(12)] == [schedule(step) for step in range(12)]


def test_cosine_with_restarts_is_that_of_the_paper():
    """Each cycle is a cosine of its own length, ``growth`` times that before."""
    schedule = cosine_restarts(3, growth=2, end=0.25)

    expected = [cosine(n, 0.25)(i) for n in (3, 6, 12) for i in range(n)]
    assert [schedule(i) for i in range(21)] == expected
    assert [cosine_restarts(4)(i) for i in range(8)] == [cosine(4)(i % 4) for i in range(8)]


def reduced(losses, **settings):
    """The learning rate after each epoch of these losses."""
    history, optimizer = History(), SGD([Value(0.0)], 1.0)
    callback, rates = ReduceLROnPlateau(optimizer, factor=0.5, **settings), []
    for loss in losses:
        history.add({"loss": loss})
        callback(history, None)
        rates.append(optimizer.learning_rate)
    return rates


def test_the_rate_falls_after_so_many_epochs_without_a_better_loss():
    """And is counted anew; never below the smallest; a rise and a nan are not better."""
    assert reduced([3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0], patience=2) == [
        1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125,
    ]  # fmt: skip
    assert reduced([1.0] * 5, patience=1, smallest=0.4) == [1.0, 0.5, 0.4, 0.4, 0.4]
    assert reduced([1.0, 0.95, 0.9], patience=1, min_delta=0.2) == [1.0, 0.5, 0.25]
    assert reduced([math.nan, 1.0, 0.5], patience=1) == [0.5, 0.5, 0.5]


def test_the_plateau_of_an_earlier_run_does_not_count():
    """Another run of the same history is judged by its own losses; a callback may be used again."""
    history, optimizer = History(loss=[0.1, 0.1]), SGD([Value(0.0)], 1.0)
    callback = ReduceLROnPlateau(optimizer, patience=2)

    for _ in range(2):
        history.begin()
        for loss in (5.0, 4.0, 3.0):
            history.add({"loss": loss})
            callback(history, None)

    assert optimizer.learning_rate == 1.0


@pytest.mark.parametrize("clip", [ClipByNorm(1.0), ClipByValue(0.5)], ids=repr)
@pytest.mark.parametrize("size", [1.2e154, 1e300, 1e-200])
def test_clipping_is_right_where_squares_overflow(clip, size):
    """On floats and on arrays; the direction of the step is that of the gradient."""
    values, w = [Value(0.0), Value(0.0)], np.zeros(2)
    for value, part in zip(values, (3.0, -4.0), strict=True):
        value.grad = part * size
    eager, compiled = SGD(values, 1.0, clip=clip), SGD(values, 1.0, clip=clip)

    compiled.step_arrays(np, tuple(values), w, np.array([3.0 * size, -4.0 * size]))
    eager.step()

    by_norm = isinstance(clip, ClipByNorm)
    expected = [-0.6, 0.8] if by_norm else [-0.5, 0.5]
    expected = expected if size > 1.0 else [-3.0 * size, 4.0 * size]
    assert w.tolist() == pytest.approx(expected, rel=1e-5)
    assert [v.data for v in values] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("grad", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_has_no_norm_is_not_clipped_in_silence(grad):
    """It would become nan in every weight."""
    w = Value(1.0)
    w.grad = grad
    optimizer = SGD([w], 0.1, clip=ClipByNorm(1.0))

    with pytest.raises(AnomalyError, match=r"the norm of the gradient is (inf|nan)"):
        optimizer.step()
    with pytest.raises(AnomalyError, match=r"the norm of the gradient is (inf|nan)"):
        optimizer.step_arrays(np, (w,), np.ones(1), np.array([grad]))
    assert (w.data, optimizer.steps) == (1.0, 0)
