"""Modules: functions with parameters, that may hold other modules."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.context import HERE, Block, Context, here
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import FROZEN
from tinygrad_edu.nn.summary import Summary, inside, summarized
from tinygrad_edu.shared.samples import as_list
from tinygrad_edu.shared.tables import plural

Self = TypeVar("Self", bound="Module")


class Module:
    """A function with parameters: a subclass defines ``forward``, and is then called.

    The parameters are the leaf Values found in the attributes and in the modules among them, also
    inside lists, tuples and dicts. Constants such as ``Value(3.0).detach()`` are not parameters.

    A path names each of them, and each module below: attributes and dict keys are joined by dots,
    and what stands in a list has the name of the list and its index, such as "w5". Modules in a
    list lose the plural s, such as "block0"; those of ``layers`` are counted from 1, as layers
    are in equations: "layer1". A module goes by its name as an attribute, too: ``model.layer1``.

    Attributes
    ----------
    scope : str, where the module stood in the model that last ran it, as "layer1/neuron3"; "" for
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
    _whole = False  # shown as a whole in a table, without the modules inside
    _place = ("", 0, "")  # list, index and name of the module where it stood when it last ran

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``; what it builds remembers the scope."""
        before = here()
        scope = "" if before.module is None else _scope(before, self)
        self.__dict__["scope"] = scope  # past __setattr__, which would cost 3 % of a forward pass
        HERE.set(inside := before.inside(self, scope))
        try:
            return self.forward(*args, **kwargs)
        finally:
            HERE.set(before if here() is inside else _outside(before))

    def batch(self, samples: Iterable[Any]) -> list[Any]:
        """Compute the outputs for several samples at once, for layers that look at all of them."""
        before = here()  # written out as in __call__: a helper would slow a forward pass
        scope = "" if before.module is None else _scope(before, self)
        self.__dict__["scope"] = scope  # past __setattr__, which would cost 3 % of a forward pass
        HERE.set(inside := before.inside(self, scope))
        try:
            return self.forward_batch(as_list(samples, "samples"))
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

    def __getattr__(self, name: str) -> Any:
        """Find a module by its name in a path: ``model.layer1`` is ``model.layers[0]``."""
        if name[-1:].isdigit():  # an item of a list: a name that most questions do not have
            for path, part in walk(self, ".", HOLDERS):
                if path == name and isinstance(part, Module):
                    return part
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a module under the name of another, which would not run, and a lost parameter."""
        if _is_learned(self.__dict__.get(name)) and _is_number(value):
            item = f"{name}[0]" if isinstance(value, (list, tuple)) else name
            raise SettingError(
                f"{name} of this {type(self).__name__} is learned, and was set to {value!r:.60}.",
                where="it would be a number that training and files do not know",
                fix=f"assign to the data of the Value, for example model.{item}.data = 0.5",
            )
        if isinstance(value, Module) and name[-1:].isdigit() and name not in self.__dict__:
            held = getattr(self, name, value)
            known = any(part is value for _, part in walk(self, ".", HOLDERS))
            if held is not value and not known:  # it may have a second name
                raise SettingError(
                    f"{name} of this {type(self).__name__} is {held!r:.60}, an item of a list.",
                    expected="another name, for a module that stands beside it",
                    fix="assign to the list to replace it, for example model.layers[0] = other",
                )
        object.__setattr__(self, name, value)

    @property
    def _shape(self) -> tuple[int, int] | None:
        """Return how many numbers go in and out, where that is fixed."""
        return None

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

    def train(self: Self, mode: bool = True) -> Self:
        """Enter training mode, with all modules below: dropout drops, batches are normalized.

        Returns
        -------
        Module
            The module itself.
        """
        for module in _modules(self):
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Enter evaluation mode: nothing is dropped, and running statistics normalize.

        Returns
        -------
        Module
            The module itself.
        """
        return self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Enter evaluation mode inside the block; afterwards each module is as it was.

        Others who use the model meanwhile, in another thread or task or as the caller of a
        generator that is suspended inside the block, have it in the mode it has for them.
        """
        modules = _modules(self)  # kept, so that no other module can get the id of one of them
        with Block(_Modes.fromkeys(map(id, modules), False)):
            yield

    def freeze(self: Self) -> Self:
        """Take the parameters out of training, with those of all modules below.

        A frozen parameter is a constant: it is not among :meth:`parameters`, keeps no gradient, and
        optimizers pass it over. It is saved and loaded with the others. One that is shared with
        another module is frozen there, too. The running means of a BatchNorm are not parameters:
        evaluation mode stops them.

        Returns
        -------
        Module
            The module itself.

        Examples
        --------
        >>> from tinygrad_edu.nn import MLP
        >>> model = MLP(2, [3, 1])
        >>> frozen = model.layer1.freeze()
        >>> len(model.parameters()), len(model.unfreeze().parameters())
        (4, 13)
        """
        for value in self.parameters():
            value.constant, value.grad = FROZEN, 0.0
        return self

    def unfreeze(self: Self) -> Self:
        """Let training change again what :meth:`freeze` took out of it; return the module."""
        for _, part in walk(self, "."):
            if isinstance(part, Value) and part.constant == FROZEN:
                part.constant = False
        return self

    def parameters(self) -> list[Value]:
        """List what training changes, in attribute order, each once even if shared."""
        return [part for _, part in walk(self, ".") if _trainable(part)]

    def named_values(self) -> list[tuple[str, Value]]:
        """List the numbers of the model with their paths: parameters, also frozen; then buffers.

        Raises
        ------
        SettingError
            If two of them would have the same name.
        """
        values = named(self, "values", ".", (Value,))
        return sorted(values, key=lambda named: named[1].constant is True)

    def named_parameters(self) -> list[tuple[str, Value]]:
        """List the parameters with their paths, for example "layer1.neuron3.w5".

        Raises
        ------
        SettingError
            If two values of the model would have the same name.
        """
        return [(name, value) for name, value in self.named_values() if not value.constant]

    def named_buffers(self) -> list[tuple[str, Value]]:
        """List the constants, such as the running means of a BatchNorm, with their paths."""
        return [(name, value) for name, value in self.named_values() if value.constant is True]

    def named_modules(self) -> list[tuple[str, Module]]:
        """List this module and all below it with their paths: "", "layer1", "layer1/neuron3".

        Raises
        ------
        SettingError
            If two of them would have the same name.
        """
        return named(self, "modules", "/", (Module,))

    def summary(self, sample: Any = None) -> Summary:
        """List the layers as a table: name, kind, numbers in and out, parameters, frozen ones.

        Parameters
        ----------
        sample : what the model is called with, optional; it is then run in evaluation mode, and the
            table shows how many numbers each layer was given and returned. Without a sample the
            layers say it for which it is fixed

        Returns
        -------
        Summary
            It prints as text, and shows a table in a notebook.

        Examples
        --------
        >>> from tinygrad_edu import nn
        >>> nn.Sequential(nn.Layer(2, 8, "relu"), nn.BatchNorm(8), nn.Layer(8, 1)).summary()
        Sequential
        layer   kind                               in → out  parameters  frozen
        layer1  Layer(2, 8, activation='relu')        2 → 8          24
        layer2  BatchNorm(8)                          8 → 8          16
        layer3  Layer(8, 1, activation='linear')      8 → 1           9
        49 parameters, and 16 buffers
        """
        layers: dict[str, Module] = {}
        whole: str | None = None  # what the paths in the latest whole begin with
        for path, part in walk(self, ".", HOLDERS):
            if isinstance(part, Module) and (whole is None or not path.startswith(whole)):
                layers[path] = part
                whole = inside(path) if part._whole else None
        return summarized(self, layers, sample)

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters():
            parameter.grad = 0.0

    def __repr__(self) -> str:
        names = [name for name, part in walk(self, ".") if _trainable(part)]
        where = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
        return (
            f"{type(self).__name__}({plural(len(names), 'parameter')}{' in ' * bool(names)}{where})"
        )


