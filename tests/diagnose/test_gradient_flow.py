"""The diagnosis: each fault is named where it is planted, and nothing where there is none."""

import math
from random import Random

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose.gradient_flow import GradientFlow, gradient_flow
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.train import SGD, Adam, fit


def gaussian(samples=20, features=2, seed=1):
    """Standardised inputs, and the product of the first two as target."""
    rng = Random(seed)
    X = [[rng.gauss(0.0, 1.0) for _ in range(features)] for _ in range(samples)]
    return X, [x[0] * x[1] for x in X]


X, Y = gaussian()
ALL = range(len(X))
SIGNS = [1 if t > 0 else -1 for t in Y]
CLASSES = [int(x[0] > 0) + int(x[1] > 0) for x in X]


def mlp(depth=3, activation="tanh", outputs=1, features=2, seed=0, width=8):
    """So many layers of ``width`` neurons, the last one linear."""
    widths = [width] * (depth - 1) + [outputs]
    return nn.MLP(features, widths, activation=activation, rng=Random(seed))


def scaled(model, factor):
    """The model with all weights multiplied."""
    for parameter in model.parameters():
        parameter.data *= factor
    return model


def batch_loss(model, numbers=ALL):
    """The mean loss of some samples, as one graph."""
    losses = [nn.mse(model(X[i]), Y[i]) for i in numbers]
    return sum(losses[1:], losses[0]) * (1.0 / len(losses))


HEALTHY = [
    (depth, activation, loss, targets, outputs, seed)
    for depth in (2, 3, 4, 5)
    for activation in ("tanh", "relu")
    for seed, (loss, targets, outputs) in enumerate(
        [(nn.mse, Y, 1), (nn.hinge, SIGNS, 1), (nn.cross_entropy, CLASSES, 3)]
    )
]


@pytest.mark.parametrize(("depth", "activation", "loss", "targets", "outputs", "seed"), HEALTHY)
def test_nothing_is_found_in_healthy_networks(depth, activation, loss, targets, outputs, seed):
    """Default initialisers, standardised data, a usual learning rate: no false alarm."""
    model = mlp(depth, activation, outputs, seed=seed)

    flow = gradient_flow(model, loss, X, targets, learning_rate=0.03)

    assert flow.verdict == "no fault found"
    assert flow.faults == []


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("batch_size", [4, 20])
def test_nothing_is_found_in_a_trained_network(activation, optimizer, batch_size):
    """The gradients of the last minibatch, which ``fit`` leaves behind, are no fault."""
    model = mlp(3, activation)
    fit(model, nn.mse, X, Y, epochs=20, batch_size=batch_size, progress=False,
        optimizer=optimizer(model.parameters(), 0.01))  # fmt: skip

    flow = gradient_flow(model, nn.mse, X, Y)

    assert any(p.grad for p in model.parameters())
    assert flow.faults == []


@pytest.mark.parametrize("seed", range(3))
def test_twelve_sigmoid_layers_vanish(seed):
    """The first layer gets about (1/4)^11 of what the last one gets, and the verdict says so."""
    flow = gradient_flow(mlp(12, "sigmoid", seed=seed), nn.mse, X, Y)

    assert flow.faults == ["vanishing"]
    assert flow.ratio < 1e-5
    assert f"layer0 gets {flow.ratio:.2g} of layer11's gradient" in flow.verdict
    assert "Glorot and Bengio 2010" in flow.verdict


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_relu_weights_times_five_explode(depth):
    """Each layer multiplies its inputs by five more than He's weights would."""
    flow = gradient_flow(scaled(mlp(depth, "relu"), 5.0), nn.mse, X, Y)

    assert flow.faults == ["exploding"]


def test_activations_that_grow_explode_at_any_scale_of_the_loss():
    """A loss in small units has small gradients; the layers' outputs tell all the same."""
    flow = gradient_flow(
        scaled(mlp(4, "relu"), 5.0), lambda out, target: nn.mse(out, target) * 1e-6, X, Y
    )

    assert flow.faults == ["exploding"]
    assert "times as large as the inputs" in flow.verdict


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_tanh_weights_times_five_saturate(depth):
    """A tanh can't explode: its sums do, and it stands where it has no slope."""
    flow = gradient_flow(scaled(mlp(depth, "tanh"), 5.0), nn.mse, X, Y)

    assert flow.faults == ["saturation"]


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_equal_weights_are_symmetry(activation, weight):
    """Neurons with equal weights get equal gradients, and stay alike for ever."""
    model = mlp(3, activation)
    for parameter in model.parameters():
        parameter.data = weight

    flow = gradient_flow(model, nn.mse, X, Y)

    assert flow.faults[0] == "symmetry"
    assert [layer.alike for layer in flow.layers] == [True, True, False]


