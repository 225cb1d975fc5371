"""The training loop: the algorithm of Das and Varma, its history, its refusals."""

import math
from random import Random

import pytest
from sklearn.metrics import accuracy_score, f1_score

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import AnomalyError, LengthError, OperandError, SettingError
from tinygrad_edu.train import SGD, History, evaluate, fit, one_hot
from tinygrad_edu.train.loop import held_out
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


BITS = ([[x / 4] for x in range(-8, 8)], [int(x > 0) for x in range(-8, 8)])


def bits_model():
    """One logit."""
    return nn.MLP(1, [1], rng=Random(0))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("validation", [None, BITS])
@pytest.mark.parametrize(
    ("model", "loss", "y"),
    [
        ([1], nn.binary_cross_entropy, BITS[1]),
        ([1], nn.binary_cross_entropy, [[t] for t in BITS[1]]),
        ([1], nn.hinge, [2 * t - 1 for t in BITS[1]]),
        ([1], nn.mse, BITS[1]),
        ([2], nn.cross_entropy, BITS[1]),
        ([2], nn.cross_entropy, one_hot(BITS[1])),
        ([2], nn.mse, one_hot(BITS[1])),
    ],
)
def test_classes_of_any_form_have_an_accuracy(model, loss, y, validation, compiled):
    """Indices, columns, signs and one-hot rows, on graphs, on matrices and on validation data."""
    held_out = (BITS[0], y) if validation else None
    history = fit(
        nn.MLP(1, model, rng=Random(0)), loss, BITS[0], y, epochs=60, batch_size=4,
        validation=held_out, progress=False, compiled=compiled,
    )  # fmt: skip

    assert history.accuracy[-1] > 0.9
    assert bool(history.validation_accuracy) == bool(validation)
    assert not validation or history.validation_accuracy[-1] > 0.9


def bad_place(place, number):
    """The data of the line with one missing number, and the optional validation data."""
    data = {"X": [[*x] for x in LINE[0]], "y": [*LINE[1]]}
    data["validation[0]"], data["validation[1]"] = [[*x] for x in LINE[0]], [*LINE[1]]
    if place.endswith("y") or place.endswith("1]"):
        data[place][3] = number
    else:
        data[place][3][0] = number
    data["validation"] = data.pop("validation[0]"), data.pop("validation[1]")
    return data


