"""Models whose data flows through layers, one sample per row."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.models.parts import ROWS, Array, Slopes, affine, dot, uniform
from tinygrad_edu import exp, maximum
from tinygrad_edu.nn import cross_entropy, softmax


def labelled(features: int, seed: int = 0) -> Array:
    """Draw rows of features, each with a target -1 or 1 at its end."""
    X = uniform(ROWS, features + 1, seed=seed)
    X[:, -1] = np.sign(X[:, -1])
    return X


class Mlp:
    """Two hidden layers, a hinge loss and a penalty on the weights."""

    name = "MLP"
    shapes = {"W1": (16, 2), "b1": (16,), "W2": (16, 16), "b2": (16,), "w3": (16,), "b3": ()}
    X = labelled(2)

    @staticmethod
    def loss(row: Any, W1: Any, b1: Any, W2: Any, b2: Any, w3: Any, b3: Any) -> Any:
        *x, y = row
        h1 = [v.relu() for v in affine(W1, b1, x)]
        h2 = [v.relu() for v in affine(W2, b2, h1)]
        parameters = [p for row in (*W1, *W2, b1, b2, w3, [b3]) for p in row]
        penalty = sum(p * p for p in parameters)
        return (1.0 - y * (dot(w3, h2) + b3)).relu() + 1e-4 * penalty

    @staticmethod
    def by_hand(X: Array, **p: Array) -> tuple[float, Slopes]:
        x, y = X[:, :2], X[:, 2]
        h1 = np.maximum(x @ p["W1"].T + p["b1"], 0.0)
        h2 = np.maximum(h1 @ p["W2"].T + p["b2"], 0.0)
        margin = 1.0 - y * (h2 @ p["w3"] + p["b3"])
        squares = sum(np.vdot(a, a) for a in p.values())
        loss = np.maximum(margin, 0.0).mean() + 1e-4 * squares
        d = -y * (margin > 0.0) / len(X)
        d2 = np.outer(d, p["w3"]) * (h2 > 0.0)
        d1 = d2 @ p["W2"] * (h1 > 0.0)
        slopes = {
            "W1": d1.T @ x,
            "b1": d1.sum(0),
            "W2": d2.T @ h1,
            "b2": d2.sum(0),
            "w3": d @ h2,
            "b3": d.sum(),
        }
        return loss, {name: slope + 2e-4 * p[name] for name, slope in slopes.items()}

    @staticmethod
    def on_arrays(xp: Any, X: Array, **p: Array) -> Array:
        h1 = xp.clip(X[:, :2] @ p["W1"].T + p["b1"], 0.0)
        h2 = xp.clip(h1 @ p["W2"].T + p["b2"], 0.0)
        margin = 1.0 - X[:, 2] * (h2 @ p["w3"] + p["b3"])
        return xp.clip(margin, 0.0).mean() + 1e-4 * sum((a * a).sum() for a in p.values())


class Convolution:
    """A layer of 3×3 filters, the largest of each 2×2 square, and a dense layer of classes."""

    name = "CNN as loops"
    shapes = {"K": (4, 9), "k": (4,), "W": (5, 36), "b": (5,)}
    X = np.hstack([uniform(ROWS, 64), np.eye(5)[np.arange(ROWS) % 5]])

    @staticmethod
    def loss(row: Any, K: Any, k: Any, W: Any, b: Any) -> Any:
        image, target = [row[8 * i : 8 * i + 8] for i in range(8)], row[64:]
        pooled = []
        for kernel, bias in zip(K, k, strict=True):
            maps = []
            for i in range(6):
                line = []
                for j in range(6):
                    total = bias
                    for di in range(3):
                        for dj in range(3):
                            total = total + kernel[3 * di + dj] * image[i + di][j + dj]
                    line.append(total.relu())
                maps.append(line)
            for i in range(0, 6, 2):
                for j in range(0, 6, 2):
                    top = maximum(maps[i][j], maps[i][j + 1])
                    pooled.append(maximum(top, maximum(maps[i + 1][j], maps[i + 1][j + 1])))
        return cross_entropy(affine(W, b, pooled), target)

    @staticmethod
    def by_hand(X: Array, K: Array, k: Array, W: Array, b: Array) -> tuple[float, Slopes]:
        n, T = len(X), X[:, 64:]
        image = X[:, :64].reshape(n, 8, 8)
        windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (1, 2))
        patches = windows.reshape(n * 36, 9)
        maps = np.maximum(patches @ K.T + k, 0.0).reshape(n, 3, 2, 3, 2, 4)
        pooled = maps.max((2, 4))
        flat = pooled.transpose(0, 3, 1, 2).reshape(n, 36)
        z = flat @ W.T + b
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total)[:, 0] - (z * T).sum(1)).mean()
        d = (e / total - T) / n
        d_pooled = (d @ W).reshape(n, 4, 3, 3).transpose(0, 2, 3, 1)
        d_maps = (
            (maps == pooled[:, :, None, :, None]) * d_pooled[:, :, None, :, None] * (maps > 0.0)
        )
        d_maps = d_maps.reshape(n * 36, 4)
        return loss, {"K": d_maps.T @ patches, "k": d_maps.sum(0), "W": d.T @ flat, "b": d.sum(0)}

    @staticmethod
    def on_arrays(xp: Any, X: Array, K: Array, k: Array, W: Array, b: Array) -> Array:
        n, (i, j) = len(X), np.indices((6, 6)).reshape(2, 36, 1)
        di, dj = np.indices((3, 3)).reshape(2, 1, 9)
        maps = xp.clip(X[:, 8 * (i + di) + j + dj] @ K.T + k, 0.0).reshape(n, 3, 2, 3, 2, 4)
        pooled = xp.amax(xp.amax(maps, axis=4), axis=2)
        z = xp.moveaxis(pooled, 3, 1).reshape(n, 36) @ W.T + b
        z = z - xp.amax(z, axis=1, keepdims=True)
        return (xp.log(xp.exp(z).sum(1)) - (z * X[:, 64:]).sum(1)).mean()


class TiedAutoencoder:
    """The decoder uses the encoder's weights, transposed."""

    name = "autoencoder, tied weights"
    shapes = {"W": (8, 16), "b": (8,), "c": (16,)}
    X = uniform(ROWS, 16)

    @staticmethod
    def loss(x: Any, W: Any, b: Any, c: Any) -> Any:
        h = [v.tanh() for v in affine(W, b, x)]
        y = [dot([row[j] for row in W], h) + c[j] for j in range(16)]
        return sum((yj - xj) ** 2 for xj, yj in zip(x, y, strict=True)) / 16.0

    @staticmethod
    def by_hand(X: Array, W: Array, b: Array, c: Array) -> tuple[float, Slopes]:
        h = np.tanh(X @ W.T + b)
        e = h @ W + c - X
        dy = e * (2.0 / e.size)
        da = dy @ W.T * (1.0 - h * h)
        return np.vdot(e, e) / e.size, {"W": da.T @ X + h.T @ dy, "b": da.sum(0), "c": dy.sum(0)}

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, b: Array, c: Array) -> Array:
        return ((xp.tanh(X @ W.T + b) @ W + c - X) ** 2).mean()


