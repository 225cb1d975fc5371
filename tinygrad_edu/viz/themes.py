"""The colors of a figure."""

from __future__ import annotations

from dataclasses import dataclass

FONT = "Helvetica,Arial,sans-serif"
NABLA_FONT = "DejaVu Sans,Segoe UI Symbol,sans-serif"  # few fonts have a ∇
ACTIVE = "#bf8700"  # the operation that a step is at


@dataclass(frozen=True)
class Theme:
    """Colors by role. Forward and gradient differ for color-blind readers, too, and the place of a
    number, above or below its wire, says the same."""

    ground: str = "#ffffff"
    ink: str = "#1f2328"
    stroke: str = "#57606a"
    faint: str = "#6e7781"
    forward: str = "#0f766e"
    gradient: str = "#c2410c"
    local: str = "#6e7781"
    warning: str = "#a40e26"
    operation: str = "#ffffff"
    leaf: str = "#fff8e1"
    constant: str = "#eaf2fb"
    group: str = "#f6f8fa"
    note: str = "#ffffff"
    frame: str = "#d0d7de"

    @property
    def name(self) -> str:
        """Return the color of what is written large."""
        return self.ink

    def of(self, role: str) -> str:
        """Return the color of a line of text, or the fill of a kind of node."""
        return str(getattr(self, role))


THEMES = {
    "light": Theme(),
    "dark": Theme(
        ground="#111111", ink="#e6edf3", stroke="#9198a1", faint="#9198a1", forward="#5eead4",
        gradient="#fb7145", local="#9198a1", warning="#ff7b72", operation="#1b1f24",
        leaf="#2d2a1c", constant="#16222f", group="#1b1f24", note="#111111", frame="#3d444d",
    ),
    "colorblind": Theme(forward="#0072B2", gradient="#B84A00"),
    "book": Theme(
        forward="#008000", gradient="#d00000", leaf="#ffffff", constant="#ffffff", stroke="#000000"
    ),
}  # fmt: skip
