"""The benchmark of compiled graphs compares what it times, and says what is missing or missed."""

import importlib
import sys

import pytest

from tests.quick_run import quick_figures
from tests.targets import CC, on_every_target
from tinygrad_edu.compiler import c_library
from tinygrad_edu.engine.errors import MissingExtraError

pytest.importorskip("sklearn")
np = pytest.importorskip("numpy")

from benchmarks import families, million, peers  # noqa: E402
from benchmarks.compiled import (  # noqa: E402
    QUICK,
    Compiled,
    agreement,
    classes_work,
    enter,
    moons_work,
)
from benchmarks.models import layers  # noqa: E402
from benchmarks.peers import PEERS, ByHand, peer  # noqa: E402
from benchmarks.report import HAND, NUMPY, PYTHON, C  # noqa: E402
from benchmarks.timing import Disagreement  # noqa: E402

WORKS = (moons_work(QUICK), classes_work("digits", (6, 5, 3), 4, {}))
works = pytest.mark.parametrize("work", WORKS, ids=["hinge", "cross entropy"])


@pytest.mark.slow
def test_a_quick_run_measures_everyone_and_writes_what_it_is_told(tmp_path):
    """All contenders descend with the losses of NumPy by hand; the figures are complete."""
    measured = quick_figures("compiled", tmp_path)

    names = [name.split(",")[0] for name in measured["workloads"]]
    assert names == ["moons", "digits", "MNIST size"]
    for work in measured["workloads"].values():
        assert set(work["contenders"]) == {NUMPY, C, HAND, PYTHON, *PEERS}
        for row in work["contenders"].values():
            assert "absent" in row or (row["losses_apart"] <= 1e-9 and row["us"] > 0.0)
    for family in measured["families"].values():
        assert set(family["ratios"]) == {NUMPY, C, HAND, *families.PEERS}
    assert not any("stopped" in case for case in measured["million"])


@works
def test_the_hand_written_gradient_is_the_slope_of_its_loss(work):
    """By central differences in a random direction: the reference itself is checked."""
    hand = ByHand(work.problem)
    hand.step()
    slopes = list(reversed(hand.gradients))
    rng = np.random.RandomState(1)
    ways = [(rng.randn(*w.shape), rng.randn(*b.shape)) for w, b in hand.layers]

    def moved(by):
        for (w, b), (dw, db) in zip(hand.layers, ways, strict=True):
            w += by * dw
            b += by * db
        return hand.step()

    ahead, behind = moved(1e-6), moved(-2e-6)
    along = sum(
        (s * d).sum()
        for pair, way in zip(slopes, ways, strict=True)
        for s, d in zip(pair, way, strict=True)
    )

    assert (ahead - behind) / 2e-6 == pytest.approx(along, rel=1e-6)


@works
@on_every_target
def test_our_targets_descend_as_numpy_by_hand(work, target):
    """The losses before each of 50 descents and after the last agree."""
    found = agreement(work, {target: work.compile(target)}, 50)

    assert found[target]["descents"] == 50
    assert found[target]["losses_apart"] < 1e-12


class Wrong(ByHand):
    """A contender whose gradient is off by a millionth, or whose loss is nan."""

    def __init__(self, problem, spoil):
        super().__init__(problem)
        self.spoil = spoil

    def step(self):
        """With one fault."""
        loss = super().step()
        return float("nan") if self.spoil == "loss" else loss

    def descend(self, rate):
        """A little too far."""
        super().descend(rate * (1.000001 if self.spoil == "gradient" else 1.0))


@works
@pytest.mark.parametrize("spoil", ["loss", "gradient"])
def test_a_wrong_loss_is_noticed(work, spoil):
    """A nan at once; a gradient off by a millionth within 50 descents."""
    agreement(work, {"right": Wrong(work.problem, "nothing")}, 50)

    with pytest.raises(Disagreement, match=r"wrong has losses .* away from NumPy by hand's"):
        agreement(work, {"wrong": Wrong(work.problem, spoil)}, 50)


@pytest.mark.parametrize("name", PEERS)
def test_a_missing_peer_is_said(monkeypatch, name):
    """Its row tells that it is not installed, and how to install it."""
    package, _ = PEERS[name]
    monkeypatch.setitem(sys.modules, package, None)

    assert peer(name, WORKS[0].problem) == f"not installed: pip install {package}"


def test_a_broken_peer_is_not_called_missing(monkeypatch):
    """Another module that its code fails to import is an error."""

    def broken(problem):
        importlib.import_module("no_such_module")

    monkeypatch.setitem(peers.PEERS, "JAX jit", ("numpy", broken))

    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        peer("JAX jit", WORKS[0].problem)


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=CC)])
def test_a_wrong_slope_of_a_family_is_noticed(target):
    """On either target: each parameter's slope is compared, not the loss alone."""
    ours, hand = families.Ours(layers.RadialBasis, target), families.by_hand(layers.RadialBasis)
    assert families.apart({target: ours, HAND: hand}) < 1e-12

    def wrong():
        loss, slopes = hand()
        return loss, {name: 1.000001 * slope for name, slope in slopes.items()}

    with pytest.raises(Disagreement, match=r"is 1.* away from NumPy by hand"):
        families.apart({target: ours, "wrong": wrong, HAND: hand})


def test_without_a_c_compiler_the_others_are_measured(monkeypatch):
    """The row of C says what is missing."""

    def none():
        raise MissingExtraError("there is no C compiler.", fix="pip install ziglang")

    monkeypatch.setattr(c_library, "compiler", none)

    assert enter(C, WORKS[1]) == "there is no C compiler."
    figures = families.measure_family(layers.RadialBasis, 1, 2)
    assert figures["ratios"][C] is None
    assert figures["ratios"][NUMPY] > 0.0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limits and the memory are Linux's")
def test_a_graph_beyond_the_limits_is_stopped():
    """The process ends when its memory is used up, and the case says in which stage."""
    cases = million.measure_million(2_000, [("chain", "python")])
    exhausted = million.measure_case("chain", "numpy", 10**7, gibibytes=0.25)

    assert cases[0]["nodes"] == 2_000
    assert "stopped" not in cases[0]
    assert exhausted["stopped"] == "build: more than 0.25 GiB"


def test_a_program_of_ours_moves_its_own_weights():
    """Both targets: the vector after a descent is the one before, less rate times gradient."""
    for target in ("numpy", "python"):
        ours = WORKS[1].compile(target)
        assert isinstance(ours, Compiled)
        ours.step()
        before, slopes = list(ours.program.vector), list(ours.program.gradient)

        ours.descend(0.5)

        expected = [v - 0.5 * g for v, g in zip(before, slopes, strict=True)]
        assert list(ours.program.vector) == pytest.approx(expected, rel=1e-15)
