"""Training on matrices is training on Values: the same seed gives the same weights."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import (
    SGD,
    Adam,
    AdamW,
    ClipByNorm,
    ClipByValue,
    History,
    cosine,
    digits,
    fit,
    warm_up,
)
from tinygrad_edu.train.stepping import CompiledStepper, Task

rng = Random(2)
X = [[rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(30)]
CLASSES = [int(x[0] > 0.0) + 2 * int(x[1] * x[2] > 0.0) for x in X]


def sequential(*parts):
    """Three inputs, six hidden neurons, the parts, four logits."""
    rng = Random(1)
    return nn.Sequential(nn.Layer(3, 6, rng=rng), *parts, nn.Layer(6, 4, rng=rng))


def one_output():
    """A tanh network for a single number."""
    return nn.MLP(3, [6, 1], activation="tanh", rng=Random(1))


LAYERS = {
    "relu": lambda: nn.MLP(3, [6, 4], rng=Random(1)),
    "sequential": lambda: sequential("tanh"),
    "residual": lambda: sequential("relu", nn.Residual(nn.Layer(6, 6, "tanh", rng=Random(3)))),
    "layer norm": lambda: sequential(nn.LayerNorm(6), "relu"),
    "batch norm": lambda: sequential(nn.BatchNorm(6), "relu"),
    "dropout": lambda: sequential("relu", nn.Dropout(0.3, Random(4))),
    "dropouts": lambda: sequential(nn.Dropout(0.2, Random(4)), "relu", nn.Dropout(0.5, Random(5))),
    "all": lambda: sequential(
        nn.BatchNorm(6), "relu", nn.Dropout(0.3, Random(4)),
        nn.Residual(nn.Sequential(nn.Layer(6, 6, rng=Random(3)), nn.BatchNorm(6), "tanh")),
        nn.LayerNorm(6),
    ),
}  # fmt: skip
PROBLEMS = {name: (build, nn.cross_entropy, CLASSES) for name, build in LAYERS.items()} | {
    "signs": (one_output, nn.hinge, [1 if x[0] > 0.0 else -1 for x in X]),
    "bits": (one_output, nn.binary_cross_entropy, [int(x[1] > 0.0) for x in X]),
    "numbers": (one_output, nn.mse, [x[0] * x[1] for x in X]),
}


def momentum(parameters, **settings):
    """The optimizer, where a test names no other."""
    return SGD(parameters, 0.1, momentum=0.9, **settings)


def trained(name, compiled, make=momentum, **settings):
    """The model's numbers, buffers too, the history and the optimizer of a run."""
    build, loss, y = PROBLEMS[name]
    model = build()
    optimizer = make(model.parameters())
    history = fit(
        model, loss, X, y, epochs=10, batch_size=7, optimizer=optimizer, validation=(X[:9], y[:9]),
        rng=Random(5), progress=False, compiled=compiled, **settings,
    )  # fmt: skip
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: value.data for name, value in named}, history, optimizer


