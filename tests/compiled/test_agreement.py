"""A program is trusted where it is the graph: what code does with numbers leaves no trace."""

from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.engine import operand
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.train import fit

RARE = [1 if i in (1, 2, 5, 7) else 0 for i in range(100)]  # none of them is looked at by chance
X = [[i / 100.0] for i in range(100)]
TABLE = [[i / 10.0, 1.0 - i / 10.0] for i in range(10)]
TARGETS = [0.1 * i for i in range(10)]


class Custom(nn.Module):
    """A model of these parts, whose forward pass is a function of it and a sample."""

    def __init__(self, function, **parts):
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        """One sample."""
        return self.function(self, x)


def model(*sizes):
    """The same network every time."""
    return nn.MLP(sizes[0], list(sizes[1:]), rng=Random(0))


def run(compiled, net, loss, X, y, **settings):
    """The losses of a short training."""
    history = fit(
        net, loss, X, y, epochs=3, batch_size=10, progress=False, compiled=compiled, **settings
    )
    return history.loss


def by_equality(z, t):
    """Chooses by ``==``, which of two Values is never true."""
    return (-z).softplus() if t == 1 else z.softplus()


def by_number(z, t):
    """Chooses by the number inside."""
    return (-z).softplus() if operand(t).data == 1.0 else z.softplus()


def steeper(is_large):
    """A line that is three times as steep for some features."""
    return lambda: Custom(lambda m, x: m.w * x[0] * (3.0 if is_large(x[0]) else 1.0), w=Value(0.5))


def normed(read):
    """Divides by a number that was read off the weights."""
    return lambda: Custom(
        lambda m, x: (m.a * x[0] + m.b * 0.5) / read((m.a * m.a + m.b * m.b).sqrt()) + m.c,
        a=Value(0.5), b=Value(2.0), c=Value(0.0),
    )  # fmt: skip


def signs(net):
    """A penalty that reads the signs of the weights."""
    return sum((1.0 if p.data > 0.0 else -1.0) * p for p in net.parameters())


@pytest.mark.parametrize(
    ("build", "loss", "penalty", "said"),
    [
        (lambda: model(1, 1), by_equality, None, "a target was compared by =="),
        (lambda: model(1, 1), by_number, None, "the loss for the target 1 is"),
        (steeper(lambda x: x == 0.25), nn.mse, None, "a feature or a target was compared by =="),
        (steeper(lambda x: x > 0.5), nn.mse, None, "was compared while"),
        (steeper(lambda x: operand(x).data > 0.5), nn.mse, None, "as a graph it is"),
        (normed(Value.detach), nn.mse, None, "at other weights"),
        (normed(lambda v: v.data), nn.mse, None, "at other weights"),
        (lambda: model(1, 1), nn.mse, signs, "at other weights"),
    ],
)
def test_code_that_chooses_by_a_number_is_not_compiled(build, loss, penalty, said):
    """Refused by name, the weights as they were; and "auto" trains on graphs, rightly."""
    net = build()
    before = [p.data for p in net.parameters()]

    with pytest.raises(SettingError, match=said):
        run(True, net, loss, X, RARE, penalty=penalty)

    assert [p.data for p in net.parameters()] == before
    losses = [run(way, build(), loss, X, RARE, penalty=penalty) for way in ("auto", False)]
    assert losses[0] == losses[1]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("compiled", [True, "auto", False])
@pytest.mark.parametrize(
    ("loss", "sizes", "targets"),
    [
        (nn.hinge, (1, 1), (1, 7)),
        (nn.binary_cross_entropy, (1, 1), (1.0, 2.0)),
        (nn.cross_entropy, (1, 2), ([1.0, 0.0], [3.0, 4.0])),
        (nn.cross_entropy, (1, 2), (1, 5)),
    ],
    ids=["hinge", "bit", "probabilities", "class"],
)
def test_a_wrong_target_is_refused_as_on_graphs(compiled, loss, sizes, targets):
    """One among a hundred, between the samples that are compared."""
    y = [targets[i == 1] for i in range(100)]

    with pytest.raises(TinygradEduError, match="target"):
        run(compiled, model(*sizes), loss, X, y)


