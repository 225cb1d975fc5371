"""Modules: which values are parameters, their names, and where nodes say they come from."""

import copy
import gc
import pickle
import random
import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import (
    MLP,
    BatchNorm,
    Dropout,
    Layer,
    Module,
    Neuron,
    Sequential,
    save,
)


class Scale(Module):
    """One parameter, called factor."""

    def __init__(self, factor=1.0):
        self.factor = Value(factor)

    def forward(self, x):
        """Factor times x."""
        return self.factor * x


class Net(Module):
    """A network as a reader writes it: a module inside, a list filled by append, a dict."""

    def __init__(self):
        self.body = MLP(2, [3, 2])
        self.blocks = []
        for _ in range(2):
            self.blocks.append(Layer(2, 2, "tanh"))
        self.heads = {"left": Neuron(2), "right": Scale()}

    def forward(self, x):
        """One number of two."""
        x = self.body(x)
        for block in self.blocks:
            x = block(x)
        return self.heads["right"](self.heads["left"](x))


class Holder(Module):
    """Holds what it is given; computes whatever its function says."""

    def __init__(self, function=None, **held):
        self.function = function
        vars(self).update(held)

    def forward(self, *args):
        """Whatever."""
        return self.function(self, *args)


def names(module):
    """The names of the parameters."""
    return [name for name, _ in module.named_parameters()]


# --- parameters -------------------------------------------------------------------------------


def test_parameters_are_named_by_their_path():
    """Attributes and dict keys are joined by dots, items of lists numbered, modules singular."""
    found = names(Net())

    assert found[:3] == [f"body.layer1.neuron0.{name}" for name in ("w0", "w1", "b")]
    assert found[-4:] == [
        f"heads.{name}" for name in ("left.w0", "left.w1", "left.b", "right.factor")
    ]
    assert "block1.neuron0.w1" in found
    assert len(found) == 9 + 8 + 6 + 6 + 3 + 1


def test_parameters_come_in_the_order_of_the_attributes():
    """Also where values stand in tuples and lists, and lists in lists."""
    a, b, c, d, e = (Value(float(i)) for i in range(5))

    held = Holder(z=a, pair=(b, [c, d]), y=e)

    assert held.parameters() == [a, b, c, d, e]
    assert names(held) == ["z", "pair0", "pair1.0", "pair1.1", "y"]


def test_lists_of_lists_have_no_two_names_alike():
    """Item 1 of row 11 is not item 11 of row 1."""
    held = Holder(w=[[Value(0.0) for _ in range(12)] for _ in range(12)])

    assert len(set(names(held))) == 144


def test_leaves_that_training_may_change_are_parameters():
    """Constants and results are not; what is shared counts once, under the first of its names."""
    leaf, scale = Value(2.0), Scale()

    held = Holder(first=leaf, again=[leaf, scale], last=scale)
    other = Holder(held=held, constant=leaf.detach(), result=leaf * leaf, number=3.0, text="w")

    assert names(other) == ["held.first", "held.again1.factor"]


DOUBLES = {
    "w0": lambda: Holder(w0=Value(1.0), w=[Value(2.0)]),
    "b0": lambda: Holder(b=[Value(1.0)], b0=Value(2.0).detach()),
    "m.1": lambda: Holder(m={1: Value(1.0), "1": Value(2.0)}),
    "m.a.b": lambda: Holder(m={"a.b": Value(1.0), "a": {"b": Value(2.0)}}),
    "m.n.b": lambda: Holder(m=Holder(**{"n.b": Value(1.0)}, n=Holder(b=Value(2.0)))),
    "w1.0": lambda: Holder(w=[1.0, [Value(1.0)]], w1={"0": Value(2.0).detach()}),
    "layer1.factor": lambda: Holder(layers=[Scale()], layer1=Scale()),
    "layer1.gamma0": lambda: Holder(layers=[BatchNorm(1)], layer1=BatchNorm(1)),
    "block0.factor": lambda: Holder(blocks=[Scale()], block=[Scale()]),
}


