"""A program is trusted where it is the graph: what code does with numbers leaves no trace."""

from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.engine.errors import SettingError, TinygradEduError
from tinygrad_edu.train import SGD, fit

pytest.importorskip("numpy")
RARE = [1 if i in (1, 2, 5, 7) else 0 for i in range(100)]  # none of them is looked at by chance
X = [[i / 100.0] for i in range(100)]


def model(sizes=(1, 1)):
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
    t = t if isinstance(t, Value) else Value(t)
    return (-z).softplus() if t.data == 1.0 else z.softplus()


@pytest.mark.parametrize("loss", [by_equality, by_number])
def test_a_loss_that_chooses_by_a_rare_target_is_not_compiled(loss):
    """Refused by name, and "auto" trains on graphs; the rare class was trained as the other."""
    with pytest.raises(SettingError, match=r"was compared by ==|the loss for the target 1 is"):
        run(True, model(), loss, X, RARE)

    assert run("auto", model(), loss, X, RARE) == run(False, model(), loss, X, RARE)


class Stepped(nn.Module):
    """Chooses by a feature."""

    def __init__(self):
        self.w = Value(0.5)

    def forward(self, x):
        """One sample."""
        return self.w * 2.0 if x[0] == 0.25 else self.w


def test_a_model_that_chooses_by_a_feature_is_not_compiled():
    """A branch on ``x[0] == number``."""
    with pytest.raises(SettingError, match="a feature or a target was compared by =="):
        run(True, Stepped(), nn.mse, X, RARE)

    assert run("auto", Stepped(), nn.mse, X, RARE) == run(False, Stepped(), nn.mse, X, RARE)


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
        run(compiled, model(sizes), loss, X, y)


class Normed(nn.Module):
    """Divides by a number that was read off the weights."""

    def __init__(self, read):
        self.w, self.b, self.read = [Value(0.5), Value(2.0)], Value(0.0), read

    def forward(self, x):
        """One sample."""
        n = self.read(sum(w * w for w in self.w).sqrt())
        return (self.w[0] * x[0] + self.w[1] * 0.5) / n + self.b


@pytest.mark.parametrize("read", [Value.detach, lambda v: v.data], ids=["detach", "data"])
def test_numbers_read_off_the_weights_are_noticed(read):
    """At the first weights all agrees; so others are compared, too, and put back."""
    net = Normed(read)
    with pytest.raises(SettingError, match="at other weights"):
        run(True, net, nn.mse, X, RARE)
    assert [p.data for p in net.parameters()] == [0.5, 2.0, 0.0]

    assert run("auto", Normed(read), nn.mse, X, RARE) == run(False, Normed(read), nn.mse, X, RARE)


def test_a_penalty_that_reads_signs_is_noticed():
    """The weights compared too have other signs."""

    def penalty(net):
        return sum((1.0 if p.data > 0.0 else -1.0) * p for p in net.parameters())

    with pytest.raises(SettingError, match="at other weights"):
        run(True, model(), nn.mse, X, RARE, penalty=penalty)


@pytest.mark.parametrize("compiled", [True, False])
def test_what_a_callback_writes_into_weights_and_constants_counts(compiled):
    """The next epoch begins with it: the same losses on matrices and on graphs."""

    class Shifted(nn.Module):
        def __init__(self):
            self.w, self.shift = Value(0.5), Value(0.1).detach()

        def forward(self, x):
            return self.w * x[0] + self.shift

    def meddle(history, net):
        net.w.data = 0.25 * len(history.loss)
        net.shift.data = 0.5

    losses = run(compiled, Shifted(), nn.mse, X, RARE, callbacks=[meddle])

    expected = run(False, Shifted(), nn.mse, X, RARE, callbacks=[meddle])
    assert losses == pytest.approx(expected, rel=1e-12)
    assert losses != pytest.approx(run(False, Shifted(), nn.mse, X, RARE), rel=1e-3)


def test_a_callback_that_changes_what_a_program_can_not_see_is_said():
    """Another strength of the penalty: an error, and no silence."""
    penalty = nn.L2(0.1)

    def anneal(history, net):
        penalty.strength = 0.5

    with pytest.raises(SettingError, match="since a callback ran"):
        run(True, model(), nn.mse, X, RARE, penalty=penalty, callbacks=[anneal])


