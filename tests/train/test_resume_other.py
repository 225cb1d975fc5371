"""A checkpoint is of one run: other data, sizes, rates are refused, or allowed by name."""

import json
import random
from copy import deepcopy
from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.train import (
    SGD,
    Adam,
    Checkpoint,
    ClipByNorm,
    History,
    ReduceLROnPlateau,
    cosine,
    fit,
    linear,
)

X = [[i / 20, (i % 7) / 7] for i in range(40)]
Y = [int(3 * a > 2 * b) for a, b in X]


def network(rate=0.2):
    """A network with something to draw."""
    return nn.Sequential(nn.Layer(2, 4, "tanh", rng=Random(0)), nn.Dropout(rate), nn.Layer(4, 2))


def train(path, epochs=2, *, rate=0.2, make=lambda p: SGD(p, 0.1), **others):
    """A run of some epochs with this file; return its model and history."""
    model = network(rate)
    settings = {"X": X, "y": Y, "batch_size": 10, "rng": Random(1), "validation": (X[:9], Y[:9])}
    settings |= {"loss": nn.cross_entropy, "optimizer": make(model.parameters())} | others
    return model, fit(model, checkpoint=path, epochs=epochs, progress=False, **settings)


def numbers(model):
    """The weights."""
    return [p.data for p in model.parameters()]


OTHERS = {
    "data": {"X": [[a, b + 1e-9] for a, b in X]},
    "validation": {"validation": (X[:8], Y[:8])},
    "batch_size": {"batch_size": 20},
    "loss": {"loss": lambda out, t: nn.cross_entropy(out, t)},
    "penalty": {"penalty": nn.L2(0.1)},
    "learning_rate": {"make": lambda p: SGD(p, 0.2)},
    "momentum": {"make": lambda p: SGD(p, 0.1, momentum=0.5)},
    "schedule": {"make": lambda p: SGD(p, 0.1, schedule=linear(24))},
    "clip": {"make": lambda p: SGD(p, 0.1, clip=ClipByNorm(1.0))},
    "rng": {"rng": Random(2)},
    "layer2.rate": {"rate": 0.5},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_run_is_refused_and_allowed_by_name(tmp_path, name):
    """Nothing is changed where it is refused; the line that allows it works."""
    path = tmp_path / "run.json"
    train(path)
    content = path.read_bytes()

    with pytest.raises(FileError, match=rf"{name} was .*, is ") as caught:
        train(path, 4, **deepcopy(OTHERS[name]))
    assert path.read_bytes() == content
    assert f"changed=['{name}']" in str(caught.value)

    allowed = Checkpoint(path, changed=[name])
    _, history = train(allowed, 4, **deepcopy(OTHERS[name]))
    assert (len(history.loss), history.begun) == (4, 2)
    _, again = train(path, 4, **deepcopy(OTHERS[name]))
    assert again.loss == history.loss


def test_the_same_run_in_other_containers_goes_on(tmp_path):
    """Arrays in place of lists: the numbers are the same."""
    path = tmp_path / "run.json"
    train(path)

    _, history = train(path, 3, X=np.array(X), y=np.array(Y), validation=(np.array(X[:9]), Y[:9]))

    assert len(history.loss) == 3


def test_a_schedule_of_another_length_is_refused(tmp_path):
    """The rate would jump up again: in words, with both lengths."""
    path = tmp_path / "run.json"
    train(path, 6, make=lambda p: SGD(p, 0.1, schedule=linear(24)))

    with pytest.raises(
        FileError, match=r"schedule was \['linear', 24, 0.0\], is \['linear', 48, 0.0\]"
    ):
        train(path, 12, make=lambda p: SGD(p, 0.1, schedule=linear(48)))


def test_a_file_that_keeps_no_facts_goes_on(tmp_path):
    """As earlier versions wrote it: what it does not say is not compared."""
    path = tmp_path / "run.json"
    model, history = train(path, patience=9)
    facts = nn.read(path)
    nn.load(model, path)  # it had the weights of its best epoch
    for name in ("run", "process"):
        del facts[name]
    for name in ("mark", "since"):
        del facts["best"][name]
    for name in ("metrics", "validation_metrics", "begun"):
        del facts["history"][name]
    del facts["optimizer"]["learning_rate"]
    facts["layers"] = {"part1": facts["layers"]["layer2.rng"]}
    nn.save(model, path, **facts)
    whole, expected = train(tmp_path / "whole.json", 5, patience=9)

    resumed, found = train(path, 5, patience=9)

    assert found.loss == expected.loss
    assert numbers(resumed) == numbers(whole)
    assert history.loss == expected.loss[:2]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_cell_that_is_run_again_goes_on(tmp_path, compiled):
    """The same objects, whose rate and generators have moved on; also after Ctrl-C in an epoch."""
    path, model, rng = tmp_path / "run.json", network(), Random(1)
    optimizer = SGD(model.parameters(), 0.1)
    calls = []

    def stop(history, model):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    def halve(history, model):
        optimizer.learning_rate /= 2

    def cell(epochs):
        return fit(
            model, nn.cross_entropy, X, Y, batch_size=10, rng=rng, optimizer=optimizer,
            checkpoint=path, epochs=epochs, callbacks=[stop, halve], progress=False,
            compiled=compiled,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        cell(4)
    history = cell(4)

    assert len(history.loss) == 4
    assert history.learning_rate == [0.1, 0.05, 0.025, 0.0125]


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.5), lambda p: Adam(p, 0.5)])
def test_a_rate_that_a_callback_lowered_is_that_of_the_file(tmp_path, make):
    """A resumed run has the rates, and the bits, of an uninterrupted one."""

    def run(path, epochs):
        model = network()
        optimizer = make(model.parameters())
        slower = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        history = fit(
            model, nn.cross_entropy, X, Y, epochs=epochs, optimizer=optimizer, callbacks=[slower],
            checkpoint=path, validation=(X[:9], [1 - y for y in Y[:9]]), progress=False,
        )  # fmt: skip
        return history.learning_rate, numbers(model)

    whole = run(tmp_path / "whole.json", 9)
    run(tmp_path / "parts.json", 4)

    assert run(tmp_path / "parts.json", 9) == whole
    assert whole[0][-1] < 0.1


