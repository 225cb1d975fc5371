"""Softmax and cross entropy in every way of writing them become one stable program."""

import math
from functools import reduce
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.targets import HERE
from tinygrad_edu import Value, compile_graph, maximum
from tinygrad_edu.compiler import program, recording
from tinygrad_edu.compiler.passes import drop_dead, drop_zeros, fold_constants, share_rows
from tinygrad_edu.compiler.record import record
from tinygrad_edu.compiler.softmax import stabilize_softmax
from tinygrad_edu.engine.errors import StaleGraphError
from tinygrad_edu.engine.functions import stop_gradient
from tinygrad_edu.nn import cross_entropy, log_softmax, logsumexp, softmax

# --- what a learner subtracts from the logits, and how he divides by the sum ---

SHIFTS = {
    "nothing": None,
    "a maximum without gradient": lambda z: stop_gradient(reduce(maximum, z)),
    "a maximum": lambda z: reduce(maximum, z),
    "a float": lambda z: max(v.data for v in z),
    "a constant": lambda z: Value(max(v.data for v in z)).detach(),
    "a negative float, added": lambda z: -max(v.data for v in z),
    "the first logit": lambda z: z[0],
}
QUOTIENTS = {
    "e / s": lambda e, s: e / s,
    "e * (1 / s)": lambda e, s: e * (1.0 / s),
    "e * s ** -1": lambda e, s: e * s**-1,
}


def parts(z, shift):
    """Shifted logits, their exponentials, and the sum of these."""
    if SHIFTS[shift] is None:
        shifted = z
    else:
        m = SHIFTS[shift](z)
        shifted = [v + m if "added" in shift else v - m for v in z]
    e = [v.exp() for v in shifted]
    return shifted, e, sum(e)


def of_quotient(z, k, shift, quotient):
    """-log of the probability of class k."""
    _, e, s = parts(z, shift)
    return -QUOTIENTS[quotient](e[k], s).log()


def of_all_quotients(z, k, shift, quotient):
    """The same from a list of all probabilities, each with a sum of its own."""
    return -[QUOTIENTS[quotient](e, parts(z, shift)[2]) for e in parts(z, shift)[1]][k].log()


def of_logarithms(z, k, shift, _):
    """log s - z, where both are shifted."""
    shifted, _, s = parts(z, shift)
    return s.log() - shifted[k]


def of_logsumexp(z, k, shift, _):
    """log s + m - z, where the shift is taken back."""
    if SHIFTS[shift] is None:
        return -(z[k] - parts(z, shift)[2].log())
    m = SHIFTS[shift](z)
    s = sum((v + m if "added" in shift else v - m).exp() for v in z)
    return (s.log() - m if "added" in shift else m + s.log()) - z[k]


def of_two_logarithms(z, k, shift, _):
    """log s - log e."""
    _, e, s = parts(z, shift)
    return s.log() - e[k].log()


def of_the_inverse(z, k, shift, _):
    """-(z + log(1 / s))."""
    shifted, _, s = parts(z, shift)
    return -(shifted[k] + (1.0 / s).log())


WAYS = {
    f"of_quotient, {shift}, {quotient}": (of_quotient, shift, quotient)
    for shift in SHIFTS
    for quotient in QUOTIENTS
} | {
    f"{way.__name__}, {shift}": (way, shift, "e / s")
    for way in (of_all_quotients, of_logarithms, of_logsumexp, of_two_logarithms, of_the_inverse)
    for shift in SHIFTS
}


def recorded(loss):
    """Build a loss of this project's own while it is recorded."""

    def build(*arguments):
        with recording():
            return loss(*arguments)

    return build


OWN = {
    "cross_entropy": cross_entropy,
    "log_softmax": lambda z, k: -log_softmax(z)[k],
    "log of softmax": lambda z, k: -softmax(z)[k].log(),
    "log of exp of log_softmax": lambda z, k: -log_softmax(z)[k].exp().log(),
    "logsumexp": lambda z, k: logsumexp(z) - z[k],
}
LOSSES = {name: lambda z, k, it=it: it[0](z, k, *it[1:]) for name, it in WAYS.items()}
LOSSES |= OWN | {f"{name}, recorded": recorded(loss) for name, loss in OWN.items()}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
classes = pytest.mark.parametrize("count", [2, 3, 4, 10])


