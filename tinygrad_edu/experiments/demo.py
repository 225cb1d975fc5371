"""The main job: a network of single numbers learns real handwritten digits."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.experiments.experiment import Experiment, run
from tinygrad_edu.experiments.page import Figure
from tinygrad_edu.expression import evaluate
from tinygrad_edu.nn import MLP, Module
from tinygrad_edu.viz import draw


class Demo(Experiment):
    """An experiment whose network is the plain multi-layer perceptron of the notebooks."""

    def network(self, rng: Random | None = None, ends: tuple[int, int] | None = None) -> Module:
        """Build the network; ``nn.MLP(64, [16, 10])`` can load what the demo has saved."""
        return MLP(64, [*self.hidden, 10], rng=rng or Random(self.seed))


def demo(
    folder: Path,
    *,
    epochs: int = 12,
    hidden: int = 16,
    seed: int = 0,
    progress: bool | None = None,
    eager: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[str, list[str], bool]:
    """Train a network with one hidden layer on handwritten digits, and write a report.

    Every multiplication is a Value. The graph of one sample is trained as the matrices that are
    found in it, or with ``eager`` as it is. The result is that of ``experiments.run``.
    """
    settings = Demo(
        data="digits",
        raw=True,  # the pixels are between 0 and 1 as they are
        hidden=[hidden],
        learning_rate=0.01,
        epochs=epochs,
        batch_size=16,
        seed=seed,
        eager=eager,
    )
    neuron = Figure(
        "neuron.svg",
        "One neuron, step by step",
        "The neuron of Das and Varma, The Backprop Algorithm: values above the wires, and below "
        "them what each wire adds to the gradient. Step through the forward and the backward pass "
        "with the buttons or the arrow keys.",
        draw(textbook_neuron()),
    )
    title = "Handwritten digits, learned by single numbers"
    return run(
        settings,
        folder,
        resume=resume,
        overwrite=overwrite,
        progress=progress,
        rng=Random(seed),
        title=title,
        figures=[neuron],
    )


def textbook_neuron() -> Value:
    """Build the worked neuron of Das and Varma, with values and gradients; it gives 0.73."""
    root, _ = evaluate(
        "sigmoid(w0*x0 + w1*x1 + w2)", {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
    )
    for node in topological_order(root):
        if node.op is not None:
            node.label = ""  # the figure shows the operation itself
    root.backward()
    return root