def test_one_neuron_that_differs_breaks_symmetry():
    """The fault is that all are alike, not that some are."""
    model = mlp(2)
    for parameter in model.parameters():
        parameter.data = 0.1
    model.layers[0].neurons[3].w[0].data = 0.2

    flow = gradient_flow(model, nn.mse, X, Y)

    assert "symmetry" not in flow.faults


def test_dead_relus_are_named_as_the_cause():
    """A layer of zeros is reported, not the vanishing gradient that follows from it."""
    model = mlp(3, "relu")
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0

    flow = gradient_flow(model, nn.mse, X, Y)

    assert flow.faults == ["dead relus"]
    assert "100 % in layer1" in flow.verdict
    assert [layer.dead for layer in flow.layers] == [0.0, 1.0, None]


RATES = [(SGD, 0.1), (Adam, 0.01)]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("optimizer", "rate"), RATES)
@pytest.mark.parametrize("seed", range(2))
def test_a_learning_rate_is_too_large_too_small_or_neither(activation, optimizer, rate, seed):
    """A usual rate, a hundred times and a ten-thousandth of it, in the optimizer's formula."""
    model = mlp(3, activation, seed=seed)

    found = [
        gradient_flow(model, nn.mse, X, Y, optimizer=optimizer(model.parameters(), r)).faults
        for r in (rate, 100.0 * rate, rate / 10000.0)
    ]

    assert found == [[], ["learning rate too large"], ["learning rate too small"]]


def test_a_learning_rate_is_that_of_plain_sgd():
    """``learning_rate`` and ``optimizer=SGD`` say the same; the step is the rate times grad."""
    model = mlp()

    by_rate = gradient_flow(model, nn.mse, X, Y, learning_rate=0.05)
    by_optimizer = gradient_flow(model, nn.mse, X, Y, optimizer=SGD(model.parameters(), 0.05))

    assert by_rate.numbers() == by_optimizer.numbers()
    for layer in by_rate.layers:
        assert layer.update == pytest.approx(0.05 * layer.gradient.norm / layer.weight.norm)


def test_compiled_and_eager_trials_agree():
    """The trial's losses are the same as matrices and as graphs."""
    losses = [
        gradient_flow(mlp(), nn.mse, X, Y, learning_rate=0.05, compiled=how).trial.losses
        for how in (True, False)
    ]

    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.parametrize("passes", [2, 3, 7])
def test_a_forgotten_zero_grad_is_named(passes):
    """Several passes added up are a whole multiple of one."""
    model = mlp()
    for _ in range(passes):
        batch_loss(model).backward()

    flow = gradient_flow(model, nn.mse, X, Y)

    assert flow.faults == ["accumulated gradients"]
    assert f"{passes} times those of one pass" in flow.verdict


def test_gradients_longer_than_any_mean_are_named():
    """Passes over other data add up to what no mean over these samples can be."""
    model = mlp()
    for _ in range(200):
        batch_loss(model, [0, 3, 5]).backward()

    flow = gradient_flow(model, nn.mse, X, Y)

    assert flow.faults == ["accumulated gradients"]
    assert "no mean over samples" in flow.verdict


def test_one_pass_is_no_accumulation():
    """One pass over all samples, one over a minibatch, and a sum over the samples are clean."""
    for numbers, cotangent in ((range(20), 1.0), ([2, 7], 1.0), (range(20), 20.0)):
        model = mlp()
        batch_loss(model, numbers).backward(cotangent)

        assert gradient_flow(model, nn.mse, X, Y).faults == []