class SharedDropout(nn.Module):
    """One dropout, used twice for each sample."""

    def __init__(self):
        self.inner, self.outer = nn.MLP(1, [4], rng=Random(1)), nn.MLP(4, [1], rng=Random(2))
        self.drop = nn.Dropout(0.5, Random(3))

    def forward(self, x):
        """One sample."""
        return self.outer(self.drop(self.drop(self.inner(x))))


def test_a_dropout_used_twice_draws_sample_by_sample():
    """The same masks compiled as on graphs."""
    compiled, eager = (run(c, SharedDropout(), nn.mse, X, RARE) for c in (True, False))

    assert compiled == pytest.approx(eager, rel=1e-9)


def weighted(z, t):
    """Looks the target up."""
    return {0: 1.0, 1: 5.0}[t] * nn.binary_cross_entropy(z, t)


CASES = {
    "a part of the outputs": ((2, 3, 2), lambda o, t: nn.mse(o[0], t), [0.0, 1.0] * 5),
    "a table of weights": ((2, 1), weighted, [0, 1] * 5),
    "targets of two kinds": ((2, 2), nn.cross_entropy, [1, [0.5, 0.5]] * 5),
    "rows of an array": ((2, 2), nn.cross_entropy, np.eye(2)[[0, 1] * 5]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_trains_on_graphs_trains_by_default(name):
    """With the same losses, whichever way it is done; what can't be compiled says so in words."""
    sizes, loss, y = CASES[name]
    data = [[i / 10.0, 1.0 - i / 10.0] for i in range(10)]
    expected = run(False, model(sizes), loss, data, y)

    assert run("auto", model(sizes), loss, data, y) == pytest.approx(expected, rel=1e-9)
    if name == "a part of the outputs":
        assert run(True, model(sizes), loss, data, y) == pytest.approx(expected, rel=1e-9)
    elif name != "rows of an array":
        with pytest.raises(SettingError, match="compiled=False"):
            run(True, model(sizes), loss, data, y)


def test_radial_bases_are_compiled():
    """exp(-|w - x|²), written out: products of weights stand beside products with data."""

    class Bases(nn.Module):
        def __init__(self):
            rng = Random(0)
            self.centres = [[Value(rng.gauss(0, 1)) for _ in range(2)] for _ in range(3)]
            self.out = nn.MLP(3, [1], rng=rng)

        def forward(self, x):
            return self.out(
                [
                    (-sum(w * w - 2.0 * w * v + v * v for w, v in zip(c, x, strict=True))).exp()
                    for c in self.centres
                ]
            )

    data = [[i / 10.0, 1.0 - i / 10.0] for i in range(10)]

    losses = []
    for compiled in (True, False):
        net = Bases()
        descent = SGD(net.parameters(), 0.01)
        losses.append(run(compiled, net, nn.mse, data, [0, 1] * 5, optimizer=descent))

    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


class Positive(nn.Module):
    """Can't do without the sign of a weight."""

    def __init__(self):
        self.w, self.net = Value(0.5), model((2, 1))

    def forward(self, x):
        """One sample."""
        if self.w.data <= 0.0:
            raise ArithmeticError("the weight is not positive")
        return self.net(x) * self.w


class Pair(NamedTuple):
    """What a model may give: a mean and the logarithm of a variance."""

    mean: Value
    log_variance: Value


class Gaussian(nn.Module):
    """Two outputs with names."""

    def __init__(self):
        self.net = model((2, 2))

    def forward(self, x):
        """One sample."""
        return Pair(*self.net(x))


def likelihood(out, t):
    """Of a Gaussian, less a constant."""
    return 0.5 * (out.log_variance + (out.mean - t) ** 2 / out.log_variance.exp())


def probable(out, t):
    """Insists on probabilities."""
    if abs(sum(p.data for p in out) - 1.0) > 1e-9:
        raise ArithmeticError("no probabilities")
    return -(out[0].log() * t[0] + out[1].log() * t[1])


class Probabilities(nn.Module):
    """Two of them."""

    def __init__(self):
        self.net = model((2, 2))

    def forward(self, x):
        """One sample."""
        return nn.softmax(self.net(x))


ONE_HOT = [[1.0, 0.0], [0.0, 1.0]] * 5
TABLE = [[i / 10.0, 1.0 - i / 10.0] for i in range(10)]
TARGETS = [0.1 * i for i in range(10)]


@pytest.mark.parametrize(
    ("build", "loss", "y"),
    [
        (Positive, nn.mse, TARGETS),
        (Gaussian, likelihood, TARGETS),
        (Probabilities, probable, ONE_HOT),
    ],
)
def test_code_that_needs_its_weights_and_outputs_as_they_are_is_compiled(build, loss, y):
    """Where the other weights, or outputs, are refused, those that are there are taken."""
    assert run(True, build(), loss, TABLE, y) == pytest.approx(
        run(False, build(), loss, TABLE, y), rel=1e-9
    )


@pytest.mark.parametrize("compiled", [True, False])
def test_a_pandas_column_is_taken_by_position(compiled):
    """Its labels may be those of another order, or none at all of the first numbers."""
    pandas = pytest.importorskip("pandas")
    backwards = pandas.Series(TARGETS, index=range(9, -1, -1))
    named = pandas.DataFrame(TABLE, index=list("abcdefghij"))

    losses = run(compiled, model((2, 1)), nn.mse, named, backwards)

    assert losses == pytest.approx(run(False, model((2, 1)), nn.mse, TABLE, TARGETS), rel=1e-9)


def test_a_callback_that_changes_nothing_costs_no_graph_of_a_batch(monkeypatch):
    """With BatchNorm a graph is a whole batch: built again where a setting was changed."""
    net = nn.Sequential(model((2, 4)), nn.BatchNorm(4), model((4, 1)))
    compared = []
    compare = Agreement._compare
    monkeypatch.setattr(
        Agreement, "_compare", lambda self, *words: (compared.append(words), compare(self, *words))
    )

    run(True, net, nn.mse, TABLE, TARGETS, callbacks=[lambda history, net: None])

    assert compared
    assert not [words for words in compared if "since a callback ran" in str(words)]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_mode_that_the_last_callback_leaves_is_no_matter(compiled):
    """No step follows it; before a step it is said."""
    net = nn.Sequential(model((2, 4)), nn.Dropout(0.5, Random(0)), model((4, 1)))

    def last(history, net):
        net.eval()
        return True

    assert len(run(compiled, net, nn.mse, TABLE, TARGETS, callbacks=[last])) == 1
    if compiled:
        with pytest.raises(SettingError, match="a mode"):
            run(
                True,
                net,
                nn.mse,
                TABLE,
                TARGETS,
                callbacks=[lambda history, net: net.eval() and None],
            )


@pytest.mark.parametrize("compiled", [True, False])
def test_what_the_last_callback_writes_stays(compiled):
    """The weights it leaves are those of the model after the run."""
    net = model((2, 1))

    def last(history, net):
        for p in net.parameters():
            p.data = 0.25
        return True

    run(compiled, net, nn.mse, TABLE, TARGETS, callbacks=[last])

    assert {p.data for p in net.parameters()} == {0.25}


def test_a_loss_that_reads_what_the_model_kept_of_another_sample_is_noticed():
    """A hidden layer stored in the model is that of the last sample of a batch, on graphs."""

    class Keeper(nn.Module):
        def __init__(self):
            self.first, self.second = model((2, 3)), model((3, 1))

        def forward(self, x):
            self.hidden = self.first(x)
            return self.second(self.hidden)

    net = Keeper()
    with pytest.raises(SettingError, match=r"the loss of \d samples is"):
        run(True, net, lambda out, t: nn.mse(out, t) + net.hidden[0] ** 2, TABLE, TARGETS)


def test_long_targets_are_compared_in_part():
    """Fifty thousand numbers at most, evenly spread over the samples."""
    net, wide = model((2, 100)), [[float(i)] * 100 for i in range(2_000)]
    compiled = ModelProgram(net, nn.mse, [[0.0, 1.0]] * 2_000, wide)

    chosen = Agreement(compiled)._different_targets()

    assert (len(chosen), chosen[0][0], chosen[-1][0]) == (500, 0.0, 1_996.0)
