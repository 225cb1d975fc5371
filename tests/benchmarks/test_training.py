"""The benchmark of whole training steps compares what it times, and its reference is right."""

import os
from pathlib import Path
from random import Random

import pytest

from tests.quick_run import quick_figures
from tests.targets import CC

np = pytest.importorskip("numpy")

from benchmarks import training  # noqa: E402
from benchmarks.report import HAND, NUMPY, C  # noqa: E402
from benchmarks.timing import Disagreement, empty_cache  # noqa: E402
from benchmarks.training import PEERS, QUICK, ByHand  # noqa: E402
from tinygrad_edu.nn import cross_entropy  # noqa: E402
from tinygrad_edu.train import Adam, fit  # noqa: E402

RNG = np.random.RandomState(0)
DATA = training.Data(RNG.randn(50, 64).tolist(), RNG.randint(0, 10, 50).tolist())
ORDERS = [training.shuffled(50, seed) for seed in range(3)]


@pytest.mark.slow
def test_a_quick_run_measures_everyone_and_writes_what_it_is_told(tmp_path):
    """All contenders train with the losses of NumPy by hand; the figures are complete."""
    measured = quick_figures("training", tmp_path)

    assert set(measured["contenders"]) == {C, NUMPY, *PEERS}
    for row in measured["contenders"].values():
        assert "absent" in row or (row["losses_apart"] <= 1e-9 and row["us"] > 0.0)
    assert {"numpy", "auto, empty cache", "Values, from one epoch"} <= set(measured["fits"])


def test_the_hand_written_gradient_is_the_slope_of_its_loss():
    """By central differences in a random direction: the reference itself is checked."""
    hand, rows = ByHand(DATA, QUICK), np.array(ORDERS[0][:16])
    hand.backward(rows)
    way = np.random.RandomState(1).randn(len(hand.w))
    along, start = float(hand.g @ way), hand.w.copy()

    def moved(by):
        hand.w[:] = start + by * way
        return hand.backward(rows)

    assert (moved(1e-6) - moved(-1e-6)) / 2e-6 == pytest.approx(along, rel=1e-6)


def test_the_reference_trains_as_fit_does_on_values():
    """Two epochs on the graph of Values, in the same order, with the package's own Adam."""
    model = training.untrained(QUICK)
    adam, rng = Adam(model.parameters(), training.RATE), Random(0)
    history = fit(
        model,
        cross_entropy,
        *DATA,
        epochs=1,
        batch_size=QUICK.batch,
        optimizer=adam,
        rng=rng,
        progress=False,
        compiled=False,
    )

    assert ByHand(DATA, QUICK)(ORDERS[0]) == pytest.approx(history.batch_loss, rel=1e-12)


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=CC)])
def test_our_targets_train_as_numpy_by_hand(target):
    """Also through a last batch of fewer samples, and from epoch to epoch."""
    epochs = {target: training.ours(DATA, QUICK, target), HAND: ByHand(DATA, QUICK)}

    found = training.agreement(epochs, ORDERS)

    assert found[target]["compared"] == 12
    assert found[target]["losses_apart"] < 1e-12


def later(hand):
    """Correct Adam as one step later."""
    hand.steps = 1


def slope(hand):
    """Double the slopes of the last biases, in Adam's moments."""
    hand.slopes[3] = np.zeros(10)


def nan(hand):
    """Spoil a weight."""
    hand.w[0] = float("nan")


@pytest.mark.parametrize("spoil", [later, slope, nan])
def test_a_wrong_step_is_noticed(spoil):
    """Adam's corrections off by a step, slopes that do not arrive, a nan."""
    wrong = ByHand(DATA, QUICK)
    spoil(wrong)

    with pytest.raises(Disagreement, match=r"wrong has losses .* away from NumPy by hand's"):
        training.agreement({"wrong": wrong, HAND: ByHand(DATA, QUICK)}, ORDERS)


@pytest.mark.parametrize("before", [None, "/somewhere"])
def test_an_empty_cache_is_empty_and_goes_away(monkeypatch, before):
    """What was set before is set again, and nothing if nothing was."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if before:
        monkeypatch.setenv("XDG_CACHE_HOME", before)

    with empty_cache():
        room = Path(os.environ["XDG_CACHE_HOME"])
        assert [*room.iterdir()] == []

    assert not room.exists()
    assert os.environ.get("XDG_CACHE_HOME") == before
