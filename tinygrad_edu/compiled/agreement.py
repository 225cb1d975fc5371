"""Is the program the graph? Compared before it is trusted, since code can look at ``v.data``.

Python code in a model or a loss may read numbers and choose by them; nothing of that is on a tape.
So losses are compared: of some samples, of every target that occurs, and at other weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from tinygrad_edu.compiled.tracing import TracedModel, batch_loss, encode, loss_of
from tinygrad_edu.compiler import compile_graph, recording
from tinygrad_edu.engine import Value, set_numbers, topological_order
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty

CHECKED = 8  # samples on which the program must agree with the graph
# factors and shifts of the weights, and of outputs, at which losses are compared, too: the first
# that a model, or a loss, can do with. Other signs first; not 0, where targets may be all alike
ELSEWHERE = ((-0.9, 0.03), (0.97, 0.0))
OUTPUTS = ((0.9, 0.05), (1.0, 0.0))
MOST_NUMBERS = 50_000  # of targets that are compared
NUMBERS = "the model or the loss looks at numbers (v.data), and chooses by them"
MODE = (
    "it changed what a program can't see: a mode (train, eval), or a setting of a layer or penalty"
)


def agrees(mine: float, eager: float) -> bool:
    """Whether a program's number is the graph's; nothing tells a tape that code saw ``v.data``."""
    alike = mine == eager or (mine != mine and eager != eager)  # inf, or both nan
    return alike or abs(mine - eager) <= 1e-9 * max(1.0, abs(eager))


class Agreement:
    """Compares losses of a program with those of graphs; SettingError where they differ."""

    def __init__(self, first: TracedModel) -> None:
        self.first = first
        self.settings = settings_of(first.model, first.penalty)

    def check(self) -> None:
        """All three comparisons."""
        self.targets()
        self.samples()
        self.elsewhere()

    def samples(self) -> None:
        """Some samples as one batch, which also shows whether one of them reads another's numbers.

        A model that looks at the whole batch has one anyway.
        """
        if self.first.size:
            return self._both([*range(self.first.size)])
        some = [*range(0, len(self.first.X), -(-len(self.first.X) // CHECKED))]
        try:
            self._both(some)
        except SettingError:
            for i in some:  # one says more than a batch
                self._both([i])
            raise

    def elsewhere(self) -> None:
        """A sample at other weights: numbers that were read off the weights would stay behind.

        Code that can't do without the sign of its weights is run near those that it has.
        """
        parameters, program = self.first.program.parameters, self.first.program
        before = [p.data for p in parameters]
        some = [*range(self.first.size)] or [len(self.first.X) // 2]
        try:
            for factor, shift in ELSEWHERE:
                set_numbers(parameters, "data", [factor * w + shift for w in before])
                program.pull()
                try:
                    eager = self._eager(some)
                except Exception:
                    continue
                return self._compare(some, eager, " at other weights")
        finally:
            set_numbers(parameters, "data", before)
            program.pull()

    def look_again(self) -> None:
        """A sample once more; where that is a whole batch only if a setting was changed."""
        now = settings_of(self.first.model, self.first.penalty)
        if not self.first.size or now != self.settings:
            self._both([*range(self.first.size)] or [0], ", since a callback ran", MODE)

    def _both(self, some: Sequence[int], when: str = "", where: str = NUMBERS) -> None:
        self._compare(some, self._eager(some), when, where)

    def _eager(self, some: Sequence[int]) -> float:
        """The mean loss of samples as a graph, with the penalty."""
        first = self.first
        with undisturbed(first.model):
            total, _ = batch_loss(first.model, first.loss, *self._samples(some), first.penalty)
        return total.data

    def _samples(self, some: Sequence[int]) -> tuple[list[Any], list[Any]]:
        return [self.first.X[i] for i in some], [self.first.y[i] for i in some]

    def _compare(
        self, some: Sequence[int], eager: float, when: str = "", where: str = NUMBERS
    ) -> None:
        """The mean loss of samples by the program, and the graph's."""
        first = self.first
        with undisturbed(first.model):
            mine = first.program.forward(first.rows(first.encoded(*self._samples(some))))
        if not agrees(mine, eager):
            what = f"sample {some[0]} has" if len(some) == 1 else f"{len(some)} samples have"
            raise SettingError(
                f"compiled, {what} the loss {mine:.9g}; as a graph it has {eager:.9g}{when}.",
                where=where,
                fix="train with compiled=False, or choose with maximum, minimum, relu, abs.",
            )

    def targets(self) -> None:
        """The loss of one output for each target that occurs: it may refuse some, or choose."""
        targets = self._different_targets()
        for factor, shift in OUTPUTS:
            numbers = [factor * v.data + shift for v in self.first.outputs[: self.first.count or 1]]
            try:
                return self._compare_targets(targets, [Value(x) for x in numbers])
            except TinygradEduError:
                raise
            except Exception:
                continue

    def _different_targets(self) -> list[Any]:
        """Each target once; of very many numbers some, evenly spread."""
        width = len(encode(self.first.y[0], self.first.count))
        step = -(-len(self.first.y) * width // MOST_NUMBERS) if width > 1 else 1
        some = [self.first.y[i] for i in range(0, len(self.first.y), step)]
        different = {tuple(t) if isinstance(t, Iterable) else t: t for t in some}
        return [*different.values()][: MOST_NUMBERS // width]

    def _compare_targets(self, targets: Sequence[Any], outputs: Sequence[Value]) -> None:
        out = self.first.like_output(outputs)
        eager = [self.first.loss(out, t).data for t in targets]
        with recording():
            total, symbols = loss_of(self.first.loss, out, self.first.y[0])
        losses = self._losses(total, symbols, outputs, targets)
        for t, mine, wanted in zip(targets, losses, eager, strict=False):
            if not agrees(mine, wanted):
                raise SettingError(
                    f"compiled, the target {t!r:.60} gives a loss of {mine:.9g}; as a graph it "
                    f"gives {wanted:.9g}.",
                    where="the loss looks at the target's number, and chooses by it",
                    fix="train with compiled=False, or write the loss as one formula.",
                )

    def _losses(
        self,
        total: Value,
        symbols: Sequence[Value],
        outputs: Sequence[Value],
        targets: Sequence[Any],
    ) -> list[float]:
        """What a recorded loss makes of these targets; none where it needs no output."""
        below = set(topological_order(total))
        if below.isdisjoint(outputs):
            return []
        if below.isdisjoint(symbols):
            return [total.data for _ in targets]
        program = compile_graph(total, symbols, outputs=[total])
        program.forward(self.first.np.array([encode(t, self.first.count) for t in targets]))
        return [float(number) for number in program.outputs()[0]]


def settings_of(model: Module, penalty: Penalty | None) -> list[Any]:
    """Modes and settings of layers and of a penalty: what callbacks may change beside Values."""
    parts = [*(part for _, part in model.named_modules()), penalty]
    plain = (bool, int, float, str, type(None))
    return [
        {name: x for name, x in getattr(part, "__dict__", {}).items() if isinstance(x, plain)}
        for part in parts
    ]


@contextmanager
def undisturbed(model: Module) -> Iterator[None]:
    """Leave the buffers and generators of layers as they are found."""
    buffers, rngs = model.named_buffers(), generators(model)
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
