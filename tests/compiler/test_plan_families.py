"""The structure that is found in seventeen families of models, so that it is not lost again."""

import pytest

np = pytest.importorskip("numpy")

from benchmarks.families import FAMILIES, Ours, by_hand  # noqa: E402

# products of matrices, and instructions at most
FOUND = {
    "MLP": (3, 13),
    "CNN as loops": (2, 12),
    "LSTM": (11, 71),
    "GRU": (20, 95),
    "autoencoder, tied weights": (2, 9),
    "embeddings": (2, 8),
    "graph network": (2, 10),
    "attention": (11, 40),
    "matrix factorisation": (11, 25),
    "Siamese": (2, 15),
    "mixture of experts": (2, 11),
    "RBF": (1, 10),
    "Hopfield": (1, 3),
    "bilinear": (1, 5),
    "factorisation machine": (3, 12),
    "neural ODE": (80, 314),
    "CRF": (2, 38),
}
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@families
def test_a_family_is_found_as_matrices_and_keeps_its_numbers(family):
    """As many products and instructions as today; loss and gradient of the graph to 1e-12."""
    ours = Ours(family)
    eager = ours.loss
    eager.backward()

    program = ours.program
    loss = program.backward(None if family.X is None else family.X[:1])

    products, instructions = FOUND[family.name]
    assert program.stats["matrix_products"] == products
    assert program.stats["instructions"] <= instructions
    assert loss == pytest.approx(eager.data, rel=1e-12)
    slopes = np.array([p.grad for p in program.parameters])
    atol = 1e-12 * abs(slopes).max()
    np.testing.assert_allclose(program.gradient, slopes, rtol=1e-12, atol=atol)


@families
def test_what_is_written_by_hand_is_what_a_learner_writes(family):
    """The reference of the benchmark: loss and slopes of all rows, to 1e-12."""
    ours = Ours(family)

    loss, _ = ours()

    expected, slopes = by_hand(family)()
    assert loss == pytest.approx(expected, rel=1e-12)
    largest = max(abs(slope).max() for slope in slopes.values())
    for name, slope in ours.slopes().items():
        np.testing.assert_allclose(
            slope, slopes[name], rtol=1e-12, atol=1e-12 * largest, err_msg=name
        )
