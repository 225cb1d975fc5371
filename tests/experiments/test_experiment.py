"""An experiment: what its settings build, which it refuses, and with which a run goes on."""

from dataclasses import fields
from random import Random

import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import AnomalyError, FileError, SettingError
from tinygrad_edu.experiments import Experiment, run
from tinygrad_edu.experiments.experiment import BYTES_PER_WEIGHT, history_size
from tinygrad_edu.train import SGD, Checkpoint, History
from tinygrad_edu.train.resume import Run
from tinygrad_edu.train.stepping import Task
from tinygrad_edu.train.stopping import Stopping

START = {"samples": 40, "hidden": [4], "epochs": 1}
OTHER = {
    "data": "circles", "samples": 50, "noise": 0.3, "test_share": 0.4, "raw": True, "hidden": [5],
    "activation": "tanh", "initializer": "he_normal", "norm": "layer", "dropout": 0.1,
    "residual": True, "optimizer": "rmsprop", "learning_rate": 0.5, "momentum": 0.5,
    "batch_size": 8, "schedule": "cosine", "warm_up": 3, "clip_norm": 1.0, "clip_value": 1.0,
    "l2": 0.1, "l1": 0.1, "seed": 1,
}  # fmt: skip
OF_A_FILE = {"target", "task"}  # of no use with a data set that has a name
FREE = {"epochs": 3, "patience": 3, "stop_below": 0.1, "eager": True}


def train(settings, path, *, resume=True):
    """Train as ``run`` does, without its report; return the history."""
    checkpoint = Checkpoint(path, settings.identity(), resume)
    options = {"rng": Random(settings.seed), "checkpoint": checkpoint, "progress": False}
    return settings.train(settings.network(), settings.load(), **options)


def test_a_network_is_built_as_asked():
    """Normalisation, activation and dropout after each layer, shortcuts around equal ones."""
    settings = Experiment(
        data="wine", hidden=[6, 6], activation="tanh", norm="batch", dropout=0.25, residual=True
    )

    model = settings.network()

    assert repr(model) == (
        "Sequential(Layer(13, 6, activation='linear'), BatchNorm(6), 'tanh', Dropout(0.25), "
        "Residual(Sequential(Layer(6, 6, activation='linear'), BatchNorm(6), 'tanh', "
        "Dropout(0.25))), Layer(6, 3, activation='linear'))"
    )


def test_an_optimizer_is_built_as_asked():
    """Its rate, momentum, schedule and clipping."""
    settings = Experiment(
        optimizer="sgd", learning_rate=0.5, momentum=0.9, schedule="cosine", warm_up=10, clip_norm=2
    )

    optimizer = settings.choose_optimizer(settings.network(), 110)

    assert isinstance(optimizer, SGD)
    assert (optimizer.learning_rate, optimizer.momentum) == (0.5, 0.9)
    assert [optimizer.schedule(step) for step in (0, 9, 10, 110)] == pytest.approx([0.1, 1, 1, 0])
    assert repr(optimizer.clip) == "ClipByNorm(2)"


def test_both_penalties_add_up():
    """L1 and L2 of the same weights."""
    model = nn.MLP(2, [3, 2])

    both = Experiment(l1=0.1, l2=0.2).penalty()

    assert both(model).data == pytest.approx(nn.L1(0.1)(model).data + nn.L2(0.2)(model).data)


def test_one_generator_may_make_every_draw():
    """Data and weights are then drawn one after the other, not each from the seed."""
    settings, rng = Experiment(samples=40), Random(0)

    split, model = settings.load(rng), settings.network(rng)

    own = settings.network()
    assert split == settings.load()
    assert [p.data for p in model.parameters()] != [p.data for p in own.parameters()]


