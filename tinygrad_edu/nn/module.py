"""Modules: functions with parameters, that may hold other modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.context import HERE, Block, Context, here
from tinygrad_edu.engine.errors import SettingError


class Module:
    """A function with parameters: a subclass defines ``forward``, and is then called.

    The parameters are the leaf Values found in the attributes and in the modules among them, also
    inside lists, tuples and dicts. Constants such as ``Value(3.0).detach()`` are not parameters.

    Attributes
    ----------
    scope : str, where the module stood in the model that last ran it, as "layer0/neuron3"; "" for
        the outermost. The nodes it builds carry this path as ``origin``, for figures.
    training : bool, True in training mode, as at the start; False in evaluation mode. Inside
        :meth:`evaluating` it is that of the thread, task or generator which opened the block

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
    _index = 0  # where in a list the module stood when it last ran

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``; what it builds remembers the scope."""
        before = here()
        self.scope = scope = "" if before.module is None else _scope(before, self)
        HERE.set(inside := before.inside(self, scope))
        try:
            return self.forward(*args, **kwargs)
        finally:
            HERE.set(before if here() is inside else _outside(before))

    def batch(self, samples: Iterable[Any]) -> list[Any]:
        """Compute the outputs for several samples at once, for layers that look at all of them."""
        before = here()  # written out as in __call__: a helper would slow a forward pass
        self.scope = scope = "" if before.module is None else _scope(before, self)
        HERE.set(inside := before.inside(self, scope))
        try:
            return self.forward_batch(list(samples))
        finally:
            HERE.set(before if here() is inside else _outside(before))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; each subclass writes its own."""
        raise SettingError(
            f"{type(self).__name__} has no forward, so it can't be called.",
            fix="define forward(self, ...) in the class; calling the module runs it.",
        )

    def forward_batch(self, samples: list[Any]) -> list[Any]:
        """Compute the outputs of a batch: sample by sample, unless a subclass writes its own."""
        return [self.forward(x) for x in samples]

    @property
    def training(self) -> bool:
        """Tell whether the module is in training mode here."""
        modes = _modes(self)
        return modes[id(self)] if modes else self.__dict__.get("training", True)

    @training.setter
    def training(self, mode: bool) -> None:
        modes = _modes(self)
        if modes:
            modes[id(self)] = mode
        else:
            self.__dict__["training"] = mode

    def train(self, mode: bool = True) -> None:
        """Enter training mode, with all modules below: dropout drops, batches are normalized."""
        for _, module in self.named_modules():
            module.training = mode

    def eval(self) -> None:
        """Enter evaluation mode: nothing is dropped, and running statistics normalize."""
        self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Enter evaluation mode inside the block; afterwards each module is as it was.

        Others who use the model meanwhile, in another thread or task or as the caller of a
        generator that is suspended inside the block, have it in the mode it has for them.
        """
        modules = [module for _, module in self.named_modules()]
        with Block(_Modes.fromkeys(map(id, modules), False)):
            yield

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


class _Modes(dict[int, bool]):
    """The modes of some modules, by id, inside a block of :meth:`Module.evaluating`."""


def _modes(module: Module) -> _Modes | None:
    """Find the modes of the innermost block that the module is used in."""
    blocks = here().switched_on(_Modes) if here().switches else ()
    return next((modes for modes in blocks if id(module) in modes), None)


def _trainable(part: Any) -> bool:
    return isinstance(part, Value) and part.op is None and not part.constant


def _outside(before: Context) -> Context:
    """Return the context with what was opened or ended by hand while a module was at work."""
    return here().inside(before.module, before.origin)


def _scope(now: Context, part: Module) -> str:
    """Find the path of a module below its caller; one made on the fly goes by its class."""
    caller, scope = now.module, now.origin
    for name, held in caller.__dict__.items():  # first where nearly every module stands
        if held is part:
            return _below(scope, name)
        if type(held) is list:
            i = part._index
            if i < len(held) and held[i] is part:  # where it stood when it last ran
                return _below(scope, name, i)
            for i, item in enumerate(held):
                if item is part:
                    part._index = i
                    return _below(scope, name, i)
    found = (path for path, item in _walk(caller, "/") if item is part)
    return _below(scope, next(found, type(part).__name__.lower()))


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
