"""The training loop: the algorithm of Das and Varma, its history, its refusals."""

import math
from random import Random

import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import AnomalyError, LengthError, SettingError
from tinygrad_edu.train import SGD, History, evaluate, fit
from tinygrad_edu.train.stepping import EagerStepper

LINE = ([[x / 4] for x in range(8)], [2 * x / 4 - 1 for x in range(8)])


def line_model():
    """One linear neuron."""
    return nn.MLP(1, [1], rng=Random(0))


def test_full_batch_training_is_gradient_descent_typed_out():
    """Each epoch of one batch does w -= r mean(dL/dw), here against the closed form."""
    model = line_model()
    w, b = (p.data for p in model.parameters())
    X, y = LINE

    fit(model, nn.mse, X, y, epochs=20, batch_size=8, progress=False)

    for _ in range(20):
        errors = [w * x[0] + b - t for x, t in zip(X, y, strict=True)]
        w -= 0.1 * sum(2 * e * x[0] for e, x in zip(errors, X, strict=True)) / 8
        b -= 0.1 * sum(2 * e for e in errors) / 8
    assert [p.data for p in model.parameters()] == pytest.approx([w, b], rel=1e-12)


def test_the_same_seed_gives_the_same_bits():
    """Two runs of the same script agree in every weight; another seed does not."""

    def weights(seed):
        model = nn.MLP(1, [4, 1], rng=Random(1))
        fit(model, nn.mse, *LINE, epochs=3, batch_size=2, rng=Random(seed), progress=False)
        return [p.data for p in model.parameters()]

    assert weights(5) == weights(5)
    assert weights(5) != weights(6)


def test_history_has_an_entry_for_each_epoch():
    """Loss is the mean over samples, also where the last batch is smaller."""
    model = line_model()
    history = fit(
        model, nn.mse, *LINE, epochs=2, batch_size=3, validation=LINE, progress=False,
        optimizer=SGD(model.parameters(), 1e-12),
    )  # fmt: skip

    loss, _ = evaluate(model, nn.mse, *LINE)
    assert len(history.batch_loss) == 6
    assert history.loss == pytest.approx([loss, loss], rel=1e-9)
    assert history.validation_loss == pytest.approx([loss, loss], rel=1e-9)
    assert len(history.gradient) == len(history.seconds) == len(history.learning_rate) == 2
    assert (
        history.accuracy == history.validation_accuracy == []
    )  # the targets are numbers to be learned


def test_training_stops_below_the_threshold():
    """Step 4: stop once the validation loss has dropped below a threshold."""
    history = fit(
        line_model(), nn.mse, *LINE, epochs=1000, batch_size=4, validation=LINE, stop_below=0.1,
        progress=False,
    )  # fmt: skip

    assert history.stopped == "threshold"
    assert history.validation_loss[-1] < 0.1 <= history.validation_loss[-2]


def test_an_interrupted_run_keeps_its_history_and_its_weights():
    """Ctrl-C raises; the history passed in holds what was reached."""
    model, history, calls = line_model(), History(), []

    def loss(output, target):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return nn.mse(output, target)

    with pytest.raises(KeyboardInterrupt):
        fit(
            model, loss, *LINE, epochs=9, batch_size=4, history=history, progress=False,
            compiled=False,
        )  # fmt: skip

    assert len(history.loss) == 2
    assert len(history.batch_loss) == 5
    assert history.stopped == ""


def test_a_loss_of_nan_stops_before_it_reaches_the_weights():
    """A rate far too large: the run ends in words, with finite weights."""
    model = line_model()

    with pytest.raises(AnomalyError, match="the loss became"):
        fit(
            model, nn.mse, *LINE, epochs=500, batch_size=8, progress=False,
            optimizer=SGD(model.parameters(), 1e6),
        )  # fmt: skip

    assert all(math.isfinite(p.data) for p in model.parameters())


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"epochs": 0}, SettingError, "epochs is 0"),
        ({"epochs": 2.5}, SettingError, "epochs is 2.5"),
        ({"batch_size": 0}, SettingError, "batch_size is 0"),
        ({"stop_below": math.nan}, SettingError, "stop_below is nan"),
        ({"patience": 0}, SettingError, "patience is 0"),
        ({"patience": -1}, SettingError, "patience is -1"),
        ({"patience": 1.5}, SettingError, "patience is 1.5"),
        ({"patience": True}, SettingError, "patience is True"),
        ({"compiled": "fast"}, SettingError, "compiled is 'fast'"),
        ({"validation": ([[1.0]], [])}, LengthError, r"validation\[1\] has 0 entries"),
        ({"y": [1.0]}, LengthError, "y has 1 entries, X has 8"),
        ({"X": [], "y": []}, LengthError, "y has 0 entries"),
    ],
)
def test_bad_settings_are_refused_before_training(setting, error, message):
    """By name, and before any weight has changed."""
    model = line_model()
    before = [p.data for p in model.parameters()]

    with pytest.raises(error, match=message):
        fit(model, nn.mse, **{"X": LINE[0], "y": LINE[1], "progress": False} | setting)

    assert [p.data for p in model.parameters()] == before


def test_what_is_stopped_in_the_middle_of_validation_is_no_epoch(monkeypatch):
    """All lists of the history have an entry for the same epochs."""
    history, calls = History(), []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 1.0, [[0.5]] * 8

    monkeypatch.setattr(EagerStepper, "validate", interrupted)

    with pytest.raises(KeyboardInterrupt):
        fit(
            line_model(), nn.mse, *LINE, epochs=9, validation=LINE, history=history,
            progress=False, compiled=False,
        )  # fmt: skip

    lists = ("loss", "validation_loss", "gradient", "learning_rate", "seconds")
    assert [len(getattr(history, name)) for name in lists] == [2] * 5
