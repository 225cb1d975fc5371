"""The NumPy that is written for a plan."""

from tests.tapes import NETWORK, planned
from tinygrad_edu.compiler.numpy_backend import source_of
from tinygrad_edu.compiler.numpy_code import code_of


def test_the_numpy_code_of_a_layer():
    """Written in place, the gradient of the weights by one product."""
    code = code_of(planned(NETWORK))

    assert source_of(code).split("\n\n") == [
        "def forward():\n"
        "    matmul(v1, v2, out=v0)\n"
        "    maximum(v0, 0.0, out=v3)\n"
        "    multiply(v5, v6, out=v4)",
        "def backward():\n"
        "    multiply(d7, v6, out=d8)\n"
        "    multiply(d7, v5, out=d9)\n"
        "    greater(v0, 0.0, out=t12)\n"
        "    gate(t12, d10, out=d11)\n"
        "    matmul(d11, v2.swapaxes(-1, -2), out=d13)\n",
    ]


def test_scattered_numbers_are_collected_and_their_gradients_scattered():
    """exp of %0, %1, %2 gives them places 0 to 2; their products in another order need a table."""
    leaves = [f"%{i} = parameter" for i in range(3)]
    exps = [f"%{i + 3} = exp %{i}" for i in range(3)]
    products = ["%6 = mul %3 %4", "%7 = mul %4 %3", "%8 = mul %5 %4"]
    text = [*leaves, *exps, *products, "%9 = mul %6 %7", "%10 = mul %8 %9", "return %10"]

    code = code_of(planned("\n".join(text)))

    assert [line for line in code.forward if line.startswith("take(u, ")]
    assert [line for line in code.backward if "reduceat" in line]
    assert any(name.startswith("order") for name in code.tables)


def test_a_gradient_that_is_written_in_part_first_starts_at_zero():
    """sin gives %0 alone a gradient, exp adds to those of %0 and %1: that of %1 starts at 0."""
    text = (
        "%0 = parameter\n%1 = parameter\n%2 = exp %0\n%3 = exp %1\n%4 = mul %2 %3\n"
        "%5 = sin %0\n%6 = mul %4 %5\nreturn %6"
    )

    code = code_of(planned(text))

    assert code.backward[0] == "du[zero_u] = 0.0"
    assert code.tables["zero_u"].tolist() == [1]