@pytest.mark.parametrize("name", DOUBLES)
def test_two_values_of_one_name_are_refused(name, tmp_path):
    """A file could not tell them apart; the model still runs and trains by its parameters."""
    model = DOUBLES[name]()

    for use in (model.named_parameters, model.named_buffers, model.named_values):
        with pytest.raises(SettingError, match=f"both named '{name}'"):
            use()
    with pytest.raises(SettingError, match=f"both named '{name}'"):
        save(model, tmp_path / "model.json")
    assert model.parameters()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["layer1", "block0"])
def test_two_modules_of_one_name_are_refused(name):
    """Their generators, gradients and verdicts would be taken for one another's."""
    model = DOUBLES[f"{name}.factor"]()

    with pytest.raises(SettingError, match=f"two modules of Holder are both named '{name}'"):
        model.named_modules()
    assert model.eval().train() is model


def test_a_result_of_the_name_of_a_parameter_is_in_nobodys_way():
    """It is computed anew in each run, and neither trained nor saved."""
    model = Holder(w=[Value(1.0), Value(2.0)])
    model.w1 = model.w[1] * 2.0

    assert [name for name, _ in model.named_values()] == names(model) == ["w0", "w1"]


def test_two_modules_of_one_name_are_two_in_a_figure():
    """An item of a list is written as in Python where an attribute has its name."""
    model = Holder(lambda self, x: self.layer1(x) + self.layers[0](x))
    vars(model).update(layers=[Scale()], layer1=Scale())

    assert {node.origin for node in model(1.0).inputs} == {"layer1", "layers[0]"}


def test_one_value_or_module_at_two_places_is_not_two():
    """Tied weights have the first of their names, whatever the second would be."""
    tied, scale = Value(2.0), Scale()
    model = Holder(w=[tied], w0=tied, layers=[scale], layer1=scale, back=scale)

    assert names(model) == ["w0", "layer1.factor"]
    assert [path for path, _ in model.named_modules()] == ["", "layer1"]


def test_layers_are_counted_from_1_without_the_functions_between_them():
    """As in equations: W1, A1. Other lists are counted as Python does."""
    chain = Sequential(Layer(1, 1), "relu", Dropout(0.5), abs, Layer(1, 1))
    model = Holder(hidden_layers=[Scale(), Scale()], blocks=[Scale(), "x", Scale()], chain=chain)

    paths = [path for path, part in model.named_modules() if not isinstance(part, Neuron)]

    assert paths == [
        "", "hidden_layer1", "hidden_layer2", "block0", "block2",
        "chain", "chain/layer1", "chain/layer2", "chain/layer3",
    ]  # fmt: skip
    assert [chain.layer1, chain.layer2, chain.layer3] == [chain.layers[i] for i in (0, 2, 4)]
    assert model.block2 is model.blocks[2]


def test_a_module_that_is_not_there_is_an_attribute_error():
    """So that hasattr and getattr with a default work; Python proposes a name that is alike."""
    with pytest.raises(AttributeError, match="'MLP' object has no attribute 'layer3'"):
        MLP(1, [1, 1]).layer3  # noqa: B018
    assert not hasattr(MLP(1, [1, 1]), "w0")


