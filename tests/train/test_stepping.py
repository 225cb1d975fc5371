"""Training on matrices is training on Values: the same seed gives the same weights."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import SGD, Adam, History, digits, fit
from tinygrad_edu.train.stepping import CompiledStepper, Task


def problem(kind):
    """A small model, its loss, and data with targets of that kind."""
    rng = Random(1)
    X = [[rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(30)]
    if kind == "classes":
        return nn.MLP(3, [6, 4], rng=rng), nn.cross_entropy, X, [i % 4 for i in range(30)]
    model = nn.MLP(3, [6, 1], activation="tanh", rng=rng)
    if kind == "signs":
        return model, nn.hinge, X, [1 if x[0] > 0.0 else -1 for x in X]
    if kind == "bits":
        return model, nn.binary_cross_entropy, X, [int(x[1] > 0.0) for x in X]
    return model, nn.mse, X, [x[0] * x[1] for x in X]


def trained(kind, compiled, make=lambda p: SGD(p, 0.1, momentum=0.9)):
    """Weights, history and optimizer of a run."""
    model, loss, X, y = problem(kind)
    optimizer = make(model.parameters())
    history = fit(
        model, loss, X, y, epochs=15, batch_size=7, optimizer=optimizer, validation=(X[:9], y[:9]),
        rng=Random(2), progress=False, compiled=compiled,
    )  # fmt: skip
    return [p.data for p in model.parameters()], history, optimizer


@pytest.mark.parametrize("kind", ["classes", "signs", "bits", "numbers"])
def test_a_whole_run_is_the_same_compiled(kind):
    """Same seed: every weight, loss, accuracy and gradient size to 1e-9."""
    eager, on_values, _ = trained(kind, False)
    compiled, on_matrices, _ = trained(kind, True)

    np.testing.assert_allclose(compiled, eager, rtol=1e-9, atol=1e-11)
    for name in ("batch_loss", "loss", "accuracy", "validation_loss", "validation_accuracy"):
        mine, theirs = getattr(on_matrices, name), getattr(on_values, name)
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11, err_msg=name)
    for mine, theirs in zip(on_matrices.gradient, on_values.gradient, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-7, abs=1e-12)


def test_the_state_of_the_optimizer_comes_back():
    """Moments and step count are those of an eager run, so training can go on either way."""
    _, _, eager = trained("numbers", False, lambda p: Adam(p, 0.01))
    _, _, compiled = trained("numbers", True, lambda p: Adam(p, 0.01))

    assert compiled.steps == eager.steps
    np.testing.assert_allclose(compiled.state, eager.state, rtol=1e-9, atol=1e-14)


def test_weights_come_back_after_ctrl_c(monkeypatch):
    """Stopped in the middle of an epoch, the Values have the weights of the last update."""
    model, loss, X, y = problem("numbers")
    history, updates = History(), []
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


class Peeking(nn.Module):
    """Chooses by a number, so that another sample may have another structure."""

    def __init__(self, compare):
        self.line, self.compare = nn.MLP(1, [1]), compare

    def forward(self, x):
        """The line, three times as steep for large inputs."""
        number = x[0] if self.compare or isinstance(x[0], float) else x[0].data
        return self.line(x) * (3.0 if number > 0.5 else 1.0)


@pytest.mark.parametrize(
    ("compare", "said"), [(True, "was compared while"), (False, "as a graph it is")]
)
def test_a_model_that_branches_on_data_is_not_compiled(compare, said):
    """Asked for it is refused; by "auto" it is trained on Values, rightly."""
    X, y = [[i / 10] for i in range(10)], [i / 10 + 1.0 for i in range(10)]

    with pytest.raises(SettingError, match=said):
        fit(Peeking(compare), nn.mse, X, y, progress=False, compiled=True)

    runs = [Peeking(compare), Peeking(compare)]
    for model, compiled in zip(runs, ("auto", False), strict=True):
        fit(model, nn.mse, X, y, epochs=3, progress=False, compiled=compiled)
    weights = [[p.data for p in model.parameters()] for model in runs]
    assert weights[0] == weights[1]


@pytest.mark.promise(name="settings")
def test_an_unknown_way_is_refused():
    """True, False or "auto"."""
    model, loss, X, y = problem("numbers")

    with pytest.raises(SettingError, match="compiled is 'fast'"):
        fit(model, loss, X, y, progress=False, compiled="fast")


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
