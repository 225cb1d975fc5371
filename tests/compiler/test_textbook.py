"""The lines of textbooks appear by themselves, however softmax and cross entropy are written."""

from random import Random

import pytest

from tests.compiler.test_equations import differences
from tinygrad_edu import Value, compile_graph, nn
from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.compiler import recording
from tinygrad_edu.engine.errors import StaleGraphError


def powers(logits, shift=0.0):
    """e to each logit, and the sum."""
    found = [(z - shift).exp() if shift else z.exp() for z in logits]
    return found, sum(found[1:], found[0])


def of_plain(logits, target):
    """-log of a probability."""
    found, total = powers(logits)
    return -(found[target] / total).log()


def of_shifted(logits, target):
    """The same, shifted by the largest number."""
    found, total = powers(logits, max(z.data for z in logits))
    return -(found[target] / total).log()


def of_logsumexp(logits, target):
    """log Σ e^z - z of the target."""
    return powers(logits)[1].log() - logits[target]


def of_negative_first(logits, target):
    """-z of the target + log Σ e^z, in which the sign is changed before there is a power."""
    return -logits[target] + powers(logits)[1].log()


def of_inverse(logits, target):
    """With one division for all classes."""
    found, total = powers(logits)
    return -(found[target] * (1.0 / total)).log()


def of_all_classes(logits, target):
    """-Σ t log y with constants t."""
    found, total = powers(logits)
    return -sum(float(k == target) * (p / total).log() for k, p in enumerate(found))


def of_log_softmax(logits, target):
    """By the function of nn."""
    return -nn.log_softmax(logits)[target]


WAYS = [
    of_plain,
    of_shifted,
    of_logsumexp,
    of_negative_first,
    of_inverse,
    of_all_classes,
    of_log_softmax,
]
WAYS.append(nn.cross_entropy)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_the_lines_of_das_and_varma_appear_for_one_sample(way, classes):
    """Y = softmax(A), L = −Σ T ⊙ log Y, ΔA = Y − T."""
    model = nn.MLP(3, [4, classes], rng=Random(0))
    x = [Value(number) for number in (0.5, -0.25, 1.0)]
    program = compile_graph(way(model(x), classes - 1), x, reduce="sum")

    lines = [*program.equations.forward, *program.equations.backward]

    assert lines[2:4] == ["A2 = Z1 W2ᵀ + b2", "Y = softmax(A2)"]
    assert {"L = −Σ T ⊙ log Y", "ΔA2 = Y − T", "∂L/∂W2 = ΔA2ᵀ Z1"} < {*lines}
    assert max(differences(program, [[0.5, -0.25, 1.0], [2.0, 0.0, -1.0]])) < 1e-12


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_they_appear_for_a_batch(way, classes):
    """As one graph; T is one-hot, and the loss is the sum of the samples' losses."""
    rng = Random(1)
    model = nn.MLP(3, [4, classes], rng=Random(0))
    losses = [way(model([rng.random() for _ in range(3)]), i % classes) for i in range(7)]
    program = compile_graph(sum(losses[1:], losses[0]))

    equations = program.equations

    lines = {*equations.forward, *equations.backward}
    assert {"Y = softmax(A2)", "L = −Σ T ⊙ log Y", "ΔA2 = Y − T"} < lines
    assert max(differences(program)) < 1e-12


def by_hand(rows, classes, rng):
    """Logits of a network that a learner writes by hand, of rows of plain floats."""
    w1 = [[Value(rng.uniform(-1.0, 1.0), f"W1[{i}][{j}]") for j in range(2)] for i in range(4)]
    w2 = [
        [Value(rng.uniform(-1.0, 1.0), f"W2[{i}][{j}]") for j in range(4)] for i in range(classes)
    ]
    b1 = [Value(rng.uniform(-1.0, 1.0), "b1") for _ in w1]
    b2 = [Value(rng.uniform(-1.0, 1.0), "b2") for _ in w2]

    def layer(weights, biases, x):
        sums = [sum(w * v for w, v in zip(row, x, strict=True)) for row in weights]
        return [s + b for s, b in zip(sums, biases, strict=True)]

    return [layer(w2, b2, [v.tanh() for v in layer(w1, b1, row)]) for row in rows]


