"""The kernels of C beside NumPy: any shape, any steps, any numbers, in registers of any width."""

import ctypes
import importlib.util
import math
import shutil
import sys
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.c_compiler import SANITIZED, built, needs_cc, printed
from tinygrad_edu.compiler import c_library
from tinygrad_edu.compiler.c_writer import HEADER, KERNELS

pytestmark = [pytest.mark.slow, needs_cc]
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 31, 32, 33, 40, 64, 65)
DEPTHS = (1, 2, 7, 8, 9, 16, 17, 255, 256, 257, 300, 513)
SPOILT = (math.nan, math.inf, -math.inf)
COMPILERS = {
    "cc": lambda: (shutil.which("cc"),),
    "clang": lambda: (shutil.which("clang"),),
    "ziglang": lambda: (
        sys.executable if importlib.util.find_spec("ziglang") else None,
        "-m",
        "ziglang",
        "cc",
    ),
}
FLAGS = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
WIDTHS = {
    "": "",
    "sse2": "-march=x86-64",
    "avx2": "-march=haswell",
    "avx512f": "-march=skylake-avx512",
}
NUMBERS, LONG, NUMBER = ctypes.c_void_p, ctypes.c_long, ctypes.c_double


@cache
def kernels_by(compiler, width):
    """The kernels as a library that everybody can call."""
    command = COMPILERS[compiler]()
    if command[0] is None:
        pytest.skip(f"{compiler} is not installed")
    if width and width not in FLAGS:
        pytest.skip(f"this processor has no {width}")
    found, c_library.compiler = c_library.compiler, lambda: command
    try:
        flags = ["-O3", "-shared", "-DFUNCTION=", *filter(None, [WIDTHS[width]])]
        loaded = ctypes.CDLL(str(c_library.made(HEADER + KERNELS, ".so", flags, ["-lm"])))
    finally:
        c_library.compiler = found
    steps = (NUMBERS, LONG, LONG)
    loaded.product.argtypes = (LONG, LONG, LONG, *steps, *steps, *steps, NUMBER, ctypes.c_int)
    loaded.product.restype = None
    loaded.sum.argtypes, loaded.dot.argtypes = (LONG, NUMBERS, LONG), (LONG, *(NUMBERS, LONG) * 2)
    loaded.sum.restype = loaded.dot.restype = NUMBER
    return loaded


@pytest.fixture(
    params=[("cc", width) for width in WIDTHS] + [("clang", ""), ("ziglang", "")],
    ids=lambda pair: " ".join(filter(None, pair)),
)
def kernels(request):
    """The kernels by each compiler, and by the first one in registers of each width."""
    return kernels_by(*request.param)


def spread(rng, rows, columns):
    """A matrix of numbers that lie anywhere: rows or columns side by side, or neither; in nans."""
    near, far = rng.choice([(1, 0), (1, 3), (2, 1), (3, 0)])
    if rng.random() < 0.5:
        near, far = near, near * columns + far
        strides = far, near
    else:
        near, far = near, near * rows + far
        strides = near, far
    first = rng.randrange(5)
    room = np.full(first + 1 + strides[0] * rows + strides[1] * columns, np.nan)
    matrix = np.lib.stride_tricks.as_strided(
        room[first:], (rows, columns), [8 * stride for stride in strides]
    )
    matrix[...] = np.random.default_rng(rng.randrange(1 << 30)).normal(size=(rows, columns))
    return matrix, room