def named(
    root: Module, what: str, separator: str, kinds: tuple[type, ...]
) -> list[tuple[str, Any]]:
    """List what stands below of these kinds, with paths; refuse two things of one name."""
    by_name: dict[str, Any] = {}
    for name, part in walk(root, separator, (*HOLDERS, *kinds)):
        if not isinstance(part, kinds) or (isinstance(part, Value) and part.op is not None):
            continue  # the result of an operation is computed, and neither learned nor kept
        if by_name.setdefault(name, part) is not part:
            raise SettingError(
                f"two {what} of {type(root).__name__} are both named {name!r}.",
                where="for example an attribute w0 beside a list w, whose first item is w0, too",
                fix="rename the attribute (or dict key) of one, so that files can tell them.",
            )
    return [*by_name.items()]


def _is_learned(held: Any) -> bool:
    """Check for a parameter, or a list of some."""
    return any(map(_trainable, held if isinstance(held, (list, tuple)) else [held]))


def _is_number(value: Any) -> bool:
    """Check for a number or a result, or a list of some."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(x, (float, int)) or (isinstance(x, Value) and x.op) for x in parts)


def _modules(root: Module) -> list[Module]:
    return [part for _, part in walk(root, "/", HOLDERS) if isinstance(part, Module)]


class _Modes(dict[int, bool]):
    """The modes of some modules, by id, inside a block of :meth:`Module.evaluating`."""


def _modes(module: Module) -> _Modes | None:
    """Find the modes of the innermost block that the module is used in."""
    blocks = reversed(here().in_force(_Modes))
    return next((modes for modes in blocks if id(module) in modes), None)


def _trainable(part: Any) -> bool:
    return isinstance(part, Value) and part.op is None and not part.constant


def _outside(before: Context) -> Context:
    """Return the context with what was opened or ended by hand while a module was at work."""
    return here().inside(before.module, before.origin)


def _scope(now: Context, part: Module) -> str:
    """Find the path of a module below its caller; one made on the fly goes by its class."""
    caller, scope = now.module, now.origin
    try:
        for name, held in caller.__dict__.items():  # first where nearly every module stands
            if held is part:
                return _below(scope, name)
            if type(held) is list:
                place, i, own = part._place
                if place == name and i < len(held) and held[i] is part:
                    return _below(scope, own)
                for i, item in enumerate(held):
                    if item is part:
                        own = _item_name(name, held, i)
                        own = f"{name}[{i}]" if own in caller.__dict__ else own
                        part._place = name, i, own
                        return _below(scope, own)
    except RuntimeError:  # another thread has just given the caller a new attribute
        return _scope(now, part)
    paths = (path for path, item in walk(caller, "/", HOLDERS) if item is part)
    return _below(scope, next(paths, type(part).__name__.lower()))


@lru_cache(maxsize=4096)  # a model asks for the same few paths at every sample
def _below(scope: str, own: str) -> str:
    """Join the path of a module and the name of its part."""
    return f"{scope}/{own}" if scope and own else scope or own


HOLDERS = (Module, list, tuple, dict)
_KINDS = (*HOLDERS, Value)


def walk(
    root: Module, separator: str, kinds: tuple[type, ...] = _KINDS
) -> Iterator[tuple[str, Any]]:
    """Yield what stands below of these kinds, depth first in attribute order, once, with its path.

    Without Values it is much faster.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        path, part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield path, part
            parts = _parts(path, part, separator, kinds)
            waiting.extend(reversed([*parts]))