def right(z, k):
    """-log p and its slopes, p - t, from plain numbers."""
    top = max(z)
    e = [math.exp(v - top) for v in z]
    loss = math.log(math.fsum(e)) - (z[k] - top)
    return loss, [x / math.fsum(e) - (i == k) for i, x in enumerate(e)]


def numbers(count, seed=0, size=2.0):
    """Random numbers up to a size."""
    rng = Random(seed)
    return [rng.uniform(-size, size) for _ in range(count)]


def over(plan):
    """Everything that is done over an axis, except sums."""
    return sorted(loop.over for loop in plan.forward if loop.over != "sum")


# --- one program ---


@classes
@every_loss
def test_every_way_of_writing_is_one_program(loss, count, target):
    """One maximum, one logsumexp, four instructions; the loss and its slopes to 1e-15."""
    z = [Value(x) for x in numbers(count)]
    program = compile_graph(loss(z, 1), target=target)

    value, slopes = right([v.data for v in z], 1)
    assert program.backward() == pytest.approx(value, rel=1e-13)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    assert [by_leaf[v] for v in z] == pytest.approx(slopes, rel=1e-12)
    planned = compile_graph(loss(z, 1), target="numpy")
    assert over(planned.plan) == ["logsumexp", "max"]
    assert planned.stats["instructions"] == 4


@classes
@every_loss
def test_a_batch_as_one_graph_is_one_program(loss, count):
    """The samples' softmaxes are computed side by side."""
    batch = [[Value(x) for x in numbers(count, seed)] for seed in range(5)]
    program = compile_graph(sum(loss(z, i % count) for i, z in enumerate(batch)), target="numpy")

    expected = [right([v.data for v in z], i % count) for i, z in enumerate(batch)]
    assert program.backward() == pytest.approx(math.fsum(x for x, _ in expected), rel=1e-13)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    for z, (_, slopes) in zip(batch, expected, strict=True):
        assert [by_leaf[v] for v in z] == pytest.approx(slopes, rel=1e-12)
    assert over(program.plan) == ["logsumexp", "max"]
    assert program.stats["instructions"] == 5


@every_loss
def test_rows_that_are_far_apart_are_finite(loss, target):
    """What was subtracted in the sample that was recorded does not matter for other rows."""
    w, x = [Value(1.0), Value(-1.0), Value(0.5)], Value(0.0)
    program = compile_graph(loss([v * x for v in w], 1), [x], target=target)
    rows = [800.0, -800.0, 0.3, 0.0]

    losses, slopes = zip(*[right([v.data * row for v in w], 1) for row in rows], strict=True)
    assert program.backward([[row] for row in rows]) == pytest.approx(math.fsum(losses) / 4)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    expected = [
        math.fsum(d * r for d, r in zip(ds, rows, strict=True)) / 4
        for ds in zip(*slopes, strict=True)
    ]
    assert [by_leaf[v] for v in w] == pytest.approx(expected, rel=1e-12)


def weighted(z, t, shift, quotient):
    """-Σ t log y."""
    _, e, s = parts(z, shift)
    return -sum(w * QUOTIENTS[quotient](x, s).log() for w, x in zip(t, e, strict=True))


def weighted_differences(z, t, shift, _):
    """Σ t (log s - z)."""
    shifted, _, s = parts(z, shift)
    return sum(w * (s.log() - v) for w, v in zip(t, shifted, strict=True))


SOFT = [(weighted, shift, quotient) for shift in SHIFTS for quotient in QUOTIENTS]
SOFT += [(weighted_differences, shift, "") for shift in SHIFTS]


@classes
@pytest.mark.parametrize("given", ["constants", "inputs"])
@pytest.mark.parametrize("way", SOFT, ids=lambda way: f"{way[0].__name__}, {way[1]}, {way[2]}")
def test_targets_may_be_a_number_for_each_class(way, given, count, target):
    """Constants of the graph or columns of the data, which need not sum to 1."""
    loss, shift, quotient = way
    z, t = [Value(x) for x in numbers(count)], [abs(x) for x in numbers(count, 1)]
    if given == "constants":
        root, inputs, rows = loss(z, t, shift, quotient), None, None
    else:
        inputs, rows = [Value(x) for x in t], [t]
        root = loss(z, inputs, shift, quotient)
    root.backward()
    program = compile_graph(root, inputs, target=target)

    assert program.backward(rows) == pytest.approx(root.data, rel=1e-13)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    slopes = [v.grad for v in z]
    assert [by_leaf[v] for v in z] == pytest.approx(slopes, rel=1e-12, abs=1e-14)
    if target == "numpy":
        assert over(program.plan) == ["logsumexp", "max"]
        assert program.stats["instructions"] == 5


