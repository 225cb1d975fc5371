"""The benchmark of the course's GPT compares what it times, and its reference is right."""

import pytest

from tests.quick_run import quick_figures
from tests.targets import CC

np = pytest.importorskip("numpy")

from benchmarks import gpt  # noqa: E402
from benchmarks.models.gpt import ByHand  # noqa: E402
from benchmarks.report import HAND, NUMPY, C  # noqa: E402
from benchmarks.timing import Disagreement  # noqa: E402
from tinygrad_edu.course.gpt import NAMES  # noqa: E402

SMALL = (8, 4, 2, 2)  # two blocks
BATCHES = [[0, 7, 3], [12, 50, 200], [100, 2, 300]]


@pytest.mark.slow
def test_a_quick_run_measures_everyone_and_writes_what_it_is_told(tmp_path):
    """A batch of several names and one of a single name, with the same losses."""
    measured = quick_figures("gpt", tmp_path)

    assert [batch["names"] for batch in measured["batches"]] == [4, 1]
    for batch in measured["batches"]:
        assert set(batch["contenders"]) == {NUMPY, C, HAND}
        for row in batch["contenders"].values():
            if "absent" in row:
                continue
            assert row["losses_apart"] <= 1e-9
            assert min(row["us"], row["passes_us"], row["adam_us"]) > 0.0


def test_the_hand_written_gradient_is_the_slope_of_its_loss():
    """By central differences in a random direction: the reference itself is checked."""
    hand, rows = ByHand(*gpt.untrained(SMALL), NAMES), np.array(BATCHES[0])
    hand.backward(rows)
    way = np.random.RandomState(1).randn(len(hand.weights))
    along, start = float(hand.slopes @ way), hand.weights.copy()

    def moved(by):
        hand.weights[:] = start + by * way
        return hand.backward(rows)

    assert (moved(1e-6) - moved(-1e-6)) / 2e-6 == pytest.approx(along, rel=1e-6)


def contenders(spoil=lambda hand: None, target="numpy"):
    """Ours, and NumPy by hand, with which something may be wrong."""
    hand = gpt.by_hand(SMALL, BATCHES[0])
    ours = gpt.ours(gpt.compiled(SMALL, target), BATCHES[0])
    wrong = ByHand(*gpt.untrained(SMALL), NAMES)
    spoil(wrong)
    return {NUMPY: ours, HAND: hand, "wrong": gpt.Contender(lambda b: wrong.step(b), int, int)}


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=CC)])
def test_a_training_step_of_ours_is_that_of_numpy_by_hand(target):
    """The losses of twenty steps agree, through two blocks and names of different lengths."""
    assert gpt.agreement(contenders(target=target), BATCHES * 7) < 1e-12


def later_rate(hand):
    """Let the learning rate stay."""
    hand.adam.schedule = None


def no_square(hand):
    """Take another mean of squares."""
    hand.adam.beta2 = 0.9990001


def nan(hand):
    """Spoil a weight."""
    hand.weights[0] = float("nan")


def blind(hand):
    """Let letters see what comes after them."""
    hand.future[...] = 0.0


@pytest.mark.parametrize("spoil", [later_rate, no_square, nan, blind])
def test_a_wrong_step_is_noticed(spoil):
    """A rate that does not decay, another optimizer, a nan, attention without its mask."""
    with pytest.raises(Disagreement, match=r"wrong has losses .* away from NumPy by hand's"):
        gpt.agreement(contenders(spoil), BATCHES * 7)
