"""Training on matrices is training on Values: the same seed gives the same weights."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import (
    SGD,
    Adam,
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


def momentum(parameters):
    """The optimizer, where a test names no other."""
    return SGD(parameters, 0.1, momentum=0.9)


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


def test_an_optimizer_of_other_parameters_is_refused():
    """A program changes all the weights that it has; on graphs some may stay."""
    model = one_output()

    with pytest.raises(
        SettingError, match="trains 1 parameters, the loss of a sample depends on 31"
    ):
        fit(model, nn.mse, X, CLASSES, optimizer=SGD(model.parameters()[:1]), compiled=True)


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