class Noisy(nn.Module):
    """Draws from the generators of the process, as ``random.random()`` does."""

    def __init__(self):
        self.inner = nn.Layer(2, 2, rng=Random(0))

    def forward(self, x):
        """Add noise in training."""
        noise = [random.random() + np.random.rand() if self.training else 0.0 for _ in x]
        return self.inner([a + b for a, b in zip(x, noise, strict=True)])


@pytest.mark.parametrize("compiled", [False, "auto"])
def test_the_generators_of_the_process_go_on_where_training_draws_from_them(tmp_path, compiled):
    """A learner's first own dropout draws from ``random`` itself."""

    def run(path, epochs):
        random.seed(5)
        np.random.seed(5)
        model = Noisy()
        fit(
            model, nn.cross_entropy, X, Y, epochs=epochs, checkpoint=path, progress=False,
            compiled=compiled,
        )  # fmt: skip
        return numbers(model)

    whole = run(tmp_path / "whole.json", 4)
    run(tmp_path / "parts.json", 2)

    assert run(tmp_path / "parts.json", 4) == whole


def test_what_training_does_not_draw_from_is_left_alone(tmp_path):
    """Resuming does not turn back the numbers that the rest of a program draws."""
    path = tmp_path / "run.json"
    train(path)
    random.seed(3)
    expected = [random.random() for _ in range(3)]
    random.seed(3)

    train(path, 3)

    assert nn.read(path)["process"] == {}
    assert [random.random() for _ in range(3)] == expected


