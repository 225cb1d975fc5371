"""A frozen parameter is a constant everywhere: in training, programs, figures and diagnosis."""

from random import Random

import pytest

from tests.targets import on_every_target
from tinygrad_edu import draw, nn, train
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.diagnose import gradient_flow
from tinygrad_edu.engine.errors import SettingError

X, Y = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]], [0, 1, 1, 0]


def network():
    """Return a model with every kind of layer."""
    return nn.Sequential(
        nn.Layer(2, 4, "tanh", rng=Random(1)), nn.BatchNorm(4), nn.Dropout(0.2, Random(3)),
        nn.Layer(4, 3, "relu", rng=Random(2)), nn.Layer(3, 2, rng=Random(4)),
    )  # fmt: skip


def numbers(model):
    """Return the numbers of a model but its running statistics."""
    return {name: v.data for name, v in model.named_values() if "running" not in name}


def fit(model, optimizer, compiled, **settings):
    """Train with what moves a weight without a gradient: momentum, decay, a penalty."""
    return train.fit(
        model, nn.cross_entropy, X, Y, epochs=3, batch_size=2, optimizer=optimizer,
        compiled=compiled, progress=False, rng=Random(0), penalty=nn.L2(0.1), **settings,
    )  # fmt: skip


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("frozen", ["layer1", "layer2", "layer4", "layer5"])
@pytest.mark.parametrize("compiled", [True, False])
def test_training_leaves_a_frozen_layer_alone(frozen, compiled, before):
    """Whether it was frozen before the optimizer was built, or after some steps of it."""
    pytest.importorskip("numpy")
    model = network()
    if before:
        getattr(model, frozen).freeze()
    optimizer = train.Adam(model.parameters(), 0.05, weight_decay=0.1)
    if not before:
        fit(model, optimizer, compiled)
        getattr(model, frozen).freeze()
    start = numbers(model)

    fit(model, optimizer, compiled)

    unchanged = {name for name, x in numbers(model).items() if x == start[name]}
    assert unchanged >= {name for name in start if name.startswith(frozen)}
    assert len(unchanged) < len(start) / 2
    if not before:
        start = numbers(model.unfreeze())
        fit(model, optimizer, compiled)
        assert all(x != start[name] for name, x in numbers(model).items() if frozen in name)


def test_matrices_and_graphs_train_alike_beside_a_frozen_layer():
    """The same numbers, to rounding."""
    pytest.importorskip("numpy")
    models = [network(), network()]
    for model, compiled in zip(models, (True, False), strict=True):
        model.layer4.freeze()
        fit(model, train.Adam(model.parameters(), 0.05), compiled)

    assert numbers(models[0]) == pytest.approx(numbers(models[1]), rel=1e-9)


def test_matrices_and_graphs_train_alike_where_a_callback_freezes_and_thaws():
    """From the next epoch on; the compiled run has a new program then."""
    pytest.importorskip("numpy")

    def gradual(history, net):
        net.unfreeze()
        (net.layer4, net.layer5, net.layer1)[len(history.loss) - 1].freeze()

    models = [network(), network()]
    for model, compiled in zip(models, (True, False), strict=True):
        fit(model, train.Adam(model.parameters(), 0.05), compiled, callbacks=[gradual])

    assert numbers(models[0]) == pytest.approx(numbers(models[1]), rel=1e-9)


@on_every_target
def test_programs_have_frozen_parameters_as_constants(target):
    """The gradient of the others is that of the graph."""
    pytest.importorskip("numpy")
    model = nn.MLP(2, [3, 1], rng=Random(0))
    model.layer1.freeze()
    loss = nn.mse(model([1.0, 2.0]), 1.0)
    program = compile_graph(loss, target=target)

    program.backward()
    loss.backward()

    assert set(program.parameters) == set(model.parameters())
    gradient = dict(zip(program.parameters, program.gradient, strict=True))
    assert [gradient[p] for p in model.parameters()] == [p.grad for p in model.parameters()]


def test_predictions_notice_what_was_frozen_and_loaded_since():
    """A program that was compiled before is not used for it."""
    pytest.importorskip("numpy")
    model = nn.MLP(2, [3, 1], rng=Random(0))
    predictor = Predictor(model)
    before = predictor(X)

    model.layer1.freeze()
    same = predictor(X)
    for _, value in model.layer1.named_values():
        value.data *= 2.0

    assert same == before
    assert [out for (out,) in predictor(X)] == pytest.approx([model(x).data for x in X])


def test_figures_say_what_is_frozen(tmp_path):
    """The box of a layer counts them apart; a value says so where one points at it."""
    model = nn.MLP(2, [3, 1], rng=Random(0))
    model.layer1.freeze()
    loss = nn.mse(model([1.0, 2.0]), 1.0)
    loss.backward()

    for style, words in (("folded", "9 frozen params · 15 ops"), ("circuit", "frozen: training")):
        draw(loss, style=style).save(tmp_path / "a.svg")
        assert words in (tmp_path / "a.svg").read_text()


def test_a_diagnosis_lists_a_frozen_layer_without_parameters():
    """Nothing is wrong with it: gradients pass through it."""
    model = nn.MLP(2, [3, 1], rng=Random(0))
    model.layer1.freeze()

    layers = gradient_flow(model, nn.mse, X, Y).layers

    assert [(layer.name, layer.gradient is None) for layer in layers] == [
        ("layer1", True),
        ("layer2", False),
    ]


def test_a_model_that_is_all_frozen_cannot_be_trained():
    """The error says how to go on."""
    with pytest.raises(SettingError, match=r"(?s)no parameters to train.*model.unfreeze\(\)"):
        fit(network().freeze(), None, False)
