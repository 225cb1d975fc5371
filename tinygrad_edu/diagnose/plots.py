"""The pictures of a diagnosis: colours that colour-blind readers tell apart, no global state.

Colours: Okabe and Ito 2008, Color universal design; for surfaces cividis (Nuñez et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from tinygrad_edu.diagnose.setup_faults import RULE_OF_THUMB
from tinygrad_edu.diagnose.verdicts import percent
from tinygrad_edu.shared.arguments import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tinygrad_edu.diagnose.flow import LayerFlow
    from tinygrad_edu.diagnose.gradient_flow import GradientFlow
    from tinygrad_edu.diagnose.landscape import LossSurface
    from tinygrad_edu.diagnose.learning_rates import LearningRateRange

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8c959f"
MARKERS = "os^Dv<>P*X"
LEVELS = 14  # of the contours
LONG = 9  # characters of a layer's name that fit beside the next one's


def axes_or_new(ax: Axes | None, what: str, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """The Axes that were passed, or those of a Figure that pyplot knows nothing of."""
    if ax is not None:
        return ax
    figures = extra("matplotlib.figure", "matplotlib", what)
    axes: Axes = figures.Figure(figsize=size, layout="constrained").subplots()
    return axes


def plot_flow(flow: GradientFlow, ax: Axes | None = None) -> Axes:
    """Sizes of gradient, output and step for each layer, with what is saturated or dead below."""
    ax = axes_or_new(ax, "the plot of the gradient flow", (max(7.0, 1.0 * len(flow.layers)), 4.2))
    places = range(len(flow.layers))
    lines: list[tuple[str, str, str, list[float | None]]] = [
        ("gradient, rms (loss per unit of weight)", BLUE, "o-",
         [layer.gradient.rms if layer.gradient else None for layer in flow.layers]),
        ("output, spread (standard deviation)", ORANGE, "s--",
         [layer.activation.spread if layer.activation else None for layer in flow.layers]),
        ("first step / weights", GREEN, "^:", [layer.update for layer in flow.layers]),
    ]  # fmt: skip
    for label, color, style, sizes in lines:
        shown = [(i, size) for i, size in zip(places, sizes, strict=True) if _positive(size)]
        if shown:
            ax.plot(*zip(*shown, strict=True), style, color=color, label=label, ms=6)
    if flow.trial is not None:
        ax.axhline(RULE_OF_THUMB, color=GREEN, lw=0.8)
        ax.annotate(
            f"rule of thumb for the step: {RULE_OF_THUMB:g}",
            (0.01, RULE_OF_THUMB), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color=GREEN,
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set_xticks(places, [_tick(layer) for layer in flow.layers])
    if any(len(layer.name) > LONG for layer in flow.layers):
        ax.tick_params("x", labelrotation=30)
        for tick in ax.get_xticklabels():
            tick.set_horizontalalignment("right")
    verdict = ", ".join(flow.faults) or "no fault found"
    ax.set(xlabel="layer, from the inputs on", ylabel="size (logarithmic)", title=verdict)
    _legend(ax)
    return ax


def _tick(layer: LayerFlow) -> str:
    """The name of the layer, and under it what is the matter with its units."""
    lines = [layer.name]
    if layer.saturated:
        lines.append(f"{percent(layer.saturated)}\nsaturated")
    if layer.dead:
        lines.append(f"{percent(layer.dead)}\ndead")
    return "\n".join(lines)


def plot_range(found: LearningRateRange, ax: Axes | None = None) -> Axes:
    """Loss against learning rate, each step's and smoothed; the usable range shaded."""
    ax = axes_or_new(ax, "the plot of loss against learning rate")
    rates, losses = found.learning_rates, found.losses
    ax.plot(rates, losses, "o", ms=2.5, color=GREY, label="before each step")
    ax.plot(rates[: len(found.smooth)], found.smooth, color=BLUE, lw=2, label="moving mean")
    if isfinite(found.suggestion):
        low, high = found.usable
        label = f"usable: {low:.2g} to {high:.2g}"
        ax.axvspan(low, high, color=ORANGE, alpha=0.15, lw=0, label=label)
        suggestion = f"try {found.suggestion:.2g}"
        ax.axvline(found.suggestion, color=ORANGE, ls="--", label=suggestion)
    ax.set_xscale("log")
    finite = [loss for loss in losses if isfinite(loss)]
    start = max(finite[:1] or [1.0])
    top = max([min(loss, 2.0 * start) for loss in finite] or [1.0])
    low_end = min(finite or [0.0])
    margin = 0.06 * (top - low_end) or 1.0
    ax.set_ylim(low_end - margin, top + margin)  # a loss that diverged would flatten all else
    ax.set(xlabel="learning rate (logarithmic)", ylabel="mean loss")
    ax.set_title("Loss while the learning rate grows")
    _legend(ax)
    return ax