def _parts(
    path: str, whole: Any, separator: str, kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any]]:
    """Yield what a module or container holds of these kinds, with paths."""
    if isinstance(whole, (list, tuple)):
        for i, part in enumerate(whole):
            if isinstance(part, kinds):
                yield _item_name(path, whole, i), part
            elif not isinstance(part, Value):
                _check_visible(path, i, part)
    elif isinstance(whole, (dict, Module)):
        held = whole if isinstance(whole, dict) else vars(whole)
        for name, part in held.copy().items():  # another thread may give it an attribute
            if isinstance(part, kinds):
                yield f"{path}{separator}{name}" if path else str(name), part
            else:
                _check_visible(path or type(whole).__name__, name, part)


def _item_name(path: str, held: Sequence[Any], i: int) -> str:
    """Name an item of a list: "layer1" of ``layers``, "w5" of ``w``, "0.1" in a list of lists."""
    if path[-1:].isdigit():
        return f"{path}.{i}"
    if not isinstance(held[i], Module):
        return f"{path}{i}"
    if path.endswith("layers"):  # counted from 1, without the activation functions between them
        i = sum(isinstance(item, Module) for item in held[: i + 1])
    return f"{path.removesuffix('s')}{i}"


def _check_visible(path: str, name: Any, part: Any) -> None:
    """Refuse Values and modules in a container that has no order, or none that files could keep."""
    hides = isinstance(part, (set, frozenset, deque))
    if hides or (str(getattr(part, "dtype", "")) == "object" and hasattr(part, "flat")):
        inner = next((x for x in (part if hides else part.flat) if isinstance(x, _KINDS)), None)
        if isinstance(inner, (Module, Value)):
            kind = type(part).__name__
            raise SettingError(
                f"{name} of {path} is a {kind} that holds {inner!r:.60}.",
                where="parameters are found in lists, tuples and dicts alone",
                fix=f"make a list of the {kind}, for example self.values = list(values).",
            )