def test_a_run_is_its_settings():
    """Each setting is either compared when a run is resumed, or one that may change."""
    assert {*OTHER, *FREE, *OF_A_FILE} == {field.name for field in fields(Experiment)}
    assert Experiment().identity().keys() == OTHER.keys() | OF_A_FILE
    assert Experiment(schedule="linear").identity().keys() == OTHER.keys() | OF_A_FILE | {"epochs"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The state of a run with START, and of another with momentum."""
    paths = {}
    for name in ("adam", "sgd"):
        paths[name] = tmp_path_factory.mktemp(name) / "run.json"
        train(Experiment(**START, optimizer=name), paths[name])
    return paths


@pytest.mark.parametrize("name", OTHER)
def test_a_run_goes_on_with_its_own_settings_alone(name, trained):
    """Other data would make the curve two halves of different runs; the file is kept."""
    kind = "sgd" if name == "momentum" else "adam"
    before = trained[kind].read_bytes()
    other = Experiment(**START | {"optimizer": kind, name: OTHER[name]})

    with pytest.raises(FileError, match=rf"run with other settings: {name} was"):
        train(other, trained[kind])

    assert trained[kind].read_bytes() == before


def test_a_run_goes_on_with_other_limits(tmp_path):
    """Epochs, patience, a loss that is good enough, and on graphs of Values."""
    train(Experiment(**START), tmp_path / "run.json")

    history = train(Experiment(**START | FREE), tmp_path / "run.json")

    assert len(history.loss) == 3


@pytest.mark.slow
def test_run_resumes_only_when_asked(tmp_path):
    """Other settings are refused; only ``overwrite`` begins anew."""
    run(Experiment(**START), tmp_path, progress=False)
    other = Experiment(**START | {"seed": 1})

    with pytest.raises(FileError, match="seed was 0, is 1"):
        run(other, tmp_path, resume=True, progress=False)
    with pytest.raises(FileError, match="has a run of 1 epoch already"):
        run(other, tmp_path, progress=False)
    headline, files, stopped = run(other, tmp_path, overwrite=True, progress=False)

    assert "after 1 epoch" in headline
    facts = nn.read(tmp_path / "run.json")
    assert (len(facts["history"]["loss"]), facts["settings"]["seed"]) == (1, 1)
    assert {file.name for file in tmp_path.iterdir()} == {*files}
    assert not stopped


def test_a_run_that_diverges_says_in_which_epoch(tmp_path):
    """And leaves the state as it was before."""
    settings = Experiment(**START, optimizer="sgd", learning_rate=1e300)

    with pytest.raises(AnomalyError, match="training diverged in epoch 1"):
        run(settings, tmp_path, progress=False)

    assert list(tmp_path.iterdir()) == []


def test_a_network_that_no_file_or_picture_holds_is_refused():
    """By the number of its weights and of its layers."""
    assert Experiment(hidden=[490, 490]).hidden == [490, 490]
    for hidden in ([10**11], [1000, 1000], [1] * 51, [1] * 500_000):
        with pytest.raises(SettingError, match=r"a network of [0-9,]+ weights"):
            Experiment(hidden=hidden)


def test_settings_are_refused_when_they_are_described():
    """In Python as on the command line, whose tests have the whole list."""
    with pytest.raises(SettingError, match="data is 'mnist'"):
        Experiment(data="mnist")


def size_of(path, settings, history):
    """The bytes of a run's file at worst: numbers with all their digits, momenta, a best epoch."""
    model, rng = settings.network(), Random(0)
    numbers = [-rng.random() * 1e-100 for _ in model.parameters()]
    for value, number in zip(model.parameters(), numbers, strict=True):
        value.data = number
    optimizer = settings.choose_optimizer(model, 1)
    optimizer.state = [(x / 3.0, x * x) for x in numbers]
    task = Task(model, settings.loss, [[0.0, 0.0]], [0], optimizer)
    run = Run(task, rng, history, Stopping(patience=1), Checkpoint(path))
    run.stopping.best.numbers = numbers
    run.save()
    return path.stat().st_size


def test_what_the_settings_let_pass_can_be_saved(tmp_path):
    """The largest network and the longest history together are no larger than a file may be."""
    path, rng = tmp_path / "run.json", Random(0)
    small, large = Experiment(hidden=[9, 9]), Experiment(hidden=[99, 99])
    sizes = [size_of(path, settings, History()) for settings in (small, large)]
    weights = [len(settings.network().parameters()) for settings in (small, large)]
    per_weight = (sizes[1] - sizes[0]) / (weights[1] - weights[0]) + 3  # digits of an index

    assert 0.8 * BYTES_PER_WEIGHT < per_weight <= BYTES_PER_WEIGHT

    layers = [f"part{i}" for i in range(100, 111)]
    epoch = {name: -rng.random() * 1e-100 for name in layers}
    history = History(batch_loss=[rng.random() * 1e-100 for _ in range(700)])
    for _ in range(100):
        numbers = {"loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"}
        history.add({name: -rng.random() * 1e-100 for name in numbers})
        history.add({"gradient": epoch, "seconds": rng.random() * 1e5})

    assert size_of(path, small, history) - sizes[0] <= 100 * history_size(7, 5)


@pytest.mark.parametrize("data", ["moons", "circles"])
def test_the_defaults_learn(data):
    """At least 97 %, for every seed: what a newcomer sees first."""
    for seed in range(5):
        settings = Experiment(data=data, seed=seed)
        model, split = settings.network(), settings.load()
        history = settings.train(model, split, progress=False)

        assert history.validation_accuracy[-1] >= 0.97
