"""Every layer trains on matrices as on Values: whole runs with the same numbers."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import SGD, Adam, ClipByNorm, ClipByValue, History, cosine, fit, warm_up
from tinygrad_edu.train.stepping import CompiledStepper, Task


def sequential(*parts):
    """Three inputs, six hidden neurons, the parts, four logits."""
    rng = Random(1)
    return nn.Sequential(nn.Layer(3, 6, rng=rng), *parts, nn.Layer(6, 4, rng=rng))


MODELS = {
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
LISTS = ("batch_loss", "loss", "accuracy", "validation_loss", "validation_accuracy")


def data(samples=30):
    """Points in a cube, and the octant's parity as one of four classes."""
    rng = Random(2)
    X = [[rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(samples)]
    return X, [int(x[0] > 0.0) + 2 * int(x[1] * x[2] > 0.0) for x in X]


def trained(model, compiled, optimizer, **settings):
    """The model's numbers, buffers too, and the history of a run of ten epochs."""
    X, y = data()
    history = fit(
        model, nn.cross_entropy, X, y, epochs=10, batch_size=7, validation=(X[:9], y[:9]),
        rng=Random(5), progress=False, compiled=compiled,
        optimizer=optimizer(model.parameters()), **settings,
    )  # fmt: skip
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: value.data for name, value in named}, history


def assert_same(name, optimizer, **settings):
    """Both ways from the same start to the same numbers."""
    eager, on_values = trained(MODELS[name](), False, optimizer, **settings)
    compiled, on_matrices = trained(MODELS[name](), True, optimizer, **settings)

    assert compiled == pytest.approx(eager, rel=1e-9, abs=1e-11)
    for part in LISTS:
        mine, theirs = getattr(on_matrices, part), getattr(on_values, part)
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11, err_msg=part)
    assert on_matrices.learning_rate == on_values.learning_rate


@pytest.mark.parametrize("name", MODELS)
def test_a_whole_run_is_the_same_compiled(name):
    """Weights, running statistics, losses and accuracies, to 1e-9; masks from the same draws."""
    assert_same(name, lambda p: SGD(p, 0.1, momentum=0.9))


@pytest.mark.parametrize("penalty", [nn.L2(0.1), nn.L1(0.05)], ids=repr)
@pytest.mark.parametrize("name", ["sequential", "all"])
def test_penalties_are_the_same_compiled(name, penalty):
    """Added once to each batch's loss, and not to the validation loss."""
    assert_same(name, lambda p: SGD(p, 0.1), penalty=penalty)


@pytest.mark.parametrize("clip", [ClipByNorm(0.2), ClipByValue(0.01)], ids=repr)
def test_clipping_and_schedules_are_the_same_compiled(clip):
    """One formula, on a float and on the vector."""
    schedule = warm_up(5, then=cosine(40))

    assert_same("residual", lambda p: Adam(p, 0.05, schedule=schedule, clip=clip))


def test_a_penalty_changes_the_weights():
    """So that the test above would notice one that is forgotten on both sides."""
    plain, _ = trained(MODELS["sequential"](), True, lambda p: SGD(p, 0.1))
    penalised, _ = trained(MODELS["sequential"](), True, lambda p: SGD(p, 0.1), penalty=nn.L2(0.1))

    size = [sum(w * w for w in weights.values()) for weights in (plain, penalised)]
    assert size[1] < 0.8 * size[0]


def test_masks_are_drawn_anew_for_every_step():
    """Two runs on the same rows have other losses; in evaluation the same."""
    model = MODELS["dropout"]()
    X, y = data()
    compiled = ModelProgram(model, nn.cross_entropy, X, y)
    rows = compiled.rows(X, y)

    losses = {compiled.backward(rows) for _ in range(5)}
    with model.evaluating():
        judge = ModelProgram(model, nn.cross_entropy, X, y)

    assert len(losses) == 5
    assert not judge.symbolic.trace.given
    assert judge.forward(rows) == judge.forward(rows)


def test_the_check_before_training_leaves_generators_and_statistics_alone():
    """A compiled run begins with the draws that an eager run begins with."""
    model = MODELS["all"]()
    X, y = data()
    before = [part.rng.getstate() for _, part in model.named_modules() if hasattr(part, "rng")]
    buffers = [value.data for _, value in model.named_buffers()]

    CompiledStepper(Task(model, nn.cross_entropy, X, y, SGD(model.parameters(), 0.1), batch_size=7))

    after = [part.rng.getstate() for _, part in model.named_modules() if hasattr(part, "rng")]
    assert after == before
    assert [value.data for _, value in model.named_buffers()] == buffers


def test_whole_batches_are_matrix_products():
    """A batch that is traced as one row is still found to be matrices, not thousands of terms."""
    model = MODELS["batch norm"]()
    X, y = data()

    program = ModelProgram(model, nn.cross_entropy, X, y, batch=8).program

    assert program.stats["matrix_products"] >= 2
    assert program.stats["instructions"] < 60


@pytest.mark.promise(name="settings")
def test_a_batch_of_one_is_refused_before_work_starts():
    """BatchNorm has no variance there; the message says which numbers leave it."""
    model = MODELS["batch norm"]()
    X, y = data(29)
    history = History()

    with pytest.raises(SettingError, match="29 samples in batches of 7 leave a batch of one"):
        fit(model, nn.cross_entropy, X, y, batch_size=7, history=history, progress=False)

    assert history.batch_loss == []


def test_the_model_is_in_evaluation_mode_afterwards():
    """After fit nothing is dropped, and one sample alone can be asked."""
    model = MODELS["all"]()
    X, y = data()

    fit(model, nn.cross_entropy, X, y, epochs=1, batch_size=15, progress=False)

    assert [v.data for v in model(X[0])] == [v.data for v in model(X[0])]
    assert not any(part.training for _, part in model.named_modules())