@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("samples", [1, 2, 5, 12])
def test_they_appear_for_plain_floats(classes, samples):
    """Each row of weights makes constants of its own of a sample, which are seen to be the same."""
    rng = Random(samples)
    rows = [[rng.uniform(-1.0, 1.0) for _ in range(2)] for _ in range(samples)]
    losses = [of_plain(z, i % classes) for i, z in enumerate(by_hand(rows, classes, rng))]
    program = compile_graph(sum(losses[1:], losses[0]))

    equations = program.equations

    assert equations.forward[0] == "A1 = X W1ᵀ + b1"
    lines = {*equations.forward, *equations.backward}
    assert {"Y = softmax(A2)", "L = −Σ T ⊙ log Y", "ΔA2 = Y − T"} < lines
    assert {*program.matrices} == {"W1", "W2", "b1", "b2"}
    assert max(differences(program)) < 1e-12


def test_a_program_of_plain_floats_takes_other_floats():
    """Of the next minibatch, which is as long; not if two constants are no longer one number."""

    def loss(rows):
        return sum(z * z for out in by_hand(rows, 2, Random(0)) for z in out)

    program = compile_graph(loss([[0.5, 1.0], [2.0, -1.0]]), target="numpy")
    other = loss([[0.25, 3.0], [3.0, 0.25]])
    program.rebind(other)
    assert program.backward() == pytest.approx(other.data, rel=1e-12)

    twice = compile_graph(loss([[0.5, 1.0], [0.5, 1.0]]))
    with pytest.raises(StaleGraphError, match="one number of a sample"):
        twice.rebind(other)


def test_they_appear_with_targets_for_each_row():
    """n is the number of rows, over which the mean is taken."""
    model = nn.MLP(2, [3, 3], rng=Random(0))
    x, t = [Value(0.0) for _ in range(2)], [Value(float(k == 0)) for k in range(3)]
    with recording():
        loss = nn.cross_entropy(model(x), t)

    equations = compile_graph(loss, [*x, *t]).equations

    lines = {*equations.forward, *equations.backward}
    assert {"Y = softmax(A2)", "L = −Σ T ⊙ log Y / n", "ΔA2 = (Y − T) / n"} < lines
    assert {"ΔA2 = Y − T"} < {*network_equations(model, nn.cross_entropy, [0.5, 1.0], 0).backward}


def test_an_attention_head_is_that_of_the_paper():
    """Q Kᵀ, its softmax over the keys, times V; the learner's names are kept."""
    rng = Random(0)

    def matrix(name):
        return [[Value(rng.uniform(-1.0, 1.0), name) for _ in range(3)] for _ in range(2)]

    weights = {name: matrix(name) for name in ("Wq", "Wk", "Wv")}
    rows = [[Value(rng.random()).detach() for _ in range(3)] for _ in range(4)]
    q, k, v = (
        [[sum(w * x for w, x in zip(line, row, strict=True)) for line in m] for row in rows]
        for m in weights.values()
    )
    out = []
    for query in q:
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) * 0.5 for key in k]
        found, total = powers(scores)
        for j in range(2):
            out.append(sum(p / total * value[j] for p, value in zip(found, v, strict=True)))
    program = compile_graph(sum(o * o for o in out))

    assert program.equations.forward == (
        "A1 = X Wqᵀ",
        "A2 = X Wkᵀ",
        "A3 = A1 A2ᵀ",
        "Z1 = 0.5 A3",
        "Y = softmax(Z1)",
        "A4 = X Wvᵀ",
        "A5 = Y A4",
        "L = Σ A5 ⊙ A5",
    )
    assert max(differences(program)) < 1e-12


def test_targets_that_need_not_sum_to_1_keep_their_sum():
    """With T from the data, the gradient of −Σ T ⊙ log Y is (Σ T) ⊙ Y − T."""
    w = [Value(0.1 * i, "w") for i in range(3)]
    x, t = Value(1.0, "x"), [Value(0.5, "t") for _ in range(3)]
    found, total = powers([v * x for v in w])
    loss = -sum(target * (p / total).log() for target, p in zip(t, found, strict=True))
    program = compile_graph(loss, [x, *t])

    assert "ΔZ1 = ΔY" not in str(program.equations)
    assert max(differences(program, [[1.0, 0.5, 0.5, 0.5], [2.0, 0.0, 3.0, 0.0]])) < 1e-12