def test_a_module_under_the_name_of_another_is_refused():
    """``model.layer1 = other`` would stand beside the layer, and not run; the list is the place."""
    model, other = MLP(2, [3, 1]), Layer(2, 3, "tanh")

    with pytest.raises(SettingError, match=r"(?s)layer1 of this MLP is Layer.*model.layers\[0\]"):
        model.layer1 = other
    model.layers[0] = other

    assert model.layer1 is other
    model.layer1 = model.layers[0]  # the same by a name of its own
    assert names(model)[0] == "layer1.neuron0.w0"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("b", lambda b, w: 0.5),
        ("b", lambda b, w: b - 0.1 * b.grad),
        ("b", lambda b, w: [0.5]),
        ("w", lambda b, w: [1.0, 2.0]),
        ("w", lambda b, w: [v * 0.9 for v in w]),
        ("w", lambda b, w: (w[0], 1)),
    ],
)
def test_a_number_in_the_place_of_a_parameter_is_refused(name, number):
    """``self.b = self.b - 0.1 * self.b.grad`` would leave nothing to train; data is the place."""
    neuron = Neuron(2)
    before = neuron.parameters()

    with pytest.raises(
        SettingError, match=rf"(?s){name} of this Neuron is learned.*{name}.*data = "
    ):
        setattr(neuron, name, number(neuron.b, neuron.w))

    assert neuron.parameters() == before


def test_results_and_numbers_may_be_kept_beside_the_parameters():
    """What a module remembers of a run is not a parameter."""
    scale = Scale()
    for seen in (scale(1.0), [scale(2.0)], 3.0, None):
        scale.seen = seen
    scale.factor = Value(4.0).detach()

    assert scale.parameters() == []


def test_a_module_may_have_names_of_its_own_beside_its_place_in_a_list():
    """Also counted from 0: it is there already, and runs."""
    model = Holder(layers=[Scale(2.0), Scale(3.0)])
    model.layer0, model.layer1 = model.layers

    assert names(model) == ["layer1.factor", "layer2.factor"]
    assert [path for path, _ in model.named_modules()] == ["", "layer1", "layer2"]


def test_an_attribute_may_be_replaced():
    """By another module, a list, a Value: parameters are looked up when they are asked for."""
    model = Holder(layer1=Scale(), w=Value(1.0))

    model.layer1, model.w = Scale(), [Value(2.0), Value(3.0)]
    model.layer2, model.more = Scale(), (Scale(), {"a": Scale()})

    assert names(model) == [
        "layer1.factor", "w0", "w1", "layer2.factor", "more0.factor", "more1.a.factor",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "make"),
    [("set", set), ("frozenset", frozenset), ("deque", deque), ("ndarray", None)],
)
@pytest.mark.parametrize("inner", [Value(1.0), Scale()])
def test_parameters_in_a_container_without_names_are_refused(kind, make, inner):
    """They would not be found, and silently stay as they are."""
    held = make([inner]) if make else pytest.importorskip("numpy").array([inner], dtype=object)
    model = Holder(inner=Holder(shifts=held))

    with pytest.raises(SettingError, match=f"shifts of inner is a {kind} that holds"):
        model.parameters()
    with pytest.raises(SettingError, match=f"1 of pair is a {kind} that holds"):
        Holder(pair=(1.0, held)).named_modules()


def test_zero_grad_clears_every_gradient():
    """After it, nothing of the last backward is left on a parameter."""
    net = Net()
    net([1.0, -2.0]).backward()
    assert any(p.grad for p in net.parameters())

    net.zero_grad()

    assert [p.grad for p in net.parameters()] == [0.0] * len(net.parameters())


def test_a_module_that_knows_its_parent_is_walked_once():
    """A cycle of the reader's own making ends."""
    child = Scale()
    child.parent = parent = Holder(child=child)

    assert names(parent) == ["child.factor"]
    assert repr(parent) == "Holder(1 parameter in child)"


def test_modules_nest_deeper_than_the_recursion_limit():
    """5,000 modules, each inside the next."""
    module = Scale()
    for _ in range(5_000):
        module = Holder(inner=module)

    (name,) = names(module)

    assert name == "inner." * 5_000 + "factor"


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_independent_and_has_the_same_names(twin_of):
    """Training the copy of a model that ran leaves the original alone; sharing is kept."""
    shared = Scale(2.0)
    original = Holder(a=shared, b=[shared], net=Net())
    before = original.net([0.5, -1.5])

    twin = twin_of(original)
    assert twin.net([0.5, -1.5]).data == before.data
    for parameter in twin.parameters():
        parameter.data = 7.0

    assert names(twin) == names(original)
    assert twin.a is twin.b[0]
    assert all(p.data != 7.0 for p in original.parameters())