@pytest.mark.parametrize("compiled", [True, False])
def test_what_a_callback_writes_into_weights_and_constants_counts(compiled):
    """The next epoch begins with it: the same losses on matrices and on graphs."""

    def shifted():
        return Custom(lambda m, x: m.w * x[0] + m.shift, w=Value(0.5), shift=Value(0.1).detach())

    def meddle(history, net):
        net.w.data = 0.25 * len(history.loss)
        net.shift.data = 0.5

    losses = run(compiled, shifted(), nn.mse, X, RARE, callbacks=[meddle])

    expected = run(False, shifted(), nn.mse, X, RARE, callbacks=[meddle])
    assert losses == pytest.approx(expected, rel=1e-12)
    assert losses != pytest.approx(run(False, shifted(), nn.mse, X, RARE), rel=1e-3)


def with_dropout():
    """A network that is another one in training."""
    return nn.Sequential(model(2, 4), nn.Dropout(0.5, Random(0)), model(4, 1))


@pytest.mark.parametrize(
    "change",
    [lambda net, penalty: setattr(penalty, "strength", 0.5), lambda net, penalty: net.eval()],
    ids=["strength", "mode"],
)
def test_a_callback_that_changes_what_a_program_can_not_see_is_said(change):
    """Another strength of the penalty, another mode: an error, and no silence."""
    penalty = nn.L2(0.1)

    with pytest.raises(SettingError, match=r"since a callback ran.*\n.*a mode"):
        run(
            True, with_dropout(), nn.mse, TABLE, TARGETS, penalty=penalty,
            callbacks=[lambda history, net: change(net, penalty) and None],
        )  # fmt: skip


def weighted(z, t):
    """Looks the target up."""
    return {0: 1.0, 1: 5.0}[t] * nn.binary_cross_entropy(z, t)


