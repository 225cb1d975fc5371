"""Show the progress of long work by a bar, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.train.history import History


class Progress:
    """Counts batches, and writes one line per epoch; ``bar`` is tqdm's, or None for no bar."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def advance(self, loss: float, batches: int = 1) -> None:
        """Count more batches, the last of which had this loss."""
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update(batches)

    def end_epoch(self, history: History) -> None:
        """Write the line of the last epoch, which stays on the screen above the bar."""
        if self.bar is not None:
            self.bar.write(epoch_line(history, len(history.loss) - 1))


def epoch_line(history: History, epoch: int) -> str:
    """Write the measures of one epoch (counted from 0) in words."""
    line = f"epoch {epoch + 1:3d}: loss {history.loss[epoch]:.4f}"
    if history.accuracy:
        line += f", accuracy {history.accuracy[epoch]:6.1%}"
    if history.validation_loss:
        line += f", held out: loss {history.validation_loss[epoch]:.4f}"
    if history.validation_accuracy:
        line += f", accuracy {history.validation_accuracy[epoch]:6.1%}"
    return line + f", {history.seconds[epoch]:.1f} s"


@contextmanager
def progress_bar(total: int, wanted: bool | None, done: int = 0) -> Iterator[Progress]:
    """Show a bar over ``total`` batches, some of them done before a restart.

    ``wanted`` None means: where tqdm is installed.
    """
    if wanted is False or (wanted is None and find_spec("tqdm") is None):
        yield Progress(None)
        return
    tqdm = extra("tqdm.auto", "tqdm", "the progress bar").tqdm
    with tqdm(total=total, initial=done, unit="batch", dynamic_ncols=True) as bar:
        yield Progress(bar)
