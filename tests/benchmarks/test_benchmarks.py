"""The benchmarks compare like with like, and say honestly what was missed."""

import doctest
import gc
from copy import deepcopy
from random import Random

import pytest

from benchmarks import timing, workloads
from benchmarks.__main__ import main
from benchmarks.report import as_text, lines, load, missed, with_figures
from benchmarks.timing import bytes_held, collector, in_turns
from benchmarks.workloads import chain, pairwise_sum, random_program, run
from tinygrad_edu import Value, topological_order


@pytest.mark.parametrize("module", [timing, workloads])
def test_examples_in_docstrings_hold(module):
    """The benchmarks are no part of the package, whose doctests run by themselves."""
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0


def test_blocks_alternate_and_drop_their_first_step():
    """Two contenders take turns, block by block; the first step of each is not counted."""
    order = []
    contenders = {"a": (lambda: order.append("a"), 3), "b": (lambda: order.append("b"), 2)}

    seconds = in_turns(contenders, rounds=2, collecting=True)

    assert "".join(order) == "aaabbaaabb"
    assert [len(block) for blocks in seconds.values() for block in blocks] == [2, 2, 1, 1]


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_asked_inside_and_as_before_outside(on):
    """Even after an exception."""
    inside = []

    def fail() -> None:
        with collector(on):
            inside.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert inside == [on]
    assert gc.isenabled()


def test_bytes_held_counts_what_lives_and_not_what_died():
    """A megabyte that is returned counts; one that is dropped does not."""
    kept, size = bytes_held(lambda: bytes(bytearray(1_000_000)))

    assert 1_000_000 <= size < 1_010_000
    assert len(kept) == 1_000_000


def test_a_random_program_has_the_size_asked_for_and_stays_shallow():
    """Its graph is within a tenth of the size, and no deeper than recursion can go."""
    root, _ = run(random_program(20_000, Random(0)), Value)

    order = topological_order(root)
    depth = {}
    for node in order:
        depth[node] = 1 + max((depth[v] for v in node.inputs), default=0)

    assert 18_000 <= len(order) <= 22_000
    assert depth[root] < 500


def test_a_random_program_keeps_its_numbers_and_slopes_alive():
    """Most leaves matter to the result, or there would be nothing to compare."""
    root, leaves = run(random_program(5_000, Random(0)), Value)

    root.backward()

    assert sum(leaf.grad != 0.0 for leaf in leaves) > len(leaves) / 4
    assert max(abs(leaf.grad) for leaf in leaves) < 1e6


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8])
def test_pairwise_sum_adds_all(length):
    """Of 1, 2, 3, ... it is the triangular number."""
    assert pairwise_sum(range(1, length + 1)) == length * (length + 1) // 2


def test_a_chain_is_as_long_as_asked():
    """So many multiplications, and two leaves."""
    root, weight = chain(10, Value)

    assert len(topological_order(root)) == 12
    assert root.data == pytest.approx(weight.data**10, rel=1e-15)


def test_a_missed_target_is_called_missed():
    """Worse figures turn every verdict of the committed run to "missed"."""
    figures = deepcopy(load())
    for part in ("moons", "graph"):
        for mode in ("collector on", "collector off"):
            figures[part][mode]["ratio"] = 1.0
    figures["graph"]["bytes_per_node"]["tinygrad_edu"] = 161.0
    figures["chain"]["collector off"] |= {"backward": 2.1, "delete": 0.21}

    verdicts = {line.verdict for line in lines(figures) if line.target}

    assert verdicts == {"missed"}
    assert len(missed(figures)) == 6


def test_a_reached_target_is_called_reached():
    """Figures exactly at each target are good enough."""
    figures = deepcopy(load())
    for part, mode, ratio in [
        ("moons", "collector on", 8.0),
        ("moons", "collector off", 2.0),
        ("graph", "collector on", 4.0),
    ]:
        figures[part][mode]["ratio"] = ratio
    figures["graph"]["bytes_per_node"]["tinygrad_edu"] = 160.0
    for mode in ("collector on", "collector off"):
        figures["chain"][mode] |= {"backward": 2.0, "delete": 0.2}

    assert missed(figures) == []
    assert as_text(figures).count("reached") == 6


def test_a_readme_without_markers_is_refused():
    """The message names both markers."""
    with pytest.raises(ValueError, match=r"no block between .* and .* in the README"):
        with_figures("# Title\n", load())


def test_quick_run_agrees_with_micrograd_and_prints_the_table(capsys, tmp_path):
    """On the same weights and data both engines give the same loss and gradients."""
    pytest.importorskip("micrograd")
    pytest.importorskip("sklearn")
    out = tmp_path / "eager.json"

    code = main(["eager", "--quick", "--out", str(out)])

    figures = load(out)
    assert code == 0
    assert capsys.readouterr().out.startswith(as_text(figures))
    assert figures["moons"]["gradients_apart"] <= 1e-9
    assert figures["graph"]["gradients_apart"] <= 1e-9
    assert figures["moons"]["nodes"]["micrograd"] == figures["moons"]["nodes"]["tinygrad_edu"]


def test_engines_that_disagree_are_not_compared():
    """A gradient off by 1e-8 of the largest, or a loss in the ninth digit, is refused."""
    pytest.importorskip("micrograd")
    from benchmarks.eager import Disagreement, agreement

    agreement("same", [1.0, 1.0], [[2.0, 1.0], [2.0, 1.0]])
    with pytest.raises(Disagreement, match=r"gradients differ by 1\.0e-08 of the largest"):
        agreement("slope", [1.0, 1.0], [[2.0, 1.0], [2.0, 1.0 + 2e-8]])
    with pytest.raises(Disagreement, match="results"):
        agreement("loss", [1.0, 1.0 + 1e-9], [[2.0, 1.0], [2.0, 1.0]])