def test_a_module_without_forward_says_so():
    """Not NotImplementedError alone: what to write."""

    class Empty(Module):
        pass

    with pytest.raises(SettingError, match="Empty has no forward"):
        Empty()(1.0)


def test_a_model_that_ran_dies_with_its_last_reference():
    """Calling makes no reference cycle, neither within the model nor with what it built."""
    gc.collect()
    gc.disable()
    try:
        net = Net()
        root = net([1.0, 2.0])
        root.backward()
        dead = weakref.ref(net)

        del net, root

        assert dead() is None
    finally:
        gc.enable()


# --- scopes -----------------------------------------------------------------------------------


def origins(root):
    """Where the operations of a graph say they come from."""
    return {node.origin for node in topological_order(root) if node.op is not None}


def test_every_module_builds_under_the_path_it_is_listed_with():
    """Scopes, ``named_modules`` and parameter names tell the same story, in any nesting."""
    net = Holder(lambda self, x: self.inner(x), inner=Net())

    root = net([1.0, -1.0])

    paths = dict(net.named_modules())
    assert origins(root) == {p for p, part in paths.items() if isinstance(part, (Neuron, Scale))}
    for path in origins(root):
        assert paths[path].scope == path
    own = [node for node in topological_order(root) if node.origin == "inner/block1/neuron0"]
    assert len(own) == 5  # two products, two sums, tanh
    assert "inner/heads/right" in paths


def test_the_outermost_module_has_the_empty_path():
    """Its own nodes stand in no frame; called alone, a part is the outermost."""
    net = Net()
    net([1.0, 1.0])

    part = net.heads["right"](Value(2.0))

    assert part.origin == ""
    assert net.scope == ""


def test_a_part_added_after_the_first_call_gets_its_own_path():
    """Names are looked up when a part is called, so a list may grow, shrink or turn round."""
    chain = Holder(lambda self, x: self.parts[-1](self.parts[0](x)), parts=[Scale(), Scale()])
    chain(1.0)

    chain.parts.append(Scale())
    grown = chain(1.0)
    chain.parts.reverse()
    turned = chain(1.0)

    for root in (grown, turned):
        assert (root.origin, root.inputs[1].origin) == ("part2", "part0")


def test_a_part_shared_by_two_models_has_its_path_in_each():
    """The path depends on who calls."""
    shared = Scale()
    call = {"function": lambda self, x: next(iter(self.parts.values()))(x)}
    a, b = Holder(**call, parts={"first": shared}), Holder(**call, parts={"other": shared})

    paths = [model(1.0).origin for model in (a, b, a)]

    assert paths == ["parts/first", "parts/other", "parts/first"]


def test_a_part_of_a_part_called_directly_has_its_full_path():
    """The caller need not be its parent."""
    net = Holder(lambda self, x: self.body.layers[1].neurons[2](x), body=MLP(2, [2, 3]))

    assert net([1.0, 2.0]).origin == "body/layer2/neuron2"


def test_a_part_made_on_the_fly_goes_by_its_class():
    """It stands nowhere in the model that calls it."""
    net = Holder(lambda self, x: Scale()(x))

    assert net(1.0).origin == "scale"


def test_a_module_that_calls_itself_keeps_its_path():
    """Recursion over a structure is one module at work."""
    scale = Scale(2.0)
    net = Holder(lambda self, n: self.scale(1.0) if n == 0 else self(n - 1) * 1.0, scale=scale)
    outer = Holder(lambda self: self.net(3), net=net)

    assert origins(outer()) == {"net", "net/scale"}


