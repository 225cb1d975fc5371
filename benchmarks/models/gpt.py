"""The course's GPT in NumPy: a training step with every derivative worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from benchmarks.models.parts import Array
from tinygrad_edu.course.gpt import GPT, LETTERS, encode
from tinygrad_edu.nn import Layer
from tinygrad_edu.train import Adam

EPSILON = 1e-5  # beside a mean square, as in ``rms_norm`` of the course


class ByHand:
    """A GPT and its Adam as arrays, from the weights and the settings of the course's.

    Names are encoded once, before training; a step gets their indices in ``names``. Places of a
    batch are columns of one matrix wherever letters do not look back: so sums and biases run along
    long rows, which takes NumPy a tenth less time than one row per place. Only as many places are
    computed as the longest name of the batch has. All weights lie in one array, as do all slopes.
    """

    def __init__(self, model: GPT, optimizer: Adam, names: Sequence[str]) -> None:
        self.heads, self.adam, self.steps = model.blocks[0].attention.heads, optimizer, 0
        self.letters = np.zeros((len(names), model.context), int)
        self.targets = np.zeros_like(self.letters)
        self.lengths = np.array([len(name) + 1 for name in names])
        for row, name in enumerate(names):
            numbers = encode(name)
            self.letters[row, : len(name) + 1] = numbers[:-1]
            self.targets[row, : len(name) + 1] = numbers[1:]
        there = np.arange(model.context) < self.lengths[:, None]
        self.shares = there / self.lengths[:, None]  # of each place in the loss of its name
        self.ones = np.eye(len(LETTERS))
        self.future = np.tril(np.full((model.context, model.context), -np.inf), -1)
        parts = [_numbers(model.letters).T, _numbers(model.places).T]
        for block in model.blocks:
            look = block.attention
            parts += _layers(look.query, look.key, look.value)  # one product for all three
            parts += [*_layers(look.mix), *_layers(block.wide), *_layers(block.narrow)]
        parts += _layers(model.scores)
        self.weights = np.concatenate([part.ravel() for part in parts])
        self.slopes = np.zeros_like(self.weights)
        self.mean, self.square = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.w, self.d = ([*_split(flat, parts)] for flat in (self.weights, self.slopes))

    def step(self, rows: Array) -> float:
        """Change the weights once against the gradient of the mean loss; return that loss."""
        loss = self.backward(rows)
        self.update()
        return loss

    def backward(self, rows: Array) -> float:
        """Leave the slopes of the mean loss of these names in ``slopes``; return the loss."""
        count, places = len(rows), int(self.lengths[rows].max())
        letters, targets, shares = (
            table[rows, :places].T.ravel() for table in (self.letters, self.targets, self.shares)
        )
        shares *= 1.0 / count
        w, d, n = self.w, self.d, len(letters)
        ones = self.ones[:, letters]
        x = w[0] @ ones
        by_place = x.reshape(-1, places, count)
        by_place += w[1][:, :places, None]
        first = _normed(x)
        x = first[0]
        kept = []
        for at in range(2, len(w) - 2, 8):
            x, found = self.block(x, w[at : at + 8], places)
            kept.append(found)
        z = _layer(x, *w[-2:])
        z -= z.max(0)
        right = targets, np.arange(n)
        chosen = z[right]
        e = np.exp(z, out=z)
        total = e.sum(0)
        loss = float(shares @ (np.log(total) - chosen))

        e *= shares / total
        e[right] -= shares
        dx = _layer_back(e, x, w[-2], d[-2:])
        for at in range(len(w) - 10, 1, -8):
            dx = self.block_back(dx, kept.pop(), w[at : at + 8], d[at : at + 8])
        dx = _normed_back(dx, *first)
        np.matmul(dx, ones.T, out=d[0])
        d[1][:, places:] = 0.0
        dx.reshape(-1, places, count).sum(2, out=d[1][:, :places])
        return loss

    def block(self, x: Array, w: Sequence[Array], places: int) -> tuple[Array, Any]:
        """Look back, then two layers; return the output, and what the derivatives need."""
        h, r = _normed(x)
        q, k, v = _layer(h, *w[:2]).reshape(3, self.heads, -1, places, x.shape[1] // places)
        q *= 1.0 / sqrt(q.shape[1])
        shares = np.einsum("hdqn,hdkn->hkqn", q, k)
        shares += self.future[:places, :places, None]
        shares -= shares.max(1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(1, keepdims=True)
        found = np.einsum("hkqn,hdkn->hdqn", shares, v).reshape(x.shape)
        y = _layer(found, *w[2:4])
        y += x
        normed, s = _normed(y)
        wide = _layer(normed, *w[4:6])
        np.maximum(wide, 0.0, out=wide)
        out = _layer(wide, *w[6:8])
        out += y
        return out, (h, r, q, k, v, shares, found, normed, s, wide)

    def block_back(self, dx: Array, kept: Any, w: Sequence[Array], d: Sequence[Array]) -> Array:
        """Return the slopes by the input of a block, and leave those by its weights in ``d``."""
        h, r, q, k, v, shares, found, normed, s, wide = kept
        d_wide = _layer_back(dx, wide, w[6], d[6:8])
        d_wide *= wide > 0.0
        dy = _normed_back(_layer_back(d_wide, normed, w[4], d[4:6]), normed, s)
        dy += dx
        d_found = _layer_back(dy, found, w[2], d[2:4]).reshape(q.shape)
        d_qkv = np.empty((3, *q.shape))
        dq, dk, dv = d_qkv
        np.einsum("hkqn,hdqn->hdkn", shares, d_found, out=dv)
        d_scores = np.einsum("hdqn,hdkn->hkqn", d_found, v)
        d_scores -= (d_scores * shares).sum(1, keepdims=True)
        d_scores *= shares
        np.einsum("hkqn,hdkn->hdqn", d_scores, k, out=dq)
        dq *= 1.0 / sqrt(q.shape[1])
        np.einsum("hkqn,hdqn->hdkn", d_scores, q, out=dk)
        d_qkv = d_qkv.reshape(-1, dx.shape[1])
        dh = _normed_back(_layer_back(d_qkv, h, w[0], d[0:2]), h, r)
        dh += dy
        return dh

    def update(self) -> None:
        """Make the step of Adam, with the rate that the schedule has come to."""
        adam, g, mean, square = self.adam, self.slopes, self.mean, self.square
        rate = adam.learning_rate * (adam.schedule(self.steps) if adam.schedule else 1.0)
        self.steps += 1
        mean *= adam.beta1
        mean += (1.0 - adam.beta1) * g
        square *= adam.beta2
        square += (1.0 - adam.beta2) * (g * g)
        below = np.sqrt(square * (1.0 / (1.0 - adam.beta2**self.steps)))
        below += adam.epsilon
        change = mean * (rate / (1.0 - adam.beta1**self.steps))
        change /= below
        self.weights -= change


def _normed(x: Array) -> tuple[Array, Array]:
    """Divide each column by its root mean square; return what it was multiplied by, too."""
    r = (x * x).sum(0)
    r *= 1.0 / len(x)
    r += EPSILON
    r = 1.0 / np.sqrt(r, out=r)
    return x * r, r


def _normed_back(d: Array, normed: Array, r: Array) -> Array:
    """Return the slopes by the columns that were normed."""
    along = (d * normed).sum(0)
    along *= 1.0 / len(d)
    dx = d - normed * along
    dx *= r
    return dx


def _layer(x: Array, w: Array, b: Array) -> Array:
    """Multiply by the weights of a layer, and add its biases."""
    y = w @ x
    y += b[:, None]
    return y


def _layer_back(d: Array, x: Array, w: Array, slopes: Sequence[Array]) -> Array:
    """Leave the slopes by the weights of a layer; return those by its input."""
    np.matmul(d, x.T, out=slopes[0])
    d.sum(1, out=slopes[1])
    return w.T @ d


def _numbers(table: Sequence[Sequence[Any]]) -> Array:
    """Return the numbers of a table of Values."""
    return np.array([[value.data for value in row] for row in table])


def _layers(*layers: Layer) -> tuple[Array, Array]:
    """Return weights and biases of layers that read the same, one below the other."""
    neurons = [neuron for layer in layers for neuron in layer.neurons]
    return _numbers([neuron.w for neuron in neurons]), np.array([n.b.data for n in neurons])


def _split(flat: Array, parts: Sequence[Array]) -> Any:
    """Cut an array into views of the shapes of these parts."""
    ends = np.cumsum([part.size for part in parts])[:-1]
    return (
        view.reshape(part.shape) for view, part in zip(np.split(flat, ends), parts, strict=True)
    )
