"""A progress bar on long work, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tinygrad_edu.shared.arguments import extra

if TYPE_CHECKING:
    from tinygrad_edu.train.history import History


class Progress:
    """Counts batches, and writes a line for each epoch; ``bar`` is tqdm's, or None."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def start(self, done: int) -> None:
        """So many batches were done before."""
        if self.bar is not None and done:
            self.bar.update(done)

    def advance(self, loss: float) -> None:
        """One more batch is done."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update()

    def end_epoch(self, history: History) -> None:
        """One more epoch is done: its line stays on the screen above the bar."""
        if self.bar is not None:
            self.bar.write(epoch_line(history, len(history.loss) - 1))


def epoch_line(history: History, epoch: int) -> str:
    """The figures of one epoch (counted from 0) in words."""
    line = (
        f"epoch {epoch + 1:3d}: loss {history.loss[epoch]:.4f}, "
        f"accuracy {history.accuracy[epoch]:6.1%}"
    )
    if history.validation_loss:
        line += (
            f", held out: loss {history.validation_loss[epoch]:.4f}, "
            f"accuracy {history.validation_accuracy[epoch]:6.1%}"
        )
    return line + f", {history.seconds[epoch]:.1f} s"


@contextmanager
def progress_bar(total: int, wanted: bool | None) -> Iterator[Progress]:
    """A bar over ``total`` batches; ``wanted`` None means: where tqdm is installed."""
    if wanted is False:
        yield Progress(None)
        return
    if wanted is None and find_spec("tqdm") is None:
        yield Progress(None)
        return
    tqdm = extra("tqdm.auto", "tqdm", "the progress bar").tqdm
    with tqdm(total=total, unit="batch", dynamic_ncols=True) as bar:
        yield Progress(bar)
