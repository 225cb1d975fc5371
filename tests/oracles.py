"""Mathematics that shares no line with the package: mpmath under NumPy's names, and its slopes.

Rows of the table run on it unchanged:

>>> mp.tanh(mp.number(0.5))
mpf('0.4621171572600097585023184836436725487302876')
>>> mp.maximum(mp.number(2), 3.0), mp.where(True, 1, 2)
(3.0, 1)
"""

from dataclasses import replace
from types import SimpleNamespace

import mpmath


def namespace(digits):
    """The functions that rows may use, on numbers of so many digits; ``number`` makes them."""
    context = mpmath.mp.clone()
    context.dps = digits
    return SimpleNamespace(
        context=context,
        number=context.mpf,
        exp=context.exp,
        log=context.log,
        log1p=context.log1p,
        sqrt=context.sqrt,
        sin=context.sin,
        cos=context.cos,
        tanh=context.tanh,
        cosh=context.cosh,
        power=context.power,
        maximum=max,
        minimum=min,
        abs=abs,
        divide=lambda x, y: x / y,
        where=lambda condition, x, y: x if condition else y,
        equal=lambda x, y: x == y,
        not_equal=lambda x, y: x != y,
    )


mp = namespace(40)
_deep = namespace(400)  # tanh(372) is 1 but for 1e-323, and 1e308 + 5e-324 has 632 digits in diff


def value(op, point, xp=mp):
    """What a row gives at a point, to 40 digits."""
    return xp.number(op.forward(xp, *map(xp.number, point)))


def slope(op, point, i, side=0):
    """The derivative of a row in input i by mpmath's quotients: central, or of one side (-1, 1)."""
    x = [_deep.number(number) for number in point]

    def along(t):
        return _deep.context.convert(op.forward(_deep, *x[:i], t, *x[i + 1 :]))

    return _deep.context.diff(along, x[i], direction=side)


def relative_error(got, exact, floor=2.0**-1022):
    """|got - exact| / |exact|, no exact number counting as smaller than the smallest normal float.

    Below that floats have no relative accuracy. Infinity is right where no float is large enough.
    """
    if got == float(exact):
        return 0.0
    return float(abs(got - exact) / max(abs(exact), floor))


def scaled(op, i, factor):
    """A wrong row, to see it caught: partial i is multiplied by a factor."""

    def partials(xp, out, *inputs):
        right = op.partials(xp, out, *inputs)
        return (*right[:i], right[i] * factor, *right[i + 1 :])

    return replace(op, partials=partials)