def test_an_exception_in_forward_leaves_no_scope_behind():
    """What is built next belongs to no module."""

    def fail(self, x):
        self.part(x)
        raise ZeroDivisionError

    net = Holder(fail, part=MLP(1, [2, 2]))

    with pytest.raises(ZeroDivisionError):
        net([1.0])

    assert here().origin == ""
    assert Scale()(1.0).origin == ""


@pytest.mark.parametrize("module", [MLP(2, [2, 1]), Layer(2, 2), Neuron(2)])
def test_forward_called_by_hand_leaves_no_scope_behind(module):
    """Nor does an error half-way through it."""
    module.forward([1.0, 2.0])
    assert here().origin == ""

    last = module.layers[-1] if isinstance(module, MLP) else module
    (last.neurons[-1] if isinstance(last, Layer) else last).w.append(Value(1.0))
    with pytest.raises(ValueError, match="expected a list of 3 inputs, got 2"):
        module.forward([1.0, 2.0])

    assert here().origin == ""


def test_threads_do_not_take_each_other_for_callers():
    """Two models that run at the same time are each the outermost."""
    barrier = threading.Barrier(2, timeout=10)

    def wait(self, x):
        barrier.wait()
        return self.part(x)

    models = [Holder(wait, part=Scale()) for _ in range(2)]
    threads = [threading.Thread(target=model, args=(1.0,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [model.scope for model in models] == ["", ""]
    assert [model.part.scope for model in models] == ["part", "part"]


def test_names_do_not_depend_on_the_order_of_calls():
    """A model says the same after its parts have run in a shuffled order."""
    net, fresh = Net(), Net()
    parts = [module for _, module in net.named_modules() if isinstance(module, Neuron)]
    random.Random(5).shuffle(parts)
    for part in parts:
        part([1.0] * len(part.w))

    root, expected = net([1.0, 2.0]), fresh([1.0, 2.0])

    pairs = zip(topological_order(root), topological_order(expected), strict=True)
    assert all(a.origin == b.origin for a, b in pairs)
    assert names(net) == names(fresh)


def test_evaluation_mode_is_that_of_the_thread_which_entered_it():
    """Blocks of two threads overlap: each sees its own mode, and the module keeps its own."""
    model = MLP(1, [1])
    entered, looked = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def other():
        with model.evaluating():
            entered.wait()
            looked.wait()
            assert not model.training

    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(other)
        entered.wait()
        assert model.training
        with model.evaluating():
            looked.wait()
            told.result()
            assert not model.training
    assert model.training


def test_a_mode_that_is_chosen_inside_ends_with_the_block():
    """As a forward pass does which switches its own dropout on; so do blocks inside blocks."""
    model = MLP(1, [1])
    part = model.layers[0]

    with model.evaluating():
        part.train()
        assert (model.training, part.training) == (False, True)
        with part.evaluating():
            assert not part.training
            model.train()
        assert (model.training, part.training) == (True, True)
    model.eval()
    with model.evaluating():
        model.train()

    assert not model.training
    assert not part.training


def test_modes_are_pickled_and_copied_with_the_module():
    """Those of the module itself, as in files of the first edition."""
    model = MLP(1, [1])
    model.eval()

    assert vars(model)["training"] is False
    assert not pickle.loads(pickle.dumps(model)).training
    assert not copy.deepcopy(model).layers[0].training


def test_scopes_of_threads_that_share_a_module():
    """One calls the whole model, the other a part of it: nodes remember the path of their own."""
    model = MLP(1, [1, 1])
    inner = model.layers[1]
    alone = [model([1.0]).origin, inner([1.0])[0].origin]

    class Slow(type(inner)):
        def forward(self, x):
            met.wait()
            met.wait()
            return super().forward(x)

    inner.__class__, met = Slow, threading.Barrier(2, timeout=60)
    with ThreadPoolExecutor(2) as pool:
        whole, part = pool.submit(model, [1.0]), pool.submit(inner, [1.0])
        paths = [whole.result().origin, part.result()[0].origin]

    assert paths == alone
    assert paths[0] != paths[1]