@pytest.mark.parametrize("compiled", [False, True, "auto"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["X", "y", "validation[0]", "validation[1]"])
def test_data_that_are_not_finite_are_refused_by_their_place(place, number, compiled):
    """Before training; the learning rate is not blamed."""
    model = line_model()
    before = [p.data for p in model.parameters()]

    with pytest.raises(OperandError) as caught:
        fit(model, nn.mse, **bad_place(place, number), progress=False, compiled=compiled)

    assert str(caught.value).startswith(f"{place}[3]")
    assert f"{number}" in str(caught.value).splitlines()[0]
    assert "rate" not in str(caught.value)
    assert [p.data for p in model.parameters()] == before


@pytest.mark.parametrize("compiled", [False, True])
def test_text_as_targets_is_refused_in_words(compiled):
    """With the lines that number the classes."""
    y = ["cat", "dog"] * 4

    with pytest.raises(SettingError, match=r"y\[0\] is 'cat'(.|\n)*names.index"):
        fit(nn.MLP(1, [2]), nn.cross_entropy, LINE[0], y, progress=False, compiled=compiled)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_weight_that_becomes_infinite_stops_the_run_before_it_does(compiled):
    """The gradient of a finite loss may be infinite; the weights are those before."""
    model = line_model()
    model.layers[0].neurons[0].w[0].data = 0.0
    model.layers[0].neurons[0].b.data = 0.0
    before = [p.data for p in model.parameters()]

    with pytest.raises(AnomalyError, match=r"would become -?(inf|nan)"):
        fit(
            model, lambda out, t: (out * out).sqrt() + abs(out) ** 0.5, [[1.0]], [0.0],
            progress=False, compiled=compiled,
        )  # fmt: skip

    assert [p.data for p in model.parameters()] == before


def test_the_rate_is_blamed_only_where_it_can_be_to_blame():
    """Not at the first batch, and not for weights that were nan before."""
    with pytest.raises(AnomalyError, match=r"epoch 1, batch 1\.(.|\n)*Fix   : detect_anomaly"):
        fit(line_model(), lambda out, t: (out - out).log() * 0.0, *LINE, progress=False)
    model = line_model()
    model.parameters()[0].data = math.nan
    with pytest.raises(AnomalyError, match=r"start from finite weights"):
        fit(model, nn.mse, *LINE, progress=False, compiled=False)
    with pytest.raises(AnomalyError, match=r"lower the learning rate, which is 50;"):
        fit(
            model := line_model(), nn.mse, *LINE, epochs=900, progress=False,
            optimizer=SGD(model.parameters(), 50.0),
        )  # fmt: skip


def test_a_share_holds_out_the_same_samples_each_time():
    """Each class in proportion; whatever the run's own generator draws."""
    seen = []

    for seed in (0, 1):
        history = fit(
            bits_model(), nn.binary_cross_entropy, *BITS, validation=0.25, batch_size=16,
            epochs=1, progress=False, rng=Random(seed),
        )  # fmt: skip
        seen.append(history.validation_loss)

    assert seen[0] == pytest.approx(seen[1], rel=1e-9)
    X, y, weights, (held_X, held_y) = held_out(*BITS, [1.0 + i for i in range(16)], 0.25)
    assert sorted(X + held_X) == BITS[0]
    assert (len(y), sum(held_y), len(held_y)) == (12, 2, 4)
    assert weights == [1.0 + BITS[0].index(x) for x in X]


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (0.0, "validation is 0.0"),
        (1.0, "validation is 1.0"),
        (-0.5, "validation is -0.5"),
        (math.nan, "validation is nan"),
        (True, "validation is True"),
        (0.01, "none would be held out"),
        ((LINE[0],), "validation has 1 parts"),
    ],
)
def test_a_share_that_holds_out_nothing_sensible_is_refused(validation, message):
    """In words, before training."""
    with pytest.raises(SettingError, match=message):
        fit(line_model(), nn.mse, *LINE, validation=validation, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
def test_metrics_are_those_of_scikit_learn(compiled):
    """For training and validation; the accuracy of both is the same number."""
    metrics = {"accuracy": accuracy_score, "f1": f1_score}
    history = fit(
        bits_model(), nn.binary_cross_entropy, *BITS, validation=0.25, metrics=metrics, epochs=4,
        progress=False, compiled=compiled,
    )  # fmt: skip

    assert history.metrics["accuracy"] == history.accuracy
    assert history.validation_metrics["accuracy"] == history.validation_accuracy
    assert len(history.metrics["f1"]) == len(history.validation_metrics["f1"]) == 4


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("before", [LINE, None])
@pytest.mark.parametrize("now", [LINE, None])
def test_a_run_that_goes_on_is_judged_by_its_own_losses(before, now, compiled):
    """Old losses that no new one can reach stop nothing, and old weights do not come back."""
    model, history = line_model(), History()
    fit(model, nn.mse, *LINE, epochs=3, validation=before, history=history, progress=False)
    history.loss[:], history.validation_loss[:] = [0.0] * 3, [0.0] * len(history.validation_loss)

    fit(
        model, nn.mse, *LINE, epochs=4, validation=now, history=history, patience=3,
        stop_below=1e-30, progress=False, compiled=compiled,
    )  # fmt: skip

    assert history.stopped == "epochs"
    assert len(history.loss) == 7
    assert (len(history.validation_loss) == 7) == bool(before or now)
    loss, _ = evaluate(model, nn.mse, *LINE)
    assert loss <= min(history.loss[3:])


def test_patience_waits_for_an_improvement_that_counts():
    """And brings back the weights of the lowest loss all the same."""
    plain = fit(line_model(), nn.mse, *LINE, epochs=200, batch_size=8, progress=False)
    model = line_model()
    history = fit(
        model, nn.mse, *LINE, epochs=200, batch_size=8, patience=3, min_delta=0.1, progress=False
    )

    assert history.loss == plain.loss[: len(history.loss)]
    mark, since = math.inf, 0
    for epoch, loss in enumerate(history.loss, start=1):
        mark, since = (loss, epoch) if loss < mark - 0.1 else (mark, since)
    assert (history.stopped, len(history.loss) - since) == ("patience", 3)
    with pytest.raises(SettingError, match=r"min_delta is 0\.1, but there is no patience"):
        fit(line_model(), nn.mse, *LINE, min_delta=0.1)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_callback_that_raises_leaves_the_run_whole(compiled):
    """The weights of the last update, the epoch in the history, evaluation mode."""
    model, history = line_model(), History()

    def fail(history, model):
        if len(history.loss) == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(
            model, nn.mse, *LINE, history=history, callbacks=[fail], progress=False,
            compiled=compiled,
        )  # fmt: skip

    twin = line_model()
    fit(twin, nn.mse, *LINE, epochs=2, progress=False, compiled=compiled)
    assert [p.data for p in model.parameters()] == [p.data for p in twin.parameters()]
    assert (len(history.loss), history.stopped, model.training) == (2, "", False)


@pytest.mark.parametrize("callbacks", [len, [None], 3, [[len]]])
def test_what_is_not_a_list_of_functions_is_refused(callbacks):
    """A single function among them."""
    with pytest.raises(SettingError, match="callbacks is"):
        fit(line_model(), nn.mse, *LINE, callbacks=callbacks, progress=False)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_callback_may_change_the_rate(compiled):
    """From the next update on."""
    model = line_model()
    optimizer = SGD(model.parameters(), 0.1)

    def halve(history, model):
        optimizer.learning_rate /= 2

    halve.reads_weights = False
    history = fit(
        model, nn.mse, *LINE, epochs=3, optimizer=optimizer, callbacks=[halve], progress=False,
        compiled=compiled,
    )  # fmt: skip

    assert history.learning_rate == [0.1, 0.05, 0.025]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"optimizer": "adam"}, "optimizer is 'adam'"),
        ({"optimizer": SGD}, "optimizer is <class"),
        ({"history": []}, r"history is \[\]"),
        ({"history": {}}, "history is {}"),
        ({"metrics": [len]}, "metrics is"),
        ({"metrics": {"f1": 3}}, "metrics is"),
        ({"rng": 3}, "rng is 3"),
        ({"model": lambda x: x[0]}, "the model is <function"),
        ({"model": None}, "the model is None"),
        ({"model": nn.MLP}, "the model is <class"),
        ({"loss": "mse"}, "loss is 'mse'"),
        ({"penalty": 1e-4}, "penalty is 0.0001"),
    ],
)
def test_settings_of_another_kind_are_refused_in_words(setting, message):
    """Before training, with an example that works."""
    with pytest.raises(SettingError, match=message):
        fit(
            **{"model": line_model(), "loss": nn.mse} | setting,
            X=LINE[0],
            y=LINE[1],
            progress=False,
        )


