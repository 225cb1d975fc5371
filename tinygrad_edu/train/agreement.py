"""Is the program the graph? Compared before it is trusted, since code can look at ``v.data``.

Python code in a model or a loss may read numbers and choose by them; nothing of that is on a tape.
So losses are compared: of some samples, of every target that occurs, and at other weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.engine import Value, set_numbers, topological_order
from tinygrad_edu.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.train.tracing import Loss, TracedModel, batch_loss, encode, encoded_rows, loss_of

CHECKED = 8  # samples on which the program must agree with the graph
ELSEWHERE = -0.9, 0.03  # weights that are compared too: a factor and a shift of those there are


def agrees(mine: float, eager: float) -> bool:
    """Whether a program's number is the graph's; nothing tells a tape that code saw ``v.data``."""
    alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
    return alike or abs(mine - eager) <= 1e-9 * max(1.0, abs(eager))


class Agreement:
    """Compares losses of a program with those of graphs; SettingError where they differ."""

    def __init__(
        self,
        model: Module,
        loss: Loss,
        X: Sequence[Any],
        y: Sequence[Any],
        penalty: Penalty | None,
        first: TracedModel,
    ) -> None:
        self.model, self.loss, self.X, self.y, self.penalty = model, loss, X, y, penalty
        self.first = first
        self.count = 0 if first.single else len(first.outputs) // max(first.size, 1)

    def check(self) -> None:
        """All three comparisons."""
        self.targets()
        for i in [0] if self.first.size else range(0, len(self.X), -(-len(self.X) // CHECKED)):
            self.sample(i)
        self.elsewhere()

    def sample(self, i: int, where: str = "") -> None:
        """Sample ``i`` (or the batch from there on), with the penalty."""
        size = max(self.first.size, 1)
        X, y = self.X[i : i + size], self.y[i : i + size]
        buffers, rngs = self.model.named_buffers(), generators(self.model)
        with undisturbed(buffers, rngs):
            eager = batch_loss(self.model, self.loss, X, y, self.penalty)[0].data
        with undisturbed(buffers, rngs):
            rows = self.first.np.array(encoded_rows(X, y, self.count))
            mine = self.first.program.forward(self.first.rows(rows))
        if not agrees(mine, eager):
            raise SettingError(
                f"compiled, sample {i} has the loss {mine:.9g}; as a graph it has {eager:.9g}"
                f"{where}.",
                where="the model or the loss looks at numbers (v.data), and chooses by them",
                fix="train with compiled=False, or choose with maximum, minimum, relu, abs.",
            )

    def elsewhere(self) -> None:
        """A sample at other weights: numbers that were read off the weights would stay behind."""
        parameters, program = self.first.program.parameters, self.first.program
        before, (factor, shift) = [p.data for p in parameters], ELSEWHERE
        try:
            set_numbers(parameters, "data", [factor * w + shift for w in before])
            program.pull()
            self.sample(0 if self.first.size else len(self.X) // 2, " at other weights")
        finally:
            set_numbers(parameters, "data", before)
            program.pull()

    def _losses(
        self,
        total: Value,
        targets: Sequence[Value],
        outputs: Sequence[Value],
        different: Iterable[tuple[float, ...]],
    ) -> list[float]:
        """What a recorded loss makes of these targets; none where it needs no output."""
        below = set(topological_order(total))
        if below.isdisjoint(outputs):
            return []
        if below.isdisjoint(targets):
            return [total.data for _ in different]
        program = compile_graph(total, targets, outputs=[total])
        program.forward(self.first.np.array([*different]))
        return [float(number) for number in program.outputs()[0]]

    def targets(self) -> None:
        """The loss of one output for each target that occurs: it may refuse some, or choose."""
        different = {tuple(encode(t, self.count)): t for t in self.y}
        # not at 0, where many a loss is alike for two targets, and still a probability if it is
        outputs = [Value(0.9 * v.data + 0.05) for v in self.first.outputs[: self.count or 1]]
        out = outputs[0] if self.first.single else outputs
        eager = [self.loss(out, t).data for t in different.values()]
        with recording():
            total, targets = loss_of(self.loss, out, self.y[0])
        losses = self._losses(total, targets, outputs, different)
        for t, mine, wanted in zip(different.values(), losses, eager, strict=False):
            if not agrees(mine, wanted):
                raise SettingError(
                    f"compiled, the target {t!r:.60} gives a loss of {mine:.9g}; as a graph it "
                    f"gives {wanted:.9g}.",
                    where="the loss looks at the target's number, and chooses by it",
                    fix="train with compiled=False, or write the loss as one formula.",
                )


@contextmanager
def undisturbed(
    buffers: Sequence[tuple[str, Value]], rngs: Sequence[tuple[str, Random]]
) -> Iterator[None]:
    """Leave the buffers and generators of layers as they are found."""
    data = [buffer.data for _, buffer in buffers]
    states = [rng.getstate() for _, rng in rngs]
    try:
        yield
    finally:
        for (_, buffer), number in zip(buffers, data, strict=True):
            buffer.data = number
        for (_, rng), state in zip(rngs, states, strict=True):
            rng.setstate(state)


def generators(model: Module) -> list[tuple[str, Random]]:
    """The random generators of the layers, by the paths of the layers."""
    parts = [(path, getattr(part, "rng", None)) for path, part in model.named_modules()]
    return [(path, rng) for path, rng in parts if isinstance(rng, Random)]
