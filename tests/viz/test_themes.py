"""The colors of each theme: every role has one, and what is written can be read."""

from itertools import combinations

import pytest

from tinygrad_edu.viz.themes import THEMES

WRITTEN = ("ink", "name", "faint", "forward", "gradient", "local", "warning")
FILLS = ("operation", "leaf", "constant", "group", "note")
themes = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)


def luminance(color):
    """How light a color is, from 0 to 1 (W3C, Web Content Accessibility Guidelines 2.1)."""
    channels = [int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(color, ground):
    """The ratio of two colors by which WCAG judges what can be read: 1 to 21."""
    dark, light = sorted((luminance(color), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


@themes
@pytest.mark.parametrize("role", WRITTEN)
def test_what_is_written_can_be_read(theme, role):
    """At least 4.5 to 1 on the ground, as WCAG asks for; in every fill, at least 4."""
    assert contrast(theme.of(role), theme.ground) >= 4.5
    assert all(contrast(theme.of(role), theme.of(fill)) >= 4.0 for fill in FILLS)


@themes
def test_values_gradients_and_warnings_differ(theme):
    """Three roles that mean different things have different colors."""
    colors = [theme.of(role) for role in ("forward", "gradient", "warning", "ink")]

    assert all(a.lower() != b.lower() for a, b in combinations(colors, 2))


def test_the_measure_of_contrast_is_that_of_the_w3c():
    """Black on white is 21 to 1, a color on itself 1 to 1; #777 on white is just too pale."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#777777") == 1.0
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