@pytest.mark.parametrize("record", [recorded, lambda loss: loss], ids=["recorded", "as it is"])
def test_targets_that_do_not_sum_to_one_leave_the_value_as_it_is(record, target):
    """log s - Σ t z depends on what is subtracted then, so that must not be another number."""
    z, t = [Value(0.3), Value(-0.5), Value(1.2)], [Value(0.0), Value(1.0), Value(0.0)]
    loss = record(cross_entropy)(z, t)
    shift = 1.2 if record is not recorded else None
    program = compile_graph(loss, t, target=target)

    for v, x in zip(z, (0.4, 2.0, -1.0), strict=True):
        v.data = x
    program.pull()
    row = [0.5, 0.25, 0.75]
    m = 2.0 if shift is None else shift
    expected = math.log(sum(math.exp(v.data - m) for v in z))
    expected -= sum(w * (v.data - m) for w, v in zip(row, z, strict=True))
    assert program.backward([row]) == pytest.approx(expected, rel=1e-14)


# --- numbers of every size ---

EXTREME = st.sampled_from([0.0, 1.0, -1.0, 0.5, 800.0, -800.0, 1e300, -1e300, -math.inf, 3.0])


@settings(max_examples=300)
@given(
    z=st.lists(EXTREME, min_size=2, max_size=5).filter(lambda z: max(z) > -math.inf),
    names=st.sampled_from([*LOSSES]),
    target=st.sampled_from(HERE),
)
def test_logits_of_every_size(z, names, target):
    """Ties, far apart, at the ends of floats, and classes that are ruled out by -inf."""
    leaves = [Value(0.1 * i) for i in range(len(z))]
    program = compile_graph(LOSSES[names](leaves, 0), target=target)
    for leaf, x in zip(leaves, z, strict=True):
        leaf.data = x
    program.pull()

    loss, slopes = right(z, 0)
    assert program.backward() == pytest.approx(loss, rel=1e-12, abs=1e-300)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    assert [by_leaf[v] for v in leaves] == pytest.approx(slopes, rel=1e-12, abs=1e-15)


def test_a_batch_is_that_of_pytorch():
    """A network and its cross entropy, for classes by index, in single samples and together."""
    torch = pytest.importorskip("torch")
    rng = Random(0)
    rows, classes = [[rng.uniform(-30.0, 30.0) for _ in range(3)] for _ in range(4)], [0, 2, 1, 2]
    w = [[Value(rng.uniform(-9.0, 9.0)) for _ in range(3)] for _ in range(3)]
    losses = []
    for x, k in zip(rows, classes, strict=True):
        z = [sum(a * b for a, b in zip(ws, x, strict=True)) for ws in w]
        _, e, s = parts(z, "nothing")
        losses.append(-(e[k] / s).log() if k else s.log() - z[k])
    program = compile_graph(sum(losses) / 4.0, target="numpy")

    weight = torch.tensor([[v.data for v in ws] for ws in w], dtype=torch.float64)
    weight.requires_grad_()
    logits = torch.tensor(rows, dtype=torch.float64) @ weight.T
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(classes))
    loss.backward()
    assert program.backward() == pytest.approx(loss.item(), rel=1e-12)
    by_leaf = dict(zip(program.parameters, program.gradient, strict=True))
    assert [by_leaf[v] for ws in w for v in ws] == pytest.approx(
        weight.grad.flatten().tolist(), rel=1e-12, abs=1e-13
    )


@every_loss
def test_nan_is_handed_on(loss, target):
    """A broken logit breaks the loss, visibly."""
    z = [Value(0.1), Value(0.2), Value(0.3)]
    program = compile_graph(loss(z, 1), target=target)
    z[2].data = math.nan
    program.pull()

    assert math.isnan(program.backward())


# --- what is no softmax stays as it is ---