def test_one_good_step_is_no_accumulation():
    """It may shrink the gradients to a fifth; those from before it are still in the model."""
    model, line = nn.MLP(1, [1]), ([[-1.0], [1.0]], [-2.0, 2.0])
    fit(model, nn.mse, *line, epochs=1, batch_size=2, optimizer=SGD(model.parameters(), 0.41),
        progress=False)  # fmt: skip
    held = math.hypot(*[p.grad for p in model.parameters()])

    flow = gradient_flow(model, nn.mse, *line)

    assert held == pytest.approx(flow.layers[0].gradient.norm / (1.0 - 2.0 * 0.41))
    assert flow.faults == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: [x[0], 5000.0 * x[1]], "feature 1 reaches"),
        (lambda x: [x[0], 0.001 * x[1]], "feature 1 only"),
        (lambda x: [x[0] + 60.0, x[1]], "feature 0 has a mean of"),
        (lambda x: [300.0 * x[0], 200.0 * x[1]], "feature 0 has a root mean square of"),
        (lambda x: [1e-4 * x[0], 1e-4 * x[1]], "no feature has a root mean square above"),
    ],
)
def test_unscaled_inputs_are_named(change, words):
    """Features apart in size, far from 0, all large or all small."""
    flow = gradient_flow(mlp(), nn.mse, [change(x) for x in X], Y)

    assert flow.faults[0] == "unscaled inputs"
    assert words in flow.verdict


def test_inputs_that_are_mostly_zero_are_no_fault():
    """Pixels: constant, rare and common features of one size need no scaling."""
    pixels = [[0.0, float(i == 7), float(i % 2), 1.0] for i in range(20)]

    flow = gradient_flow(mlp(2, features=4), nn.mse, pixels, Y)

    assert flow.faults == []


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_numbers_that_are_not_finite_are_named(bad):
    """The first layer that holds one is told, and no other rule guesses on."""
    model = mlp()
    model.layers[1].neurons[0].w[0].data = bad

    flow = gradient_flow(model, nn.mse, X, Y, learning_rate=0.1)

    assert flow.faults == ["not finite"]
    assert "layer1 is the first" in flow.verdict or "layer0 is the first" in flow.verdict


def test_the_gradients_are_those_of_the_mean_loss():
    """Norm, mean and spread agree with one graph of all samples."""
    model, twin = mlp(), mlp()
    batch_loss(twin).backward()

    flow = gradient_flow(model, nn.mse, X, Y)

    for layer, part in zip(flow.layers, twin.layers, strict=True):
        grads = [p.grad for p in part.parameters()]
        mean = math.fsum(grads) / len(grads)
        assert layer.gradient.count == len(grads)
        assert layer.gradient.norm == pytest.approx(math.sqrt(math.fsum(g * g for g in grads)))
        assert layer.gradient.mean == pytest.approx(mean)
        assert layer.gradient.spread**2 == pytest.approx(
            math.fsum((g - mean) ** 2 for g in grads) / len(grads)
        )


def test_activations_and_saturation_are_those_of_the_layers():
    """The outputs of a layer, and the share of tanhs with |out| > sqrt(0.95), counted by hand."""
    model = scaled(mlp(), 3.0)
    outputs = [[v.data for v in model.layers[0](x)] for x in X]
    flat = [number for row in outputs for number in row]

    layer = gradient_flow(model, nn.mse, X, Y).layers[0]

    assert layer.activation.count == len(flat)
    assert layer.activation.mean == pytest.approx(math.fsum(flat) / len(flat))
    assert layer.saturated == sum(abs(t) > math.sqrt(0.95) for t in flat) / len(flat)


def test_the_share_of_dead_relus_is_counted_over_samples():
    """A relu is dead if it is zero for every sample, not if it is for some."""
    model = mlp(2, "relu")
    for neuron in model.layers[0].neurons[:2]:
        neuron.b.data = -100.0

    layer = gradient_flow(model, nn.mse, X, Y).layers[0]

    assert layer.dead == 2 / 8


class Bare(nn.Module):
    """Two layers without Layer: parameters in attributes, all nodes without a scope."""

    def __init__(self, activation="tanh", weight=None):
        rng = Random(0)
        draw = (lambda: rng.gauss(0.0, 0.5)) if weight is None else (lambda: weight)
        self.inner = [[Value(draw()) for _ in range(2)] for _ in range(4)]
        self.outer = [Value(draw()) for _ in range(4)]
        self.activation = activation

    def forward(self, x):
        """One hidden layer."""
        sums = [row[0] * x[0] + row[1] * x[1] for row in self.inner]
        hidden = [getattr(total, self.activation)() for total in sums]
        terms = [w * h for w, h in zip(self.outer, hidden, strict=True)]
        return sum(terms[1:], terms[0])