def plot_surface(surface: LossSurface, ax: Axes | None = None) -> Axes:
    """The loss around the weights: a curve, or filled contours; a star where the weights are."""
    ax = axes_or_new(ax, "the plot of the loss surface", (6.0, 4.6))
    unit = "step along direction {} (1: as large as the weights)"
    if surface.betas is None:
        ax.plot(surface.alphas, [loss if isfinite(loss) else nan for loss in surface.losses[0]],
                color=BLUE, lw=2)  # fmt: skip
        ax.plot([0.0], [surface.center], "*", ms=14, color=ORANGE, label="the weights")
        ax.set(xlabel=unit.format(1), ylabel="mean loss")
    else:
        _contours(surface, ax)
        ax.set(xlabel=unit.format(1), ylabel=unit.format(2))
    ax.set_title("Loss around the weights")
    _legend(ax)
    return ax


def _contours(surface: LossSurface, ax: Axes) -> None:
    numpy = extra("numpy", "numpy", "the plot of the loss surface")
    colors = extra("matplotlib.colors", "matplotlib", "the plot of the loss surface")
    losses = numpy.ma.masked_invalid(surface.losses)
    if not losses.count():
        return  # nothing but nan and inf: an empty picture says so
    low, high = float(losses.min()), float(losses.max())
    wide = low > 0.0 and high > 10.0 * low
    space = numpy.geomspace if wide else numpy.linspace
    levels = space(low, high if high > low else low + 1.0, LEVELS)
    norm = colors.LogNorm(levels[0], levels[-1]) if wide else None
    grid = (surface.alphas, surface.betas, losses)
    filled = ax.contourf(*grid, levels=levels, cmap="cividis", norm=norm)
    ax.contour(*grid, levels=levels, colors="white", linewidths=0.4)
    bar = ax.figure.colorbar(filled, ax=ax, label="mean loss" + " (logarithmic)" * wide)
    bar.set_ticks(levels[::3], labels=[f"{level:.3g}" for level in levels[::3]])
    bar.ax.minorticks_off()
    ax.plot([0.0], [0.0], "*", ms=14, color="white", mec="black", label="the weights")


def _positive(size: float | None) -> bool:
    return size is not None and isfinite(size) and size > 0.0


def _legend(ax: Axes) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)


def class_markers(count: int) -> Sequence[str]:
    """A marker for each class, so that colour alone carries nothing."""
    return [MARKERS[i % len(MARKERS)] for i in range(count)]


def class_colors(count: int) -> list[Any]:
    """A colour for each class, Okabe and Ito's first, the rest from cividis."""
    fixed = [BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9"]
    if count <= len(fixed):
        return list(fixed[:count])
    maps = extra("matplotlib", "matplotlib", "the plot of the decision boundary").colormaps
    return [maps["cividis"](i / (count - 1)) for i in range(count)]


def png_of(figure: Any) -> bytes:
    """A Matplotlib figure as a PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
