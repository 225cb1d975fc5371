"""Check that a compiled program gives the same losses as the graph before trusting it.

Python code in a model or a loss may read numbers (``v.data``) and choose by them, which no tape
records. So losses are compared: of some samples, of every target that occurs, and at other weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.compiled.symbolic import batch_loss, changeable, encoded, sample_loss, undisturbed
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.engine import Value, set_numbers, topological_order
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.vectors import as_array

CHECKED = 8  # samples on which the program must agree with the graph
# Factors and shifts of the weights, and of outputs, at which losses are compared, too: the first
# pair that a model, or a loss, accepts. Other signs come first; the factor is never 0, where the
# losses of all targets may be alike
OTHER_WEIGHTS = ((-0.9, 0.03), (0.97, 0.0))
OTHER_OUTPUTS = ((0.9, 0.05), (1.0, 0.0))
MOST_NUMBERS = 50_000  # of targets that are compared
READS_NUMBERS = "the model or the loss reads numbers (v.data), or draws some at random"
READS_TARGET = "the loss reads the number of the target, and chooses by it"
MODE = (
    "it changed what a program can't see: a mode (train, eval), or a setting of a layer or penalty"
)


def compare(
    what: str, mine: float, eager: float, when: str = "", where: str = READS_NUMBERS
) -> None:
    """Raise SettingError unless a program's number is the graph's, to rounding."""
    alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
    if not alike and not abs(mine - eager) <= 1e-9 * max(1.0, abs(eager)):
        raise SettingError(
            f"compiled, {what} is {mine:.9g}; as a graph it is {eager:.9g}{when}.",
            where=where,
            fix="pass compiled=False, or choose with maximum, minimum, relu or abs.",
        )


class Agreement:
    """Compares losses of a program with those of graphs; SettingError where they differ."""

    def __init__(self, compiled: ModelProgram) -> None:
        self.compiled, self.changeable = compiled, changeable(compiled.model)
        self.settings = settings_of(compiled.model, compiled.penalty)

    def check(self) -> None:
        """Make all three comparisons."""
        self._check_targets()
        self._check_samples()
        self._check_other_weights()

    def look_again(self) -> None:
        """Compare a sample once more; a whole batch only where a setting was changed."""
        now = settings_of(self.compiled.model, self.compiled.penalty)
        if not self.compiled.batch or now != self.settings:
            self.changeable = changeable(self.compiled.model)
            some = self._batch() or [0]
            self._compare(some, self._eager(some), ", since a callback ran", MODE)

    def _check_samples(self) -> None:
        """Compare some samples as one batch: that also shows if one reads another's numbers."""
        batch, size = self._batch(), len(self.compiled.X)
        some = batch or [*range(0, size, -(-size // CHECKED))]
        try:
            self._compare(some, self._eager(some))
        except SettingError:
            for i in () if batch else some:  # which of them says more than a batch
                self._compare([i], self._eager([i]))
            raise

    def _check_other_weights(self) -> None:
        """Compare a sample at other weights: numbers read off the weights would stay behind.

        A model that raises an error at weights of other signs is run near those that it has.
        """
        program = self.compiled.program
        before = [p.data for p in program.parameters]
        some = self._batch() or [len(self.compiled.X) // 2]
        try:
            for factor, shift in OTHER_WEIGHTS:
                set_numbers(program.parameters, "data", [factor * w + shift for w in before])
                program.pull()
                try:
                    eager = self._eager(some)
                except Exception:
                    continue
                return self._compare(some, eager, " at other weights")
        finally:
            set_numbers(program.parameters, "data", before)
            program.pull()

    def _check_targets(self) -> None:
        """Compare the loss of one output for each target: it may refuse some, or choose by it."""
        targets, symbolic = self._different_targets(), self.compiled.symbolic
        before = [v.data for v in symbolic.output_values[: symbolic.width or 1]]
        for factor, shift in OTHER_OUTPUTS:
            try:
                return self._compare_targets(targets, [Value(factor * x + shift) for x in before])
            except TinygradEduError:
                raise
            except Exception:
                continue

    def _different_targets(self) -> list[Any]:
        """Return each target once; of very many numbers some, evenly spread."""
        y = self.compiled.y
        width = len(encoded(y[0], self.compiled.symbolic.width))
        step = -(-len(y) * width // MOST_NUMBERS) if width > 1 else 1
        some = [y[i] for i in range(0, len(y), step)]
        different = {tuple(t) if isinstance(t, Iterable) else t: t for t in some}
        return [*different.values()][: MOST_NUMBERS // max(width, 1)]

    def _compare_targets(self, targets: Sequence[Any], values: Sequence[Value]) -> None:
        loss, out = self.compiled.loss, _like(self.compiled.symbolic.outputs[0], values)
        eager = [loss(out, t).data for t in targets]
        with recording():
            total, symbols = sample_loss(loss, out, self.compiled.y[0])
        needed = set(topological_order(total))
        if needed.isdisjoint(values):
            return
        if needed.isdisjoint(symbols):
            found: Sequence[Any] = [total.data for _ in targets]
        else:
            program = compile_graph(total, symbols, outputs=[total])
            width = self.compiled.symbolic.width
            program.forward(as_array([encoded(t, width) for t in targets]))
            found = [row[0] for row in program.outputs()]
        for target, mine, right in zip(targets, found, eager, strict=False):
            compare(f"the loss for the target {target!r:.60}", float(mine), right, "", READS_TARGET)

    def _batch(self) -> list[int]:
        """Return the first batch of a model that is traced batch by batch, else nothing."""
        return [*range(self.compiled.batch)]

    def _eager(self, some: Sequence[int]) -> float:
        """Compute the mean loss of samples as a graph, with the penalty."""
        mine = self.compiled
        with undisturbed(*self.changeable):
            total, _ = batch_loss(mine.model, mine.loss, *self._samples(some), mine.penalty)
        return total.data

    def _compare(
        self, some: Sequence[int], eager: float, when: str = "", where: str = READS_NUMBERS
    ) -> None:
        """Compare the mean loss of samples by the program with the graph's."""
        with undisturbed(*self.changeable):
            found = self.compiled.forward(self.compiled.rows(*self._samples(some)))
        what = f"sample {some[0]}" if len(some) == 1 else f"{len(some)} samples"
        compare(f"the loss of {what}", found, eager, when, where)

    def _samples(self, some: Sequence[int]) -> tuple[list[Any], list[Any]]:
        return [self.compiled.X[i] for i in some], [self.compiled.y[i] for i in some]


def _like(output: Any, values: Sequence[Value]) -> Any:
    """Return values in the form of a model's output: alone, as a list, or as a (named) tuple."""
    if isinstance(output, Value):
        return values[0]
    shape = type(output)
    make = getattr(shape, "_make", tuple if issubclass(shape, tuple) else list)
    return make(values)


def settings_of(model: Module, penalty: Penalty | None) -> list[Any]:
    """Return modes and settings of layers and penalty: what callbacks may change beside Values."""
    parts = [*(part for _, part in model.named_modules()), penalty]
    plain = (bool, int, float, str, type(None))
    return [
        {name: x for name, x in getattr(part, "__dict__", {}).items() if isinstance(x, plain)}
        for part in parts
    ]