def test_a_module_without_layers_is_told_by_its_attributes():
    """Any module works: parameters count for the attribute that holds them."""
    flow = gradient_flow(Bare(), nn.mse, X, Y)

    assert [layer.name for layer in flow.layers] == ["inner", "outer"]
    assert [layer.weight.count for layer in flow.layers] == [8, 4]
    assert flow.layers[0].activation.count == 4 * len(X)
    assert flow.faults == []


def test_symmetry_is_seen_in_rows_of_numbers():
    """A row of a list of lists is a neuron, too."""
    flow = gradient_flow(Bare(weight=0.3), nn.mse, X, Y)

    assert flow.faults == ["symmetry"]


class Wrapped(nn.Module):
    """A model inside a model, with an activation of its own at the end."""

    def __init__(self):
        self.body = mlp(3)

    def forward(self, x):
        """The body's answer, squashed."""
        return self.body(x).tanh()


def test_layers_are_found_inside_a_model_of_models():
    """Not the one top-level part, but the layers in it; what follows them is a row of its own."""
    flow = gradient_flow(Wrapped(), nn.mse, X, Y)

    assert [layer.name for layer in flow.layers] == ["body/layer0", "body/layer1", "body/layer2"]
    assert flow.faults == []


def remedies():
    """What the book names against vanishing gradients, each in a model."""
    rng = Random(0)
    first, last = nn.Layer(2, 8, rng=rng), nn.Layer(8, 1, rng=rng)
    blocks = [
        nn.Residual(nn.Sequential(nn.Layer(8, 8, "sigmoid", rng=rng), nn.Layer(8, 8, rng=rng)))
        for _ in range(5)
    ]
    return {
        "batch normalisation": nn.Sequential(first, nn.BatchNorm(8), "relu", last),
        "layer normalisation": nn.Sequential(first, nn.LayerNorm(8), "tanh", last),
        "dropout": nn.Sequential(first, "relu", nn.Dropout(0.2, rng), last),
        "residual connections": nn.Sequential(first, *blocks, last),
    }


@pytest.mark.parametrize("remedy", remedies())
def test_models_with_remedies_are_understood(remedy):
    """Nothing is wrong with them, and running means and generators are left as they are."""
    model = remedies()[remedy]
    buffers = [buffer.data for _, buffer in model.named_buffers()]

    flow, again = (gradient_flow(model, nn.mse, X, Y, learning_rate=1e-2) for _ in range(2))

    assert flow.faults == []
    assert flow.numbers() == again.numbers()
    assert [buffer.data for _, buffer in model.named_buffers()] == buffers


def test_an_activation_belongs_to_the_layer_it_follows():
    """Though it is the container that applies it; and each layer in a container is one."""
    normalised = gradient_flow(remedies()["batch normalisation"], nn.mse, X, Y)
    residual = gradient_flow(remedies()["residual connections"], nn.mse, X, Y)

    assert [layer.name for layer in normalised.layers] == ["part0", "part1", "part3"]
    assert [layer.dead is None for layer in normalised.layers] == [True, False, True]
    blocks = [f"part{i}/inner/part{j}" for i in range(1, 6) for j in (0, 1)]
    assert [layer.name for layer in residual.layers] == ["part0", *blocks, "part6"]


def test_dead_relus_are_counted_in_batches_too():
    """A batch that runs at once has its relus sample by sample."""
    model = nn.Sequential(nn.Layer(2, 8, rng=Random(0)), nn.BatchNorm(8), "relu", nn.Layer(8, 1))
    for shift in model.parts[1].beta[:3]:
        shift.data = -100.0

    flow = gradient_flow(model, nn.mse, X, Y)

    assert [layer.dead for layer in flow.layers] == [None, 3 / 8, None]


class Noisy(nn.Module):
    """Draws at random and counts its calls, as dropout and running means do."""

    def __init__(self):
        self.inner, self.rng, self.calls = mlp(2), Random(5), [0]

    def forward(self, x):
        """The answer to inputs with a little noise."""
        self.calls[0] += 1
        return self.inner([number + 0.01 * self.rng.random() for number in x])


def test_the_model_and_the_optimizer_are_left_as_they_are():
    """Weights, gradients, generator, counters, the optimizer's state: all as before."""
    model = Noisy()
    optimizer = Adam(model.parameters(), 0.05)
    nn.mse(model(X[0]), Y[0]).backward()
    optimizer.step()

    def everything():
        numbers = [(p.data, p.grad) for p in model.parameters()]
        state = (list(optimizer.state), optimizer.steps, optimizer.learning_rate)
        return numbers, state, model.rng.getstate(), list(model.calls)

    before = everything()

    gradient_flow(model, nn.mse, X, Y, optimizer=optimizer)

    assert everything() == before


