"""A model as a program: masks are drawn for every run, and whole batches become matrices.

That training on programs is training on graphs is tested with the steppers, in tests/train.
"""

from random import Random

from tinygrad_edu import nn
from tinygrad_edu.compiled.program import ModelProgram

rng = Random(2)
X = [[rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(30)]
Y = [i % 4 for i in range(30)]


def network(part):
    """Three inputs, six hidden neurons with the part behind them, four logits."""
    return nn.Sequential(nn.Layer(3, 6, rng=Random(1)), part, nn.Layer(6, 4, rng=Random(2)))


def test_masks_are_drawn_anew_for_every_step():
    """Two runs on the same rows have other losses; in evaluation the same."""
    model = network(nn.Dropout(0.3, Random(4)))
    compiled = ModelProgram(model, nn.cross_entropy, X, Y)
    rows = compiled.rows(X, Y)

    losses = {compiled.backward(rows) for _ in range(5)}
    with model.evaluating():
        judge = ModelProgram(model, nn.cross_entropy, X, Y)

    assert len(losses) == 5
    assert not judge.symbolic.trace.given
    assert judge.forward(rows) == judge.forward(rows)


def test_whole_batches_are_matrix_products():
    """A batch that is traced as one row is still found to be matrices, not thousands of terms."""
    model = network(nn.BatchNorm(6))

    program = ModelProgram(model, nn.cross_entropy, X, Y, batch=8).program

    assert program.stats["matrix_products"] >= 2
    assert program.stats["instructions"] < 60
