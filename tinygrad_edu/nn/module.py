"""Modules: functions with parameters, that may hold other modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.context import HERE, here
from tinygrad_edu.engine.errors import SettingError


class Module:
    """A function with parameters: a subclass defines ``forward``, and is then called.

    The parameters are the leaf Values found in the attributes and in the modules among them, also
    inside lists, tuples and dicts. Constants such as ``Value(3.0).detach()`` are not parameters.

    Attributes
    ----------
    scope : str, where the module stood in the model that last ran it, as "layer0/neuron3"; "" for
        the outermost. The nodes it builds carry this path as ``origin``, for figures.
    training : bool, True in training mode, as at the start; False in evaluation mode

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.nn import Module
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.shift = Value(2.0), Value(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.shift
    >>> line = Line()
    >>> line(3.0).backward()
    >>> line.named_parameters()
    [('slope', Value(2, grad=3)), ('shift', Value(1, grad=1))]
    """

    scope = ""
    training = True
    _index = 0  # where in a list the module stood when it last ran

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``; what it builds remembers the scope."""
        now = here()
        self.scope = scope = "" if now.module is None else _scope(now.module, self)
        token = HERE.set(now.inside(self, scope))
        try:
            return self.forward(*args, **kwargs)
        finally:
            HERE.reset(token)

    def batch(self, samples: Iterable[Any]) -> list[Any]:
        """Compute the outputs for several samples at once, for layers that look at all of them."""
        now = here()  # written out as in __call__: a helper for both would slow a forward pass
        self.scope = scope = "" if now.module is None else _scope(now.module, self)
        token = HERE.set(now.inside(self, scope))
        try:
            return self.forward_batch(list(samples))
        finally:
            HERE.reset(token)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; each subclass writes its own."""
        raise SettingError(
            f"{type(self).__name__} has no forward, so it can't be called.",
            fix="define forward(self, ...) in the class; calling the module runs it.",
        )

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """Compute the outputs of a batch: sample by sample, unless a subclass writes its own."""
        return [self.forward(x) for x in samples]

    def train(self, mode: bool = True) -> None:
        """Enter training mode, with all modules below: dropout drops, batches are normalized."""
        for _, module in self.named_modules():
            module.training = mode

    def eval(self) -> None:
        """Enter evaluation mode: nothing is dropped, and running statistics normalize."""
        self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Enter evaluation mode inside the block; afterwards each module is as it was."""
        before = [(module, module.training) for _, module in self.named_modules()]
        self.eval()
        try:
            yield
        finally:
            for module, mode in before:
                module.training = mode

    def parameters(self) -> list[Value]:
        """List what training changes, in attribute order, each once even if shared."""
        return [part for _, part in _walk(self, ".") if _trainable(part)]

    def named_parameters(self) -> list[tuple[str, Value]]:
        """List the parameters with their paths, for example "layer0.neuron3.w5".

        A path joins attributes and dict keys by dots; what stands in a list has the name of the
        list and its index. Modules in a list lose the plural s: the first of ``layers`` is
        ``layer0``.

        Raises
        ------
        SettingError
            If two parameters would have the same name.
        """
        named: dict[str, Value] = {}
        for name, part in _walk(self, "."):
            if _trainable(part) and named.setdefault(name, part) is not part:
                raise SettingError(
                    f"two parameters of {type(self).__name__} are both named {name!r}.",
                    fix="rename the attribute (or dict key) of one, so that files can tell them.",
                )
        return list(named.items())

    def named_buffers(self) -> list[tuple[str, Value]]:
        """List the constants, such as the running means of a BatchNorm, with their paths."""
        return [(n, v) for n, v in _walk(self, ".") if isinstance(v, Value) and v.constant]

    def named_modules(self) -> list[tuple[str, Module]]:
        """List this module and all below it with their paths: "", "layer0", "layer0/neuron3"."""
        walk = _walk(self, "/", values=False)
        return [(path, part) for path, part in walk if isinstance(part, Module)]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def __repr__(self) -> str:
        names = [name for name, part in _walk(self, ".") if _trainable(part)]
        where = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
        return f"{type(self).__name__}({len(names)} parameters{' in ' * bool(names)}{where})"


def _trainable(part: Any) -> bool:
    return isinstance(part, Value) and part.op is None and not part.constant


def _scope(caller: Module, part: Module) -> str:
    """Find the path of a module below its caller; one made on the fly goes by its class."""
    for name, held in caller.__dict__.items():  # first where nearly every module stands
        if held is part:
            return _below(caller.scope, name)
        if type(held) is list:
            i = part._index
            if i < len(held) and held[i] is part:  # where it stood when it last ran
                return _below(caller.scope, name, i)
            for i, item in enumerate(held):
                if item is part:
                    part._index = i
                    return _below(caller.scope, name, i)
    found = (path for path, item in _walk(caller, "/") if item is part)
    return _below(caller.scope, next(found, type(part).__name__.lower()))


@lru_cache(maxsize=4096)  # a model asks for the same few paths at every sample
def _below(scope: str, name: str, i: int | None = None) -> str:
    """Join the path of a module and the name of its part, the i-th of a list if i is given."""
    own = name if i is None else _item_name(name, i, is_module=True)
    return f"{scope}/{own}" if scope and own else scope or own


def _walk(root: Module, separator: str, values: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield every module and value below, depth first in attribute order, once, with its path.

    Without ``values`` those are passed over, which is much faster.
    """
    kinds = _KINDS if values else _HOLDERS
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        path, part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield path, part
            parts = _parts(path, part, separator, kinds)
            waiting.extend(reversed([*parts]))


_HOLDERS = (Module, list, tuple, dict)
_KINDS = (*_HOLDERS, Value)


def _parts(
    path: str, whole: Any, separator: str, kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any]]:
    """Yield what a module or container holds of these kinds, with paths."""
    if isinstance(whole, (list, tuple)):
        for i, part in enumerate(whole):
            if isinstance(part, kinds):
                yield _item_name(path, i, is_module=isinstance(part, Module)), part
    elif not isinstance(whole, Value):
        for name, part in (whole if isinstance(whole, dict) else vars(whole)).items():
            if isinstance(part, kinds):
                yield f"{path}{separator}{name}" if path else name, part


def _item_name(path: str, i: int, *, is_module: bool) -> str:
    """Name an item of a list: "layer0" of ``layers``, "w5" of ``w``, "0.1" in a list of lists."""
    if path[-1:].isdigit():
        return f"{path}.{i}"
    return f"{path.removesuffix('s') if is_module else path}{i}"