def assert_same(name, make=momentum, **settings):
    """Both ways from the same start to the same numbers."""
    eager, on_values, left = trained(name, False, make, **settings)
    compiled, on_matrices, mine = trained(name, True, make, **settings)

    assert compiled == pytest.approx(eager, rel=1e-9, abs=1e-11)
    for part in ("batch_loss", "loss", "accuracy", "validation_loss", "validation_accuracy"):
        found, expected = getattr(on_matrices, part), getattr(on_values, part)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11, err_msg=part)
    for found, expected in zip(on_matrices.gradient, on_values.gradient, strict=True):
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-12)
    assert on_matrices.learning_rate == on_values.learning_rate
    assert mine.steps == left.steps
    np.testing.assert_allclose(mine.state, left.state, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_whole_run_is_the_same_compiled(name):
    """Weights, statistics, losses, accuracies, gradients and moments; masks of the same draws."""
    assert_same(name)


@pytest.mark.parametrize("penalty", [nn.L2(0.1), nn.L1(0.05)], ids=repr)
@pytest.mark.parametrize("name", ["sequential", "all"])
def test_penalties_are_the_same_compiled(name, penalty):
    """Added once to each batch's loss, and not to the validation loss."""
    assert_same(name, lambda p: SGD(p, 0.1), penalty=penalty)


@pytest.mark.parametrize("clip", [None, ClipByNorm(0.2), ClipByValue(0.01)], ids=repr)
def test_clipping_and_schedules_are_the_same_compiled(clip):
    """One formula, on a float and on the vector."""
    schedule = warm_up(5, then=cosine(40))

    assert_same("residual", lambda p: Adam(p, 0.05, schedule=schedule, clip=clip))


def test_a_penalty_changes_the_weights():
    """So that the test above would notice one that is forgotten on both sides."""
    runs = [trained("sequential", True, penalty=penalty)[0] for penalty in (None, nn.L2(0.1))]

    plain, penalised = (sum(w * w for w in weights.values()) for weights in runs)
    assert penalised < 0.8 * plain


def test_weights_come_back_after_ctrl_c(monkeypatch):
    """Stopped in the middle of an epoch, the Values have the weights of the last update."""
    (build, loss, y), history, updates = PROBLEMS["numbers"], History(), []
    model = build()
    update = CompiledStepper.update

    def interrupted(self):
        update(self)
        updates.append(self.program.vector.tolist())
        if len(updates) == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(CompiledStepper, "update", interrupted)

    with pytest.raises(KeyboardInterrupt):
        fit(
            model, loss, X, y, epochs=9, batch_size=6, history=history, progress=False,
            compiled=True,
        )  # fmt: skip

    assert sorted(p.data for p in model.parameters()) == sorted(updates[-1])
    assert len(history.loss) == 2


class TwoHeads(nn.Module):
    """The second head is not part of the output."""

    def __init__(self):
        rng = Random(1)
        self.body, self.head, self.other = (nn.MLP(*s, rng=rng) for s in SIZES)

    def forward(self, x):
        """Body, then the first head."""
        return self.head(self.body(x))


SIZES = ((3, [4]), (4, [1]), (4, [2]))


@pytest.mark.parametrize("clip", [None, ClipByNorm(0.01)], ids=repr)
@pytest.mark.parametrize("make", [momentum, lambda p, **k: AdamW(p, 0.05, **k)])
def test_an_optimizer_of_some_parameters_leaves_the_others(make, clip):
    """They are frozen to the bit; the others move as they do on graphs, clipped by their norm."""
    runs = []
    for compiled in (False, True):
        model = one_output()
        before = [p.data for p in model.parameters()]
        optimizer = make(model.layers[-1].parameters(), clip=clip)
        history = fit(
            model, nn.mse, X, CLASSES, epochs=3, batch_size=7, optimizer=optimizer, progress=False,
            compiled=compiled,
        )  # fmt: skip
        runs.append(([p.data for p in model.parameters()], history.gradient, history.loss))
        moved = [old != p.data for old, p in zip(before, model.parameters(), strict=True)]
        assert moved == [False] * 24 + [True] * 7

    (eager, sizes, losses), (compiled, same_sizes, same_losses) = runs
    assert compiled == pytest.approx(eager, rel=1e-9)
    assert same_losses == pytest.approx(losses, rel=1e-9)
    for found, expected in zip(same_sizes, sizes, strict=True):
        assert found == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("compiled", [False, True])
def test_constants_of_an_optimizer_stay(compiled):
    """What was made a constant after the optimizer was built is neither moved nor decayed."""
    model = one_output()
    optimizer = AdamW(model.parameters(), 0.05)
    for p in model.layers[0].parameters():
        p.constant = True
    before = [value.data for _, value in model.named_buffers()]

    fit(model, nn.mse, X, CLASSES, optimizer=optimizer, progress=False, compiled=compiled)

    assert [value.data for _, value in model.named_buffers()] == before
    assert len(before) == 24


@pytest.mark.parametrize("compiled", [False, True])
def test_a_callback_may_freeze_and_thaw(compiled):
    """As in gradual unfreezing: from the next epoch on, compiled training has another program."""
    model, path = one_output(), []
    first, second = (layer.parameters() for layer in model.layers)

    def gradual(history, _):
        path.append((first[0].data, second[0].data))
        for p in first:
            p.constant = len(history.loss) == 1
        for p in second:
            p.constant = len(history.loss) == 2

    fit(
        model, nn.mse, X, CLASSES, epochs=4, optimizer=momentum(model.parameters()),
        callbacks=[gradual], progress=False, compiled=compiled,
    )  # fmt: skip

    steps = [tuple(a != b for a, b in zip(*pair, strict=True)) for pair in pairwise(path)]
    assert steps == [(False, True), (True, False), (True, True)]


def test_parameters_that_the_loss_does_not_use_are_trained_on_graphs():
    """Compiled, an optimizer that has them is refused in words; one that has not, is not."""
    model = TwoHeads()

    with pytest.raises(SettingError, match="not depend on 10 of the 31 parameters that the opt"):
        fit(model, nn.mse, X, CLASSES, compiled=True, progress=False)
    assert fit(model, nn.mse, X, CLASSES, epochs=1, progress=False).loss
    some = SGD([*model.body.parameters(), *model.head.parameters()], 0.1)
    history = fit(model, nn.mse, X, CLASSES, optimizer=some, compiled=True, progress=False)
    assert history.loss[-1] < history.loss[0]
    assert [*history.gradient[0]] == ["body", "head", "other"]
    assert history.gradient[0]["other"] == 0.0


def rebuilt(model):
    """An optimizer, and then a new layer: what a cell that is run again does."""
    optimizer = SGD(model.parameters())
    model.layers[0] = nn.Layer(3, 6, "tanh", rng=Random(9))
    return optimizer


@pytest.mark.parametrize("compiled", [False, True, "auto"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: SGD(one_output().parameters()), "trains 31 .*, and 31 of them belong"),
        (rebuilt, "trains 31 parameters, and 24 of them belong neither to the model nor to the l"),
    ],
)
def test_an_optimizer_of_another_model_is_refused(make, message, compiled):
    """It would train nothing, or only a part, and say nothing."""
    model = one_output()
    optimizer = make(model)

    with pytest.raises(SettingError, match=message):
        fit(model, nn.mse, X, CLASSES, optimizer=optimizer, compiled=compiled, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
def test_parameters_of_the_loss_may_be_trained_too(compiled):
    """A temperature, or a weight of the penalty: they belong to no module."""
    model, scale = one_output(), Value(0.5)

    fit(
        model, lambda out, t: nn.mse(out * scale, t), X, CLASSES, progress=False, compiled=compiled,
        optimizer=SGD([*model.parameters(), scale], 0.1),
    )  # fmt: skip

    assert scale.data != 0.5


def test_logits_far_apart_on_another_sample_stay_finite():
    """The largest logit is found anew for each row: the shift of the traced one would overflow."""
    model = nn.MLP(1, [2])
    X, y = [[0.0], [1.0], [3000.0]], [0, 1, 0]
    stepper = CompiledStepper(Task(model, nn.cross_entropy, X, y, SGD(model.parameters(), 0.1)))

    loss, _ = stepper.forward_backward(range(3))

    eager = sum(nn.cross_entropy(model(x), t).data for x, t in zip(X, y, strict=True)) / 3
    assert loss == pytest.approx(eager, rel=1e-12)
    assert np.isfinite(stepper.program.gradient).all()


def test_real_digits_are_learned_compiled():
    """The demo's network, 4 epochs: over 90 % of held-out digits."""
    rng = Random(0)
    split = digits(rng=rng)
    model = nn.MLP(64, [16, 10], rng=rng)

    history = fit(
        model, nn.cross_entropy, split.X, split.y, epochs=4, batch_size=16, rng=rng,
        optimizer=Adam(model.parameters(), 0.01), validation=(split.X_test, split.y_test),
        progress=False, compiled=True,
    )  # fmt: skip

    assert history.validation_accuracy[-1] > 0.9


@pytest.mark.promise(name="settings")
def test_a_batch_of_one_is_refused_before_work_starts():
    """BatchNorm has no variance there; the message says which numbers leave it."""
    model, history = LAYERS["batch norm"](), History()

    with pytest.raises(SettingError, match="29 samples in batches of 7 leave a batch of one"):
        fit(model, nn.cross_entropy, X[:29], CLASSES[:29], batch_size=7, history=history)

    assert history.batch_loss == []


def test_the_model_is_in_evaluation_mode_afterwards():
    """After fit nothing is dropped, and one sample alone can be asked."""
    model = LAYERS["all"]()

    fit(model, nn.cross_entropy, X, CLASSES, epochs=1, batch_size=15, progress=False)

    assert [v.data for v in model(X[0])] == [v.data for v in model(X[0])]
    assert not any(part.training for _, part in model.named_modules())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_layer_that_a_callback_replaced_is_not_left_untrained_in_silence(compiled):
    """The optimizer still has the parameters of the one before."""
    model = nn.MLP(1, [2, 1])

    def replace(history, model):
        model.layers[1] = nn.MLP(2, [1]).layers[0]

    with pytest.raises(SettingError, match=r"belong neither to the model|does not depend on"):
        fit(
            model, nn.mse, [[0.0], [1.0]], [1.0, 2.0], epochs=3, callbacks=[replace],
            compiled=compiled, progress=False,
        )  # fmt: skip
