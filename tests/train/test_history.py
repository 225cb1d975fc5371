"""The history of a run: whole epochs, and the loss that decides."""

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
