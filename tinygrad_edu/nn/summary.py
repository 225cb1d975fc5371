"""What a model is made of, as a table: its layers with their shapes and parameters."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_edu.shared.tables import html_table, plural, text_table, whole

HEAD, ALIGN = ("layer", "kind", "in → out", "parameters", "frozen"), "<<>>>"


@dataclass(frozen=True)
class Row:
    """A layer: its path, what it is, how many numbers go in and out, and how many it holds."""

    name: str
    kind: str
    shape: tuple[int, int] | None
    parameters: int
    frozen: int
    buffers: int

    def cells(self) -> tuple[str, ...]:
        """Write the row; what is 0 or not known is left empty."""
        shape = f"{self.shape[0]} → {self.shape[1]}" if self.shape else ""
        counts = (whole(n) if n else "" for n in (self.parameters, self.frozen))
        return (self.name, self.kind, shape, *counts)


@dataclass(frozen=True)
class Summary:
    """The layers of a model; prints as a table, and shows one in a notebook.

    Attributes
    ----------
    title : str, the model
    rows : tuple of Row, in the order of the attributes
    """

    title: str
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """Count the parameters, frozen ones included; a shared one counts once."""
        return sum(row.parameters for row in self.rows)

    @property
    def frozen(self) -> int:
        """Count the frozen parameters."""
        return sum(row.frozen for row in self.rows)

    @property
    def total(self) -> str:
        """Write all counts in a sentence."""
        counts = [plural(self.parameters, "parameter")]
        counts += [f"{whole(self.frozen)} of them frozen"] if self.frozen else []
        buffers = sum(row.buffers for row in self.rows)
        counts += [f"and {plural(buffers, 'buffer')}"] if buffers else []
        return ", ".join(counts)

    def __repr__(self) -> str:
        table = text_table([HEAD, *(row.cells() for row in self.rows)], ALIGN)
        return "\n".join([self.title, *table, self.total])

    def _repr_html_(self) -> str:
        return html_table(
            self.title, HEAD, [row.cells() for row in self.rows], ALIGN, foot=self.total
        )
