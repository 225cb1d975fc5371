"""Modules made of modules: one after another, or around a shortcut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from tinygrad_edu.engine import operand
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.nn.layers import ACTIVATIONS, activated, inputs_of, known_activation, name_of
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.samples import as_list, is_single

Part: TypeAlias = "Module | str | Callable[[Any], Any]"


class Sequential(Module):
    """Parts that run one after another, each on the output of the one before it.

    Parameters
    ----------
    parts : modules; names of ``ACTIVATIONS`` and functions of a Value, which are applied to each
        number

    Attributes
    ----------
    layers : list of the parts; the modules among them are called layer1, layer2, ...

    Raises
    ------
    SettingError
        If there are no parts, or one of them is something else (says which).

    Examples
    --------
    >>> from tinygrad_edu.nn import BatchNorm, Layer, Sequential
    >>> model = Sequential(Layer(2, 8), BatchNorm(8), "relu", Layer(8, 1))
    >>> len(model.batch([[0.5, -1.0], [2.0, 0.0]]))
    2
    """

    def __init__(self, *parts: Part) -> None:
        self.layers = [known_activation(f"part {i}", part) for i, part in enumerate(parts)]
        if not parts:
            raise SettingError(
                "Sequential has no parts.",
                fix="pass the modules it runs, for example nn.Sequential(nn.Layer(2, 3), 'relu').",
            )

    def __setstate__(self, facts: dict[str, Any]) -> None:
        """Read a pickle; in the first edition ``layers`` was called ``parts``."""
        self.__dict__ = {"layers": facts.pop("parts")} | facts if "parts" in facts else facts

    @property
    def parts(self) -> list[Part]:
        """Return ``layers``, which went by this name in the first edition."""
        return self.layers

    @parts.setter
    def parts(self, parts: list[Part]) -> None:
        self.layers = parts

    def forward(self, x: Any) -> Any:
        """Compute the last part's output; a list of one Value is returned as that Value."""
        for part in self.layers:
            x = _run(part, x)
        return _single(x)

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """Compute the last part's outputs: each part takes all samples before the next begins."""
        for part in self.layers:
            samples = _run_batch(part, samples)
        return [_single(x) for x in samples]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(_name, self.layers))})"


class Residual(Module):
    """x + inner(x): gradients pass the shortcut undiminished.

    Parameters
    ----------
    inner : as a part of :class:`Sequential`; it returns as many numbers as it is given

    Raises
    ------
    LengthError
        When called, if the output of ``inner`` is not as long as x.

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
        self.inner = known_activation("inner", inner)

    def forward(self, x: Sequence[Any]) -> list[Any]:
        """Add x and the inner part's output, number by number."""
        x = inputs_of(self, x)
        return self._sum(x, _run(self.inner, x))

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """Compute the sums of all samples."""
        samples = [inputs_of(self, x) for x in samples]
        outputs = _run_batch(self.inner, samples)
        return [self._sum(x, y) for x, y in zip(samples, outputs, strict=True)]

    def _sum(self, x: list[Any], output: Any) -> list[Any]:
        y = output if isinstance(output, list) else [output]
        if len(x) != len(y):
            raise LengthError(
                f"{self!r} was given {len(x)} numbers, and its inner part returned {len(y)}.",
                where=self.scope,
                expected="as many, since they are added one by one",
                fix="let the inner part have as many outputs as inputs.",
            )
        return [a + b for a, b in zip(x, y, strict=True)]

    def __repr__(self) -> str:
        return f"Residual({_name(self.inner)})"


def _run(part: Part, x: Any) -> Any:
    """Call a module, or apply an activation function to a Value or to each number of a list."""
    if isinstance(part, Module):
        return part(x)
    function = ACTIVATIONS[part] if isinstance(part, str) else partial(activated, part)
    if is_single(x):
        return function(operand(x))
    return [function(operand(v)) for v in as_list(x, "x")]


def _run_batch(part: Part, samples: list[Any]) -> list[Any]:
    return part.batch(samples) if isinstance(part, Module) else [_run(part, x) for x in samples]


def _single(x: Any) -> Any:
    return x[0] if isinstance(x, list) and len(x) == 1 else x


def _name(part: Part) -> str:
    return repr(part) if isinstance(part, Module) else name_of(part)
