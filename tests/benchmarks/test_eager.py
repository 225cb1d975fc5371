"""The comparison with micrograd compares like with like."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.report import as_text


@pytest.mark.slow
def test_quick_run_agrees_with_micrograd_and_prints_the_table(capsys, tmp_path):
    """On the same weights and data both engines give the same loss and gradients."""
    pytest.importorskip("micrograd")
    pytest.importorskip("sklearn")
    out = tmp_path / "eager.json"

    code = main(["eager", "--quick", "--out", str(out)])

    figures = json.loads(out.read_text(encoding="utf-8"))
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
