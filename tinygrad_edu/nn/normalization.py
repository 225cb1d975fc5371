"""Layers that keep numbers at mean 0 and variance 1, and dropout."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_edu.engine import Operand, Value, operand
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.arguments import whole, within
from tinygrad_edu.shared.samples import as_list, is_single


class _Normalization(Module):
    """What normalizes: gamma and beta scale and shift each of the normalized numbers."""

    def __init__(self, features: int, epsilon: float) -> None:
        self.features = features = whole("features", features)
        self.epsilon = within("epsilon", epsilon, above=0.0)
        self.gamma = [Value(1.0, f"gamma{i}") for i in range(features)]
        self.beta = [Value(0.0, f"beta{i}") for i in range(features)]

    @property
    def _shape(self) -> tuple[int, int]:
        return self.features, self.features

    def _values(self, x: Iterable[Operand]) -> list[Value]:
        entries: list[Any] = [x] if is_single(x) else as_list(x, "x")
        values = [operand(v) for v in entries]
        if len(values) != self.features:
            raise LengthError(
                f"{self!r} expected {self.features} numbers, got {len(values)}.",
                where=self.scope,
                fix=f"build the layer with features={len(values)}.",
            )
        return values

    def _scaled(self, normal: list[Value]) -> list[Value]:
        return [g * v + b for g, v, b in zip(self.gamma, normal, self.beta, strict=True)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.features})"


class LayerNorm(_Normalization):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, over the numbers of one sample.

    Parameters
    ----------
    features : int, the count of numbers of a sample
    epsilon : float > 0, so that numbers that are all alike do not divide by 0

    Raises
    ------
    SettingError
        If a setting is not as above.
    LengthError
        When called with more or fewer numbers than ``features``.

    References
    ----------
    Ba, Kiros and Hinton, Layer normalization, arXiv:1607.06450 (2016), eq. 3 and 4.

    Examples
    --------
    >>> from tinygrad_edu.nn import LayerNorm
    >>> [f"{y:.3f}" for y in LayerNorm(3)([1.0, 2.0, 3.0])]
    ['-1.225', '0.000', '1.225']
    """

    def __init__(self, features: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(features, epsilon)

    def forward(self, x: Iterable[Operand]) -> list[Value]:
        """Normalize the numbers of one sample."""
        values = self._values(x)
        mean, variance = _moments(values)
        inverse = 1.0 / (variance + self.epsilon).sqrt()
        return self._scaled([(v - mean) * inverse for v in values])


class BatchNorm(_Normalization):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, each feature over the samples of a batch.

    In training the statistics are those of the batch, as Values: gradients flow through them. In
    evaluation mode (:meth:`~tinygrad_edu.nn.Module.eval`) they are the running statistics, which
    serve one sample at a time.

    Parameters
    ----------
    features : int, the count of numbers of a sample
    momentum : float above 0, at most 1: the weight of a new batch in the running statistics
    epsilon : float > 0

    Raises
    ------
    SettingError
        If a setting is not as above; in training, for a single sample.
    LengthError
        When called with more or fewer numbers than ``features``.

    References
    ----------
    Ioffe and Szegedy, Batch normalization, ICML 2015, algorithms 1 and 2.

    Examples
    --------
    >>> from tinygrad_edu.nn import BatchNorm
    >>> norm = BatchNorm(1)
    >>> [f"{y[0]:.3f}" for y in norm.batch([[1.0], [3.0]])]
    ['-1.000', '1.000']
    >>> f"{norm.eval()([1.0])[0]:.3f}"  # running mean 0.2, running variance 1.1
    '0.763'
    """

    whole_batch = True  # its outputs for a sample depend on the others

    def __init__(self, features: int, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__(features, epsilon)
        self.momentum = within("momentum", momentum, above=0.0, most=1.0)
        self.running_mean = [Value(0.0).detach() for _ in self.gamma]
        self.running_variance = [Value(1.0).detach() for _ in self.gamma]

    def forward(self, x: Iterable[Operand]) -> list[Value]:
        """Normalize one sample by the running statistics."""
        values = self._values(x)
        if self.training:
            raise SettingError(
                f"{self!r} was given one sample in training.",
                where=self.scope,
                expected="a batch, whose mean and variance it can take",
                fix="call model.batch(samples), or after training model.eval() first.",
            )
        return self._normal(values, *self._running())

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """Normalize a batch: in training by its own statistics, which update the running ones."""
        rows = [self._values(x) for x in samples]
        if not self.training:
            return [self.forward(row) for row in rows]
        if len(rows) < 2:
            raise SettingError(
                f"{self!r} was given a batch of {len(rows)} in training.",
                where=self.scope,
                expected="at least 2 samples: one alone has no variance",
                fix="pass a batch_size such that no batch has a single sample.",
            )
        moments = [_moments(column) for column in zip(*rows, strict=True)]
        means, variances = [m for m, _ in moments], [v for _, v in moments]
        self._observe(means, variances, len(rows))
        return [self._normal(row, means, variances) for row in rows]

    def _running(self) -> tuple[list[Value], list[Value]]:
        """Return the running statistics; as inputs of the program, if one is recorded."""
        trace = here().trace
        if trace is None:
            return self.running_mean, self.running_variance
        buffers = [*self.running_mean, *self.running_variance]
        values = [Value(buffer.data) for buffer in buffers]
        trace.given.append((values, lambda: [buffer.data for buffer in buffers]))
        return values[: self.features], values[self.features :]

    def _normal(
        self, x: list[Value], means: Sequence[Value], variances: Sequence[Value]
    ) -> list[Value]:
        inverses = [1.0 / (variance + self.epsilon).sqrt() for variance in variances]
        return self._scaled([(v - m) * i for v, m, i in zip(x, means, inverses, strict=True)])

    def _observe(self, means: list[Value], variances: list[Value], count: int) -> None:
        """Learn from the batch: now, or at each run of the program that is being recorded."""
        unbiased = count / (count - 1)

        def learn(numbers: Sequence[float]) -> None:
            half = len(numbers) // 2
            self._learn(self.running_mean, numbers[:half], 1.0)
            self._learn(self.running_variance, numbers[half:], unbiased)

        trace = here().trace
        if trace is not None:
            trace.observed.append(([*means, *variances], learn))
        else:
            learn([v.data for v in (*means, *variances)])

    def _learn(self, running: list[Value], new: Sequence[float], factor: float) -> None:
        for buffer, number in zip(running, new, strict=True):
            buffer.data += self.momentum * (factor * float(number) - buffer.data)


class Dropout(Module):
    """In training each number becomes 0 with probability ``rate``, else it is divided by 1 - rate.

    The division keeps the mean, so that in evaluation mode (:meth:`~tinygrad_edu.nn.Module.eval`)
    the numbers pass as they are.

    Parameters
    ----------
    rate : float, at least 0, below 1
    rng : random.Random, by default random.Random(0); only a seed is drawn from it, for the
        generator of this layer's own masks, ``rng``

    References
    ----------
    Srivastava et al., Dropout, JMLR 15 (2014), section 10 for the scaling in training.

    Examples
    --------
    >>> from tinygrad_edu.nn import Dropout
    >>> [y.data for y in Dropout(0.5)([1.0, 2.0, 3.0, 4.0])]
    [0.0, 4.0, 6.0, 8.0]
    """

    def __init__(self, rate: float = 0.5, rng: random.Random | None = None) -> None:
        self.rate = within("rate", rate, least=0.0, below=1.0)
        self.rng = random.Random(choose_rng(rng).getrandbits(64))

    def forward(self, x: Any) -> Any:
        """Multiply the numbers, or the one number, by their masks."""
        single = is_single(x)
        values = [operand(v) for v in ([x] if single else as_list(x, "x"))]
        if self.training and self.rate > 0.0:
            values = [v * m for v, m in zip(values, self._masks(len(values)), strict=True)]
        return values[0] if single else values

    def _masks(self, count: int) -> list[Value]:
        trace = here().trace
        if trace is None:
            return [Value(self.draw()).detach() for _ in range(count)]
        masks = [Value(1.0) for _ in range(count)]  # not constants: inputs of the program
        trace.given.append((masks, lambda: [self.draw() for _ in range(count)]))
        return masks

    def draw(self) -> float:
        """Draw a mask: 0, or 1 / (1 - rate)."""
        return 0.0 if self.rng.random() < self.rate else 1.0 / (1.0 - self.rate)

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


def _moments(values: Sequence[Value]) -> tuple[Value, Value]:
    """Compute mean and variance (of the population, as in the paper)."""
    share = 1.0 / len(values)
    mean = sum(values[1:], values[0]) * share
    squares = [(v - mean) * (v - mean) for v in values]
    return mean, sum(squares[1:], squares[0]) * share
