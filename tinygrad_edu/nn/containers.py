"""Modules made of modules: one after another, or around a shortcut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from tinygrad_edu.engine import operand
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.nn.layers import ACTIVATIONS
from tinygrad_edu.nn.module import Module

Part: TypeAlias = "Module | str | Callable[[Any], Any]"


class Sequential(Module):
    """Parts that run one after another, each on what the one before it answers.

    Parameters
    ----------
    parts : modules; names of ``ACTIVATIONS`` and functions of a Value, which are applied to each
        number

    Raises
    ------
    SettingError
        If there are no parts, or one is none of these (says which).

    Examples
    --------
    >>> from tinygrad_edu.nn import BatchNorm, Layer, Sequential
    >>> model = Sequential(Layer(2, 8), BatchNorm(8), "relu", Layer(8, 1))
    >>> len(model.batch([[0.5, -1.0], [2.0, 0.0]]))
    2
    """

    def __init__(self, *parts: Part) -> None:
        self.parts = [_part(f"part {i}", part) for i, part in enumerate(parts)]
        if not parts:
            raise SettingError("Sequential has no parts.", fix="pass the modules it runs.")

    def forward(self, x: Any) -> Any:
        """The last part's answer; one Value where it is a list of one, as of an MLP."""
        for part in self.parts:
            x = part(x) if isinstance(part, Module) else _each(part, x)
        return _single(x)

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """The last part's answers: each part takes all samples before the next begins."""
        for part in self.parts:
            if isinstance(part, Module):
                samples = part.batch(samples)
            else:
                samples = [_each(part, x) for x in samples]
        return [_single(x) for x in samples]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(_name, self.parts))})"


class Residual(Module):
    """x + inner(x): gradients pass the shortcut undiminished.

    Parameters
    ----------
    inner : as a part of :class:`Sequential`; it answers as many numbers as it is given

    Raises
    ------
    LengthError
        When called, if the answer of ``inner`` is not as long as x.

    References
    ----------
    He, Zhang, Ren and Sun, Deep residual learning for image recognition, CVPR 2016, eq. 1.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import Layer, Residual
    >>> x = [Value(1.0), Value(2.0)]
    >>> block = Residual(Layer(2, 2, initializer="zeros"))
    >>> [y.data for y in block(x)]
    [1.0, 2.0]
    """

    def __init__(self, inner: Part) -> None:
        self.inner = _part("inner", inner)

    def forward(self, x: Sequence[Any]) -> list[Any]:
        """The sum, number by number."""
        x = list(x)
        inner = self.inner
        return self._sum(x, inner(x) if isinstance(inner, Module) else _each(inner, x))

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """The sums of all samples."""
        samples = [list(x) for x in samples]
        if not isinstance(self.inner, Module):
            return [self.forward(x) for x in samples]
        answers = self.inner.batch(samples)
        return [self._sum(x, y) for x, y in zip(samples, answers, strict=True)]

    def _sum(self, x: list[Any], answer: Any) -> list[Any]:
        y = answer if isinstance(answer, list) else [answer]
        if len(x) != len(y):
            raise LengthError(
                f"{self!r} was given {len(x)} numbers, and its inner part answered {len(y)}.",
                where=self.scope,
                expected="as many, since they are added one by one",
                fix="let the inner part have as many outputs as inputs.",
            )
        return [a + b for a, b in zip(x, y, strict=True)]

    def __repr__(self) -> str:
        return f"Residual({_name(self.inner)})"


def _part(what: str, part: Any) -> Part:
    if isinstance(part, str) and part in ACTIVATIONS:
        return part
    if callable(part):
        found: Part = part
        return found
    raise SettingError(
        f"{what} is {part!r:.60}.",
        expected=f"a module, one of {', '.join(ACTIVATIONS)}, or a function of a Value",
        fix="choose one of these.",
    )


def _each(part: str | Callable[[Any], Any], x: Any) -> Any:
    """Apply an activation function to a Value, or to each number of a list."""
    function = ACTIVATIONS[part] if isinstance(part, str) else part
    return [function(operand(v)) for v in x] if isinstance(x, Iterable) else function(x)


def _single(x: Any) -> Any:
    return x[0] if isinstance(x, list) and len(x) == 1 else x


def _name(part: Part) -> str:
    if isinstance(part, Module):
        return repr(part)
    return repr(part) if isinstance(part, str) else str(getattr(part, "__name__", part))