def passed(root, inputs=()):
    """The tape before and after the pass."""
    tape = record(root, inputs)[0]
    for change in (drop_zeros, fold_constants, share_rows, drop_dead):
        tape = change(tape)
    return tape, stabilize_softmax(tape)


A, B, C, W = [Value(0.3), Value(-0.7), Value(1.1), Value(0.4)]
OTHERS = {
    "a sum of exponentials": lambda: A.exp() + B.exp() + C.exp(),
    "one exponential": lambda: (A.exp() / A.exp()).log(),
    "weights": lambda: (A.exp() * W + B.exp() * 2.0).log(),
    "a number added": lambda: A.exp() / (A.exp() + B.exp() + 1e-9),
    "one subtracted": lambda: (A.exp() - B.exp() + C.exp()).log(),
    "a member missing": lambda: C.exp() / (A.exp() + B.exp()),
    "another shift": lambda: (A - W).exp() / ((A - C).exp() + (B - C).exp()),
    "something else above": lambda: A.tanh() / (A.exp() + B.exp()),
    "another power": lambda: A.exp() * (A.exp() + B.exp()) ** -2,
    "2 in place of 1": lambda: A.exp() * (2.0 / (A.exp() + B.exp())),
    "powers of another number": lambda: (2.0**A) / (2.0**A + 2.0**B),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_a_softmax_stays(name):
    """Not a slot is changed."""
    before, after = passed(OTHERS[name]() * 1.5)

    assert str(after) == str(before)


def test_different_shifts_belong_to_the_logits():
    """exp(a - u) and exp(b - v) are exponentials of two differences."""
    root = ((A - W).exp() + (B - C).exp()).log()
    root.backward()

    program = compile_graph(root)

    assert program.backward() == pytest.approx(root.data, rel=1e-14)
    assert list(program.gradient) == pytest.approx([v.grad for v in program.parameters], rel=1e-13)


def test_the_result_of_the_pass_is_left_alone_by_it():
    """For every way of writing."""
    for loss in LOSSES.values():
        _, once = passed(loss([A, B, C, W], 2))
        assert str(stabilize_softmax(once)) == str(once)


# --- constants that were taken for one ---


def shifted_by(numbers):
    """-log softmax, each logit minus a constant of its own."""
    e = [(v - x).exp() for v, x in zip((A, B, C), numbers, strict=True)]
    return -(e[0] / sum(e)).log()


def test_another_graph_may_have_another_shift_but_one_for_all(target):
    """As another minibatch has. Where the constants differ, the program stays with the last one."""
    program = compile_graph(shifted_by([0.5] * 3), target=target)
    other, wrong = shifted_by([0.7] * 3), shifted_by([0.5, 0.5, 0.6])

    program.rebind(other)
    assert program.forward() == pytest.approx(other.data, rel=1e-14)
    with pytest.raises(StaleGraphError, match=r"two constants are 0.6 and 0.5 now"):
        program.rebind(wrong)
    assert program.forward() == pytest.approx(other.data, rel=1e-14)
    assert compile_graph(wrong, target=target).forward() == pytest.approx(wrong.data, rel=1e-14)


def test_pull_refuses_constants_that_differ_now(target):
    """They have left the program, since they cancel only if they are equal."""
    shifts = [Value(0.5).detach() for _ in range(3)]
    program = compile_graph(shifted_by(shifts), target=target)
    value = program.forward()

    for constant in shifts:
        constant.data = 0.9
    program.pull()
    assert program.forward() == pytest.approx(value, rel=1e-14)
    shifts[1].data = 0.5
    with pytest.raises(StaleGraphError, match="were equal when the graph was compiled"):
        program.pull()


@pytest.mark.parametrize("power", [False, True])
def test_pull_refuses_another_number_above_the_sum(power, target):
    """The 1 of 1 / sum and the -1 of sum ** -1 are part of the code."""
    number, e = Value(-1.0 if power else 1.0).detach(), [A.exp(), B.exp()]
    program = compile_graph(e[0] * (sum(e) ** number if power else number / sum(e)), target=target)

    number.data = 2.0
    with pytest.raises(StaleGraphError, match=r"a constant is 2 now, and was -?1 when"):
        program.pull()


# --- inside networks ---


def attention(rng, shift, quotient):
    """Random heads in a row, each with a softmax of its own way, and a cross entropy at the end."""
    positions, width = rng.randint(2, 5), rng.randint(2, 4)
    leaves = [Value(rng.uniform(-1.0, 1.0)) for _ in range(positions * width)]
    xs = [leaves[i : i + width] for i in range(0, len(leaves), width)]
    for _ in range(rng.randint(1, 2)):
        scores = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in xs] for x in xs]
        shares = []
        for row in scores:
            _, e, s = parts(row, shift)
            shares.append([QUOTIENTS[quotient](x, s) for x in e])
        xs = [
            [sum(p * y[c] for p, y in zip(ps, xs, strict=True)) for c in range(width)]
            for ps in shares
        ]
    entropy = sum(p * p.log() for p in shares[0])
    return sum(cross_entropy(x, 0) for x in xs) + entropy + logsumexp([x[0] for x in xs])


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("quotient", QUOTIENTS)
def test_attention_is_what_was_written(shift, quotient, target):
    """Probabilities, their logarithms and logsumexp of the same logits, in random networks."""
    for seed in range(3):
        root = attention(Random(seed), shift, quotient)
        root.backward()
        program = compile_graph(root, target=target)

        assert program.backward() == pytest.approx(root.data, rel=1e-12)
        slopes = [v.grad for v in program.parameters]
        assert list(program.gradient) == pytest.approx(slopes, rel=1e-10, abs=1e-12)