def multiply(kernels, a, b, c, sign, add):
    """Call ``product`` on these matrices."""
    steps = [[stride // 8 for stride in matrix.strides] for matrix in (a, b, c)]
    (m, depth), n = a.shape, b.shape[1]
    a_row, a_step = steps[0]
    b_step, b_column = steps[1]
    kernels.product(
        *(m, n, depth),
        *(a.ctypes.data, a_row, a_step),
        *(b.ctypes.data, b_column, b_step),
        *(c.ctypes.data, *steps[2]),
        *(float(sign), int(add)),
    )


def case(rng):
    """Matrices of some shape, a sign, and whether to add."""
    m, n, depth = rng.choice(SIZES), rng.choice(SIZES), rng.choice(DEPTHS[: rng.choice((5, 12))])
    return spread(rng, m, depth), spread(rng, depth, n), spread(rng, m, n), rng.choice((1, -1))


@pytest.mark.parametrize("add", [False, True])
def test_a_product_is_numpys(kernels, add):
    """Shapes around the sizes of registers and tiles; what lies between its numbers stays nan."""
    rng = Random(add)
    for _ in range(250):
        (a, _), (b, _), (c, room), sign = case(rng)
        expected = sign * (a @ b) + (c if add else 0.0)
        size = abs(a) @ abs(b) + abs(c)
        filled = np.isnan(room).sum()

        multiply(kernels, a, b, c, sign, add)

        assert (abs(c - expected) <= 1e-14 * size).all(), (a.shape, b.shape, a.strides, b.strides)
        assert np.isnan(room).sum() == filled


@pytest.mark.parametrize("add", [False, True])
def test_what_is_not_finite_does_not_spread(kernels, add):
    """It is in its row or column alone, also where others are padded with zeros."""
    rng = Random(add)
    for _ in range(250):
        (a, _), (b, _), (c, _), sign = case(rng)
        spoilt = rng.choice((a, b, *[c] * add))
        spoilt[rng.randrange(len(spoilt)), rng.randrange(spoilt.shape[1])] = rng.choice(SPOILT)
        b[rng.randrange(len(b)), rng.randrange(b.shape[1])] = 0.0
        with np.errstate(all="ignore"):
            terms = a[:, :, None] * b[None]
            expected = sign * terms.sum(axis=1) + (c if add else 0.0)
        before = c.copy()

        multiply(kernels, a, b, c, sign, add)

        np.testing.assert_allclose(c, expected, rtol=1e-9, atol=1e-9, err_msg=f"{before}")


def test_a_product_of_nothing_changes_nothing(kernels):
    """Neither rows nor columns."""
    numbers = np.arange(12.0)
    for shapes in ((0, 3, 2), (3, 0, 2), (0, 0, 2)):
        m, n, depth = shapes
        a, b = numbers[: m * depth].reshape(m, depth), numbers[: depth * n].reshape(depth, n)
        c = np.full((m, n), 7.0)
        multiply(kernels, a, b, c, 1, False)
        assert (c == 7.0).all()


LENGTHS = (*range(70), 127, 128, 129, 1000)


@pytest.mark.parametrize("step", [1, 2, 7])
def test_a_sum_is_that_of_so_many_numbers(kernels, step):
    """Any number of them, none among them; those beyond the last are not read."""
    rng = np.random.default_rng(step)
    for length in LENGTHS:
        x = np.full(length * step + 1, np.nan)
        x[: length * step : step] = rng.normal(size=length)
        some = x[: length * step : step].tolist()

        found = kernels.sum(length, x.ctypes.data, step)

        assert abs(found - math.fsum(some)) <= 1e-15 * math.fsum(map(abs, some))


@pytest.mark.parametrize("steps", [(1, 1), (1, 3), (2, 1), (2, 5)])
def test_a_dot_is_that_of_so_many_pairs(kernels, steps):
    """The same for products of pairs."""
    rng = np.random.default_rng(steps)
    for length in LENGTHS:
        rooms = [np.full(length * step + 1, np.nan) for step in steps]
        x, y = (room[: length * step : step] for room, step in zip(rooms, steps, strict=True))
        x[:], y[:] = rng.normal(size=(2, length))
        terms = (x * y).tolist()

        found = kernels.dot(length, rooms[0].ctypes.data, steps[0], rooms[1].ctypes.data, steps[1])

        assert abs(found - math.fsum(terms)) <= 1e-14 * math.fsum(map(abs, terms))


@pytest.mark.parametrize("spoilt", SPOILT)
def test_sums_keep_what_is_not_finite(kernels, spoilt):
    """Wherever it is; infinities of both signs are nan."""
    for length in (1, 3, 8, 33, 64, 70):
        for at in {0, length // 2, length - 1}:
            x, ones = np.ones(length), np.ones(length)
            x[at] = spoilt
            both = (
                kernels.sum(length, x.ctypes.data, 1),
                kernels.dot(length, x.ctypes.data, 1, ones.ctypes.data, 1),
            )
            np.testing.assert_equal(both, (spoilt, spoilt))
            if length > 1 and math.isinf(spoilt):
                x[at - 1] = -spoilt
                assert math.isnan(kernels.sum(length, x.ctypes.data, 1))


def test_infinity_times_zero_is_nan(kernels):
    """No flag takes it for 0."""
    x, y = np.full(5, np.inf), np.zeros(5)

    assert math.isnan(kernels.dot(5, x.ctypes.data, 1, y.ctypes.data, 1))


EXACT_ROOM = """
static double *numbers(long count)
{
    double *x = malloc(count * sizeof *x);
    for (long k = 0; k < count; k++)
        x[k] = (double)((k * 7919) % 101 - 50);
    return x;
}

int main(void)
{
    const long sizes[] = {1, 2, 3, LANES, LANES + 1, 2 * WIDE * LANES - 1};
    const long depths[] = {1, 9, DEEP + 3};
    for (int at = 0; at < 6 * 6 * 3 * 8; at++) {
        long m = sizes[at % 6], n = sizes[at / 6 % 6], depth = depths[at / 36 % 3];
        long turned = at / 108;
        double *a = numbers(m * depth), *b = numbers(depth * n), *c = numbers(m * n);
        long a_row = turned & 1 ? 1 : depth, a_step = turned & 1 ? m : 1;
        long b_column = turned & 2 ? depth : 1, b_step = turned & 2 ? 1 : n;
        long c_row = turned & 4 ? 1 : n, c_column = turned & 4 ? m : 1;
        product(m, n, depth, a, a_row, a_step, b, b_column, b_step, c, c_row, c_column, 1.0, 0);
        for (long row = 0; row < m; row++)
            for (long column = 0; column < n; column++) {
                const double *x = a + row * a_row, *y = b + column * b_column;
                if (c[row * c_row + column * c_column] != dot(depth, x, a_step, y, b_step))
                    return 1;
            }
        free(a), free(b), free(c);
    }
    puts("right");
    return 0;
}
"""


@pytest.mark.parametrize(
    "width", [pytest.param(width, marks=[pytest.mark.slow] * bool(width)) for width in WIDTHS]
)
def test_nothing_is_read_or_written_beside_the_numbers(width, tmp_path):
    """Matrices that end where their memory ends, under the eyes of sanitizers; whole numbers."""
    if width and width not in FLAGS:
        pytest.skip(f"this processor has no {width}")
    text = f"#include <stdio.h>\n{HEADER}{KERNELS}{EXACT_ROOM}"

    step = built(text, tmp_path, [*SANITIZED, *filter(None, [WIDTHS[width]])])

    assert printed(step) == ["right"]