def test_a_penalty_on_the_model_s_own_parameters_is_felt():
    """A loss may mean this very model: its gradients count, and nothing is left behind."""
    model = mlp(2)
    parameters = model.parameters()

    def penalised(out, target):
        return nn.mse(out, target) + 10.0 * sum(p * p for p in parameters)

    plain = gradient_flow(model, nn.mse, X, Y)
    flow = gradient_flow(model, penalised, X, Y, learning_rate=1e-3)

    assert flow.layers[0].gradient.norm > 10.0 * plain.layers[0].gradient.norm
    assert all(p.grad == 0.0 for p in parameters)


def test_at_most_so_many_samples_are_run():
    """``samples`` bounds the work; they are spread over the data."""
    seen = []

    def loss(out, target):
        seen.append(target)
        return nn.mse(out, target)

    gradient_flow(mlp(2), loss, X, list(range(20)), samples=5)

    assert seen == [0, 4, 8, 12, 16]


def test_it_prints_as_text_and_as_a_table():
    """A row a layer and the verdict, in the terminal and in a notebook; names are text."""
    flow = gradient_flow(mlp(12, "sigmoid"), nn.mse, X, Y)

    lines, page = str(flow).splitlines(), flow._repr_html_()

    assert [line.split()[0] for line in lines[2:14]] == [f"layer{i}" for i in range(12)]
    assert lines[14].startswith("vanishing: layer0 gets")
    assert lines[15].startswith("  try: ")
    assert page.count("<tr>") == 14
    assert "vanishing: layer0 gets" in page


@pytest.mark.parametrize("rate", [None, 0.1])
def test_the_plot_shows_every_layer(rate):
    """A line for the gradients, one for the outputs and, with a rate, one for the steps."""
    flow = gradient_flow(mlp(4), nn.mse, X, Y, learning_rate=rate)

    ax = flow.plot()

    assert flow.plot(ax) is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.partition(",")[0].partition(" /")[0] for label in labels[:2]] == [
        "gradient", "output",
    ]  # fmt: skip
    assert ("first step / weights" in labels) == (rate is not None)
    assert list(ax.lines[0].get_ydata()) == [layer.gradient.rms for layer in flow.layers]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "layer, from the inputs on"
    assert ax.get_title() == "no fault found"


def test_a_layer_without_gradient_is_left_out_of_the_line():
    """0 has no place on a logarithmic scale; what is dead is written under the layer."""
    model = mlp(3, "relu")
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0

    ax = gradient_flow(model, nn.mse, X, Y).plot()

    assert list(ax.lines[0].get_xdata()) == [2]
    assert [t.get_text() for t in ax.get_xticklabels()][1] == "layer1\n100 %\ndead"


def test_it_is_the_same_every_time():
    """Same script, same bits."""
    first, second = (
        gradient_flow(mlp(), nn.mse, X, Y, learning_rate=0.1).numbers() for _ in range(2)
    )

    assert isinstance(gradient_flow(mlp(), nn.mse, X, Y), GradientFlow)
    assert first == second


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (SettingError, {"learning_rate": -1.0}),
        (SettingError, {"learning_rate": math.nan}),
        (SettingError, {"samples": 0}),
        (SettingError, {"compiled": "maybe"}),
        (LengthError, {"y": Y[:-1]}),
    ],
)
def test_settings_are_refused(error, settings):
    """What can't be used is refused by name, and the model is not touched."""
    model, targets = mlp(2), settings.pop("y", Y)
    before = [p.data for p in model.parameters()]

    with pytest.raises(error, match=next(iter(settings), "y")):
        gradient_flow(model, nn.mse, X, targets, **settings)

    assert [p.data for p in model.parameters()] == before


@pytest.mark.promise(name="settings")
def test_two_learning_rates_are_refused():
    """The optimizer has one already."""
    model = mlp(2)

    with pytest.raises(SettingError, match="an optimizer was passed, too"):
        gradient_flow(
            model, nn.mse, X, Y, learning_rate=0.1, optimizer=SGD(model.parameters(), 0.1)
        )


@pytest.mark.promise(name="settings")
def test_a_model_without_parameters_is_refused():
    """There is nothing that gradients could reach."""
    with pytest.raises(SettingError, match="no parameters"):
        gradient_flow(nn.Module(), nn.mse, X, Y)
