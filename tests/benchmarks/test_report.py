"""A table of figures says honestly what was reached and what was missed."""

from copy import deepcopy

import pytest

from benchmarks.report import as_text, lines, load, missed, with_figures


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