CASES = {
    "a table of weights": ((2, 1), weighted, [0, 1] * 5),
    "targets of two kinds": ((2, 2), nn.cross_entropy, [1, [0.5, 0.5]] * 5),
    "rows of an array": ((2, 2), nn.cross_entropy, np.eye(2)[[0, 1] * 5]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_trains_on_graphs_trains_by_default(name):
    """With the same losses, whichever way it is done; what can't be compiled says so in words."""
    sizes, loss, y = CASES[name]
    expected = run(False, model(*sizes), loss, TABLE, y)

    assert run("auto", model(*sizes), loss, TABLE, y) == pytest.approx(expected, rel=1e-9)
    if name == "a table of weights":
        with pytest.raises(SettingError, match="compiled=False"):
            run(True, model(*sizes), loss, TABLE, y)
    else:
        assert run(True, model(*sizes), loss, TABLE, y) == pytest.approx(expected, rel=1e-9)


class Pair(NamedTuple):
    """What a model may give: a mean and the logarithm of a variance."""

    mean: Value
    log_variance: Value


def likelihood(out, t):
    """Of a Gaussian, less a constant."""
    return 0.5 * (out.log_variance + (out.mean - t) ** 2 / out.log_variance.exp())


def probable(out, t):
    """Insists on probabilities."""
    if abs(sum(p.data for p in out) - 1.0) > 1e-9:
        raise ArithmeticError("no probabilities")
    return -(out[0].log() * t[0] + out[1].log() * t[1])


def positive(net, x):
    """Can't do without the sign of a weight."""
    if net.w.data <= 0.0:
        raise ArithmeticError("the weight is not positive")
    return net.net(x) * net.w


def bases(net, x):
    """exp(-|w - x|²), written out: products of weights stand beside products with data."""
    return net.out(
        [
            (-sum(w * w - 2.0 * w * v + v * v for w, v in zip(centre, x, strict=True))).exp()
            for centre in net.centres
        ]
    )


def shared_dropout():
    """One dropout, used twice for each sample: masks are drawn sample by sample."""
    return Custom(
        lambda m, x: m.outer(m.drop(m.drop(m.inner(x)))),
        inner=model(2, 4), drop=nn.Dropout(0.5, Random(3)), outer=model(4, 1),
    )  # fmt: skip


def radial():
    """A model of radial bases."""
    rng = Random(0)
    centres = [[Value(rng.gauss(0.0, 1.0)) for _ in range(2)] for _ in range(3)]
    return Custom(bases, centres=centres, out=model(3, 1))


ONE_HOT = [[1.0, 0.0], [0.0, 1.0]] * 5


@pytest.mark.parametrize(
    ("build", "loss", "y"),
    [
        (lambda: model(2, 3, 2), lambda out, t: nn.mse(out[0], t), TARGETS),
        (lambda: Custom(positive, w=Value(0.5), net=model(2, 1)), nn.mse, TARGETS),
        (lambda: Custom(lambda m, x: Pair(*m.net(x)), net=model(2, 2)), likelihood, TARGETS),
        (lambda: Custom(lambda m, x: nn.softmax(m.net(x)), net=model(2, 2)), probable, ONE_HOT),
        (radial, nn.mse, TARGETS),
        (shared_dropout, nn.mse, TARGETS),
    ],
    ids=["one of outputs", "sign of a weight", "names", "probabilities", "radial", "one dropout"],
)
def test_what_has_one_structure_is_compiled(build, loss, y):
    """Where other weights, or outputs, are refused, those that are there are taken."""
    losses = [run(compiled, build(), loss, TABLE, y) for compiled in (True, False)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_pandas_column_is_taken_by_position(compiled):
    """Its labels may be those of another order, or none at all of the first numbers."""
    pandas = pytest.importorskip("pandas")
    backwards = pandas.Series(TARGETS, index=range(9, -1, -1))
    named = pandas.DataFrame(TABLE, index=list("abcdefghij"))

    losses = run(compiled, model(2, 1), nn.mse, named, backwards)

    assert losses == pytest.approx(run(False, model(2, 1), nn.mse, TABLE, TARGETS), rel=1e-9)


def test_a_callback_that_changes_nothing_costs_no_graph_of_a_batch(monkeypatch):
    """With BatchNorm a graph is a whole batch: built again where a setting was changed."""
    net = nn.Sequential(model(2, 4), nn.BatchNorm(4), model(4, 1))
    compared = []
    compare = Agreement._compare
    monkeypatch.setattr(
        Agreement, "_compare", lambda self, *words: (compared.append(words), compare(self, *words))
    )

    run(True, net, nn.mse, TABLE, TARGETS, callbacks=[lambda history, net: None])

    assert compared
    assert not [words for words in compared if "since a callback ran" in str(words)]


@pytest.mark.parametrize("compiled", [True, False])
def test_what_the_last_callback_leaves_stays(compiled):
    """The weights are those after the run; a mode does not matter, as no step follows."""
    net = with_dropout()

    def last(history, net):
        net.eval()
        for p in net.parameters():
            p.data = 0.25
        return True

    assert len(run(compiled, net, nn.mse, TABLE, TARGETS, callbacks=[last])) == 1
    assert {p.data for p in net.parameters()} == {0.25}


def test_a_loss_that_reads_what_the_model_kept_of_another_sample_is_noticed():
    """A hidden layer stored in the model is that of the last sample of a batch, on graphs."""

    def keep(net, x):
        net.hidden = net.first(x)
        return net.second(net.hidden)

    net = Custom(keep, first=model(2, 3), second=model(3, 1))
    with pytest.raises(SettingError, match=r"the loss of \d samples is"):
        run(True, net, lambda out, t: nn.mse(out, t) + net.hidden[0] ** 2, TABLE, TARGETS)


def test_long_targets_are_compared_in_part():
    """Fifty thousand numbers at most, evenly spread over the samples."""
    net, wide = model(2, 100), [[float(i)] * 100 for i in range(2_000)]
    compiled = ModelProgram(net, nn.mse, [[0.0, 1.0]] * 2_000, wide)

    chosen = Agreement(compiled)._different_targets()

    assert (len(chosen), chosen[0][0], chosen[-1][0]) == (500, 0.0, 1_996.0)