def test_a_generator_without_a_state_is_refused_before_training(tmp_path):
    """A run that draws from the system can't be gone on with."""
    model = network()
    model.source = random.SystemRandom()

    with pytest.raises(SettingError, match="SystemRandom has no state"):
        fit(model, nn.cross_entropy, X, Y, checkpoint=tmp_path / "run.json", progress=False)
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("compiled", [False, True])
def test_the_best_epoch_alone_may_be_kept(tmp_path, compiled):
    """The file has the weights and the history of the lowest validation loss."""
    path, seen = Checkpoint(tmp_path / "best.json", keep="best"), []

    _, history = train(
        path, 12, make=lambda p: Adam(p, 0.3), compiled=compiled,
        validation=(X[:9], [1 - y for y in Y[:9]]),
        callbacks=[lambda _, model: seen.append(numbers(model))],
    )  # fmt: skip

    best = min(range(12), key=lambda i: history.validation_loss[i])
    assert best < 11
    assert len(nn.read(path.path)["history"]["loss"]) == best + 1
    model = network()
    nn.load(model, path.path)
    assert numbers(model) == seen[best]
    with pytest.raises(SettingError, match="keep is 'worst'"):
        Checkpoint("run.json", keep="worst")


def test_measures_that_are_not_finite_are_kept(tmp_path):
    """A metric that is undefined, and epochs without it: nan comes back as nan."""
    path, history = tmp_path / "run.json", History()
    train(tmp_path / "other.json", 1, history=history)
    metrics = {"odd": lambda y, p: float("nan"), "far": lambda y, p: float("-inf")}

    train(path, 1, history=history, metrics=metrics)
    _, found = train(path, 3, metrics=metrics)

    assert str(found.metrics) == "{'odd': [nan, nan, nan], 'far': [nan, -inf, -inf]}"
    assert "NaN" not in path.read_text(encoding="utf-8")
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_a_history_of_another_run_is_not_overwritten(tmp_path):
    """Where a file is resumed, its history must go on from the one that was passed."""
    path = tmp_path / "run.json"
    _, history = train(path)
    train(path, 3, history=history)

    with pytest.raises(FileError, match="other losses than the 2 epochs of the history"):
        train(path, 4, history=History(loss=[0.5, 0.25]))


def test_a_schedule_is_cosine_again(tmp_path):
    """The same schedule, built again, is the same."""
    path = tmp_path / "run.json"
    train(path, 2, make=lambda p: SGD(p, 0.1, schedule=cosine(16)))

    assert len(train(path, 4, make=lambda p: SGD(p, 0.1, schedule=cosine(16)))[1].loss) == 4


@pytest.mark.parametrize("some", [lambda p: p[::-1], lambda p: [p[1], p[0], *p[2:]]])
def test_moments_of_parameters_in_another_order_are_refused(tmp_path, some):
    """The file keeps them in the optimizer's order: they would go to other parameters."""
    train(tmp_path / "run.json", 1, make=lambda p: Adam(p, 0.1))

    with pytest.raises(FileError, match="trains other parameters, or in another order"):
        train(tmp_path / "run.json", 2, make=lambda p: Adam(some(p), 0.1))


def test_a_run_does_not_go_on_with_what_was_frozen_trained(tmp_path):
    """Also if a callback froze it after the optimizer was made; a run that freezes it goes on."""

    def run(epochs, *, frozen=False, callbacks=()):
        model = nn.MLP(2, [3, 2], rng=Random(1))
        optimizer = SGD(model.parameters(), 0.1)
        if frozen:
            model.layers[0].freeze()
        settings = {"epochs": epochs, "callbacks": callbacks, "optimizer": optimizer}
        checkpoint = tmp_path / "run.json"
        return fit(model, nn.cross_entropy, X, Y, **settings, checkpoint=checkpoint, progress=False)

    run(2, callbacks=[lambda history, model: model.layers[0].freeze() and None])

    with pytest.raises(FileError, match=r"frozen was \['layer1"):
        run(4)
    assert len(run(4, frozen=True).loss) == 4