class Siamese:
    """One network on two samples: those of one class are pulled together, others pushed apart."""

    name = "Siamese"
    shapes = {"W1": (16, 8), "b1": (16,), "W2": (4, 16), "b2": (4,)}
    X = labelled(16)

    @staticmethod
    def loss(row: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        def embed(x: Any) -> list[Any]:
            return affine(W2, b2, [v.tanh() for v in affine(W1, b1, x)])

        same = 0.5 + 0.5 * row[16]
        left, right = embed(row[:8]), embed(row[8:16])
        apart = sum((a - b) ** 2 for a, b in zip(left, right, strict=True))
        return same * apart + (1.0 - same) * (1.0 - apart).relu() ** 2

    @staticmethod
    def by_hand(X: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[float, Slopes]:
        n, same = len(X), 0.5 + 0.5 * X[:, 16]
        x = np.concatenate([X[:, :8], X[:, 8:16]])
        h = np.tanh(x @ W1.T + b1)
        out = h @ W2.T + b2
        gap = out[:n] - out[n:]
        apart = (gap * gap).sum(1)
        room = np.maximum(1.0 - apart, 0.0)
        loss = (same * apart + (1.0 - same) * room * room).mean()
        d = (same - 2.0 * (1.0 - same) * room) / n
        half = 2.0 * d[:, None] * gap
        d_out = np.concatenate([half, -half])
        da = d_out @ W2 * (1.0 - h * h)
        return loss, {"W1": da.T @ x, "b1": da.sum(0), "W2": d_out.T @ h, "b2": d_out.sum(0)}

    @staticmethod
    def on_arrays(xp: Any, X: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
        left, right = (xp.tanh(x @ W1.T + b1) @ W2.T + b2 for x in (X[:, :8], X[:, 8:16]))
        same, apart = 0.5 + 0.5 * X[:, 16], ((left - right) ** 2).sum(1)
        return (same * apart + (1.0 - same) * xp.clip(1.0 - apart, 0.0) ** 2).mean()


class Experts:
    """Four small networks, and a fifth that says how much each of them counts."""

    name = "mixture of experts"
    shapes = {"G": (4, 8), "g": (4,), "W": (4, 8, 8), "b": (4, 8), "w": (4, 8)}
    X = labelled(8)

    @staticmethod
    def loss(row: Any, G: Any, g: Any, W: Any, b: Any, w: Any) -> Any:
        *x, y = row
        experts = [dot(w[k], [v.tanh() for v in affine(W[k], b[k], x)]) for k in range(4)]
        return (dot(softmax(affine(G, g, x)), experts) - y) ** 2

    @staticmethod
    def by_hand(X: Array, G: Array, g: Array, W: Array, b: Array, w: Array) -> tuple[float, Slopes]:
        n, x, y = len(X), X[:, :8], X[:, 8]
        h = np.tanh(x @ W.reshape(32, 8).T + b.reshape(32)).reshape(n, 4, 8)
        experts = (h * w).sum(2)
        z = x @ G.T + g
        e = np.exp(z - z.max(1, keepdims=True))
        gate = e / e.sum(1, keepdims=True)
        error = (gate * experts).sum(1) - y
        d = (2.0 / n) * error[:, None]
        d_gate, d_experts = d * experts, d * gate
        dz = gate * (d_gate - (gate * d_gate).sum(1, keepdims=True))
        da = (d_experts[:, :, None] * w * (1.0 - h * h)).reshape(n, 32)
        dw = (d_experts[:, :, None] * h).sum(0)
        dW, db = (da.T @ x).reshape(4, 8, 8), da.sum(0).reshape(4, 8)
        return (error**2).mean(), {"G": dz.T @ x, "g": dz.sum(0), "W": dW, "b": db, "w": dw}

    @staticmethod
    def on_arrays(xp: Any, X: Array, G: Array, g: Array, W: Array, b: Array, w: Array) -> Array:
        x = X[:, :8]
        h = xp.tanh(x @ W.reshape(32, 8).T + b.reshape(32)).reshape(-1, 4, 8)
        z = x @ G.T + g
        e = xp.exp(z - xp.amax(z, axis=1, keepdims=True))
        return ((((h * w).sum(2) * e).sum(1) / e.sum(1) - X[:, 8]) ** 2).mean()


class RadialBasis:
    """A weighted sum of bells around learned centres."""

    name = "RBF"
    shapes = {"C": (16, 8), "s": (16,), "w": (16,), "b": ()}
    X = labelled(8)

    @staticmethod
    def loss(row: Any, C: Any, s: Any, w: Any, b: Any) -> Any:
        *x, y = row
        bells = []
        for centre, steep in zip(C, s, strict=True):
            distance = sum((xj - cj) ** 2 for xj, cj in zip(x, centre, strict=True))
            bells.append(exp(-steep * distance))
        return (dot(w, bells) + b - y) ** 2

    @staticmethod
    def by_hand(X: Array, C: Array, s: Array, w: Array, b: Array) -> tuple[float, Slopes]:
        gap = X[:, None, :8] - C
        distance = (gap * gap).sum(2)
        bells = np.exp(-s * distance)
        error = bells @ w + b - X[:, 8]
        d = error * (2.0 / len(X))
        d_power = np.outer(d, w) * bells  # of the power of e
        dC = (2.0 * (d_power * s)[:, :, None] * gap).sum(0)
        return (error**2).mean(), {
            "C": dC,
            "s": -(d_power * distance).sum(0),
            "w": d @ bells,
            "b": d.sum(),
        }

    @staticmethod
    def on_arrays(xp: Any, X: Array, C: Array, s: Array, w: Array, b: Array) -> Array:
        distance = ((X[:, None, :8] - C) ** 2).sum(2)
        return ((xp.exp(-s * distance) @ w + b - X[:, 8]) ** 2).mean()