def mixture(rng, leaves):
    """Sums of exponentials with all kinds of shifts, their quotients and their logarithms.

    Some are softmaxes, some are not; pieces of one meet pieces of another.
    """
    pool, made = [*leaves, leaves[0] * leaves[-1]], []
    for _ in range(rng.randint(2, 6)):
        z = rng.choices(pool, k=rng.randint(2, 4))
        k, shift = rng.randrange(len(z)), rng.choice([*SHIFTS, "of the pool"])
        if shift == "of the pool":
            m = rng.choice([*pool, 0.5])
            x = [v - m if rng.random() < 0.7 else v + m for v in z]
            e = [v.exp() for v in x]
            s = sum(e)
        else:
            x, e, s = parts(z, shift)
        e_k, s = rng.choice([*e, pool[0].exp()]), s + e[0] if rng.random() < 0.2 else s
        made += rng.choice(
            [
                [e_k / s],
                [e_k * (1.0 / s), s],
                [s.log() - x[k], x[k]],
                [s.log(), s.log() + z[k] - x[k]],
                [(e_k / s).log(), s**-1.0],
                [(1.0 / s).log() + e_k.log(), -s.log()],
            ]
        )
        pool.append(rng.choice(made).tanh())
    return sum(rng.sample(made, rng.randint(1, len(made))), rng.choice([*pool, 1.0]))


@pytest.mark.parametrize("total", ["mean", "sum"])
def test_random_mixtures_are_what_was_written(target, total, monkeypatch):
    """Over rows of data, as without the pass; what is added once is not added for each row."""
    rng = Random(total)
    for _ in range(40):
        inputs = [Value(rng.uniform(-1.0, 1.0)) for _ in range(2)]
        weights = [Value(rng.uniform(-1.0, 1.0)) for _ in range(3)]
        root = mixture(rng, weights + inputs) + weights[0] * inputs[0]
        rows = [[rng.uniform(-1.0, 1.0) for _ in inputs] for _ in range(3)]
        programs = [compile_graph(root, inputs, target=target, reduce=total)]
        with monkeypatch.context() as without:
            without.setattr(
                program, "PASSES", [x for x in program.PASSES if x is not stabilize_softmax]
            )
            programs.append(compile_graph(root, inputs, target=target, reduce=total))

        assert programs[0].backward(rows) == pytest.approx(programs[1].backward(rows), rel=1e-11)
        one, other = (dict(zip(it.parameters, it.gradient, strict=True)) for it in programs)
        assert [*map(one.get, weights)] == pytest.approx([*map(other.get, weights)], abs=1e-10)


def test_a_sum_of_many_exponentials_takes_time_in_proportion():
    """Twenty thousand classes."""
    z = [Value(1e-4 * i) for i in range(20_000)]
    _, tape = passed(reduce(lambda a, b: a + b, [v.exp() for v in z]).log() - z[5])

    assert tape.ops[-1].name == "sub"
    assert len(tape) < 6 * len(z)
