"""The history of a run: whole epochs, and the loss that decides."""

import copy
import pickle
from math import nan

import pytest
from matplotlib import pyplot

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import History


def test_an_epoch_is_added_to_each_list_that_it_has_a_measure_for():
    """Without validation data those lists stay empty."""
    history = History()

    history.add({"loss": 0.5, "accuracy": 0.75, "seconds": 1.0})

    assert (history.loss, history.accuracy, history.seconds) == ([0.5], [0.75], [1.0])
    assert history.validation_loss == history.gradient == []


def test_the_latest_loss_is_that_of_validation_where_there_is_one():
    """The loss that patience and thresholds look at."""
    assert History(loss=[0.5, 0.25]).latest == 0.25
    assert History(loss=[0.5, 0.25], validation_loss=[0.75, 0.625]).latest == 0.625


def test_what_a_run_did_not_measure_is_nan():
    """Before and after: each list has one entry for each epoch, or none at all."""
    history = History()
    history.add({"loss": 0.5, "gradient": {"layer1": 1.0}})
    history.begin()
    history.add({"loss": 0.4, "validation_loss": 0.6, "metrics": {"f1": 0.9}})
    history.begin()
    history.add({"loss": 0.3, "accuracy": 0.5})

    assert history.loss == [0.5, 0.4, 0.3]
    assert str(history.validation_loss) == "[nan, 0.6, nan]"
    assert str(history.metrics["f1"]) == "[nan, 0.9, nan]"
    assert str(history.accuracy) == "[nan, nan, 0.5]"
    assert history.gradient == [{"layer1": 1.0}, {}, {}]
    assert history.validation_accuracy == history.seconds == []


def test_a_run_is_judged_by_its_own_epochs():
    """By its validation loss if it has one, whatever runs before had."""
    history = History()
    history.add({"loss": 9.0, "validation_loss": 0.1})
    history.begin()
    history.add({"loss": 0.5})
    assert (history.judged, history.latest) == ([0.5], 0.5)

    history.begin()
    history.add({"loss": 0.4, "validation_loss": 0.7})
    assert (history.judged, history.latest) == ([0.7], 0.7)


def test_lists_of_other_lengths_are_refused():
    """One that was filled by hand."""
    with pytest.raises(SettingError, match=r"history\.accuracy has 1 entries, history\.loss has 2"):
        History(loss=[0.5, 0.4], accuracy=[0.5]).begin()


def filled():
    """Two epochs, the second with a metric and validation."""
    history = History()
    history.add({"loss": 0.5, "accuracy": 0.25, "gradient": {"layer1": 1.0}, "learning_rate": 0.1})
    history.add(
        {"loss": 0.25, "accuracy": 0.5, "validation_loss": 0.3, "validation_metrics": {"f1": 0.9}}
        | {"gradient": {"layer1": 0.5, "layer2": 2.0}, "learning_rate": 0.1}
    )
    return history


def test_a_frame_has_one_row_per_epoch_and_one_column_per_measure():
    """Counted from 1; gradients by layer."""
    frame = filled().frame()

    assert [*frame.index] == [1, 2]
    assert frame.index.name == "epoch"
    assert {*frame.columns} == {
        "loss", "accuracy", "validation_loss", "validation_metrics.f1", "learning_rate",
        "gradient.layer1", "gradient.layer2",
    }  # fmt: skip
    assert frame["loss"].tolist() == [0.5, 0.25]
    assert frame["validation_loss"].isna().tolist() == [True, False]
    assert frame["gradient.layer2"].isna().tolist() == [True, False]
    assert History().frame().empty


def test_a_plot_has_one_line_per_measure_and_appears_once():
    """Losses left, accuracy and metrics right; pyplot knows the figure."""
    figure = filled().plot()

    left, right = figure.axes
    assert [line.get_label() for line in left.get_lines()] == ["loss", "loss, held out"]
    assert [line.get_label() for line in right.get_lines()] == ["accuracy", "f1, held out"]
    assert [*left.get_lines()[0].get_ydata()] == [0.5, 0.25]
    assert pyplot.get_fignums().count(figure.number) == 1
    pyplot.close(figure)
    pyplot.close(History().plot())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))])
def test_a_history_is_copied_and_pickled(copied):
    """A pickle of an earlier version has fewer measures."""
    history = filled()
    old = History.__new__(History)
    old.__setstate__({"loss": [0.5], "stopped": "epochs"})

    assert copied(history).loss == history.loss
    assert copied(old).metrics == {}
    old.begin()
    old.add({"loss": 0.25})
    assert old.judged == [0.25]


def test_a_history_is_shown_in_one_line():
    """A notebook's cell that ends with ``fit(...)`` shows what was reached, not every number."""
    assert repr(History()) == "History(0 epochs, stopped='')"
    history = History(loss=[1.0, 0.25], validation_loss=[1.0, nan], batch_loss=[1.0] * 999)
    history.stopped = "epochs"
    assert repr(history) == "History(2 epochs, loss=0.25, validation_loss=nan, stopped='epochs')"
