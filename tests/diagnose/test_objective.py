"""The mean loss as a function of the weights: by matrices and on graphs."""

import sys

import pytest

from tests import networks
from tests.networks import gaussian
from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose.objective import CompiledObjective, Objective, objective
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.engine.errors import SettingError

X, Y = gaussian(3)


def mlp():
    """Build a small network for the samples above."""
    return networks.mlp(2, width=4)


@pytest.mark.parametrize("kind", [Objective, CompiledObjective])
@pytest.mark.parametrize("batch", [None, [0, 2], [1]])
def test_objectives_are_the_mean_loss_and_its_gradient(kind, batch):
    """Against one graph of the batch; at weights that were set after it was made."""
    model, twin = mlp(), mlp()
    mean_loss = kind(Subject(model, nn.mse, X, Y))
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        parameter.data = other.data = other.data + 0.25
        parameter.grad = 99.0
    losses = [nn.mse(twin(X[i]), Y[i]) for i in batch or range(3)]
    total = sum(losses[1:], losses[0]) * (1.0 / len(losses))
    total.backward()

    loss = mean_loss.backward(batch)

    assert loss == pytest.approx(total.data, rel=1e-12)
    assert mean_loss.forward(batch) == pytest.approx(total.data, rel=1e-12)
    grads = [p.grad for p in model.parameters()]
    assert grads == pytest.approx([p.grad for p in twin.parameters()], rel=1e-9, abs=1e-15)


def test_parameters_that_the_loss_does_not_depend_on_get_zero():
    """The program does not contain them."""
    model = mlp()
    model.spare = Value(1.0)
    model.spare.grad = 5.0

    CompiledObjective(Subject(model, nn.mse, X, Y)).backward()

    assert (model.spare.data, model.spare.grad) == (1.0, 0.0)


def branching(out, target):
    """Look at numbers, so that no single program serves all samples."""
    return out * 2.0 if out.data > 0.0 else nn.mse(out, target)


def test_what_can_t_be_compiled_runs_on_graphs():
    """Silently for "auto", with an error for True."""
    subject = objective(Subject(mlp(), branching, X, Y))

    assert type(subject) is Objective
    with pytest.raises(SettingError, match=r"compiled, the loss "):
        objective(Subject(mlp(), branching, X, Y, compiled=True))


@pytest.mark.parametrize("batch", [None, [0, 2]])
def test_without_numpy_lists_do_it(batch, monkeypatch):
    """NumPy makes it faster; the numbers are the same."""
    model = mlp()
    loss = objective(Subject(model, nn.mse, X, Y)).backward(batch)
    slopes = [p.grad for p in model.parameters()]
    monkeypatch.setitem(sys.modules, "numpy", None)

    subject = objective(Subject(model, nn.mse, X, Y))

    assert type(subject) is CompiledObjective
    assert subject.forward(batch) == pytest.approx(loss, rel=1e-12)
    assert subject.backward(batch) == pytest.approx(loss, rel=1e-12)
    assert [p.grad for p in model.parameters()] == pytest.approx(slopes, rel=1e-12)
