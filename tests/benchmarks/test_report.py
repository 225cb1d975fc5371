"""A table of figures says honestly what was reached and what was missed."""

from copy import deepcopy

import pytest

from benchmarks.report import MISSED, REACHED, as_text, load, promised, verdicts, with_figures

HAND, SLOWEST, STRAIGHT = "NumPy by hand", "micrograd", "ours, python"
NUMPY, C = "ours, numpy", "ours, c"


def eager(slower):
    """The figures of the committed run, each promise at its target, or a little beyond."""
    figures = deepcopy(load("eager"))
    for part, mode, least in (
        ("moons", "collector on", 8.0),
        ("moons", "collector off", 2.0),
        ("graph", "collector on", 4.0),
    ):
        figures[part][mode]["ratio"] = least / slower
    figures["graph"]["bytes_per_node"]["tinygrad_edu"] = 160.0 * slower
    for mode in ("collector on", "collector off"):
        figures["chain"][mode] |= {"backward": 2.0 * slower, "delete": 0.2 * slower}
    return figures


def compiled(slower):
    """The same of compiled programs; a million nodes may also be stopped."""
    figures = deepcopy(load("compiled"))
    for work, most in zip(figures["workloads"].values(), (1.0, 1.1, 1.2), strict=True):
        work["contenders"][HAND]["ratio"] = 1.0 / (most * slower)
        work["contenders"][SLOWEST]["ratio"] = 8_000.0 / slower
        work["contenders"][STRAIGHT]["micrograd_ratio"] = 200.0 / slower
        work["compile_seconds"] = 3.0 * slower
    moons, digits, mnist = (work["contenders"] for work in figures["workloads"].values())
    moons[C]["hand_ratio"], digits[C]["hand_ratio"] = 0.18 * slower, 0.22 * slower
    mnist[C]["hand_ratio"], mnist[NUMPY]["hand_ratio"] = 1.0 * slower, 2.0
    for family in figures["families"].values():
        family["ratios"] |= {NUMPY: 1.5 * slower, C: 9.0}
    for case in figures["million"]:
        case |= {"compile_seconds": 60.0 * slower, "peak_mib": 4096.0}
    if slower > 1.0:
        figures["million"][1] |= {"compile_seconds": 1.0, "peak_mib": 4096.1}
        figures["million"][2] |= {"compile_seconds": 1.0, "stopped": "run: more than 4 GiB"}
    return figures


def estimators(slower):
    """The same of the estimators, whose time must be below scikit-learn's."""
    figures = deepcopy(load("estimators"))
    for work in figures["data"].values():
        work["difference"] = -0.01 * slower
        work["contenders"]["scikit-learn"]["ratio"] = 1.001 / slower
    return figures


def gpt(slower):
    """The same of the course's GPT, for both sizes of a batch."""
    figures = deepcopy(load("gpt"))
    for batch in figures["batches"]:
        batch["contenders"][NUMPY]["ratio"] = 9.0
        batch["contenders"][C]["ratio"] = 1.0 * slower
    return figures


def training(slower):
    """The same of whole training steps."""
    figures = deepcopy(load("training"))
    targets = {HAND: 0.25, "PyTorch eager": 0.10, "JAX jit": 0.20}
    ratios = {name: target * slower for name, target in targets.items()}
    figures["contenders"][C]["ratios"] |= ratios
    return figures


def choices(slower):
    """The same of the choice of a target, for three models."""
    figures = deepcopy(load("choices"))
    figures["models"] = dict([*figures["models"].items()][:3])
    for row in figures["models"].values():
        few = str(figures["runs"][0])
        row["totals"][few] = {"numpy": 2.0, "python": 1.0, "c": 3.0, "auto": 1.2 * slower}
    return figures


@pytest.mark.parametrize(
    ("figures", "count"),
    [(eager, 6), (compiled, 13), (estimators, 5), (gpt, 2), (training, 3), (choices, 3)],
)
def test_a_target_is_reached_or_missed(figures, count):
    """Exactly at each target is good enough; each promise fails by itself."""
    at, beyond = verdicts(figures(slower=1.0)), verdicts(figures(slower=1.01))

    assert [line.verdict for line in at] == [REACHED] * count
    assert [line.verdict for line in beyond] == [MISSED] * count
    assert promised(figures(1.0)).endswith("missed: nothing")
    assert promised(figures(1.01)).endswith("missed: " + "; ".join(line.what for line in beyond))


def test_what_was_not_measured_is_neither_reached_nor_missed():
    """Without micrograd nothing is said about how many times faster we are."""
    figures = compiled(1.0)
    rows = next(iter(figures["workloads"].values()))["contenders"]
    rows[SLOWEST], rows[STRAIGHT] = {"absent": "not installed"}, {"us": 1.0}

    said = [line.verdict for line in verdicts(figures)]

    assert said.count("not measured") == 2
    assert MISSED not in said


def test_a_contender_that_is_absent_says_why():
    """In the place of its numbers, and no column is as wide as the reason."""
    figures = deepcopy(load("compiled"))
    next(iter(figures["workloads"].values()))["contenders"]["JAX jit"] = {"absent": "no " * 99}

    text = as_text(figures)

    assert "no no no" in text
    assert max(len(line) for line in text.splitlines() if line.startswith("  ours,")) < 100


def test_a_readme_without_markers_is_refused():
    """The message names both markers."""
    with pytest.raises(ValueError, match=r"no block between .* and .* in the README"):
        with_figures("# Title\n", load())