@pytest.mark.parametrize("compiled", [False, "auto"])
@pytest.mark.parametrize("answer", [1.0, None, [Value(1.0)], "1"])
def test_a_loss_that_returns_no_value_is_refused_in_words(answer, compiled):
    """A number that has left the graph, a forgotten return, a list of several."""
    with pytest.raises(OperandError, match="the loss returned"):
        fit(line_model(), lambda *_: answer, *LINE, compiled=compiled, progress=False)


def test_a_whole_number_too_large_for_a_float_is_refused_in_words():
    """In a feature and in a target."""
    for X, y in (([[10**400]], [1.0]), ([[1.0]], [10**400])):
        with pytest.raises(OperandError, match="cannot be stored as a float"):
            fit(line_model(), nn.mse, X, y, progress=False)


@pytest.mark.parametrize("place", [(3, 1), (0, 0)])
def test_a_nan_among_several_features_is_named_by_its_column(place):
    """Sample and feature, both counted from 0."""
    X = [[x, 1.0] for (x,) in LINE[0]]
    X[place[0]][place[1]] = math.nan

    with pytest.raises(OperandError, match=rf"X\[{place[0]}\]\[{place[1]}\] .*nan"):
        fit(nn.MLP(2, [1]), nn.mse, X, LINE[1], progress=False)
