"""Models of things that meet: rows that are looked up, neighbours, and products of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.models.parts import ROWS, Array, Slopes, affine, dot, uniform

rng = np.random.RandomState(0)
WORDS = rng.randint(0, 20, (48, 8))  # eight before each of 48 places in a text of 20 words
NEXT = rng.uniform(-1.0, 1.0, 48)
NEIGHBOURS = [sorted(rng.choice(24, size=rng.randint(2, 6), replace=False)) for _ in range(24)]
ADJACENT = np.array([[float(j in some) for j in range(24)] for some in NEIGHBOURS])
FEATURES, WANTED = uniform(24, 6, seed=1), uniform(24, 4, seed=2)
USERS, ITEMS = np.divmod(rng.permutation(30 * 40)[:400], 40)
RATINGS = rng.uniform(-1.0, 1.0, 400)


class Embeddings:
    """A network on the rows of a table that the words of a context choose."""

    name = "embeddings"
    shapes = {"C": (20, 4), "W": (12, 32), "b": (12,), "w": (12,)}
    X = None

    @staticmethod
    def loss(C: Any, W: Any, b: Any, w: Any) -> Any:
        total = 0.0
        for words, wanted in zip(WORDS.tolist(), NEXT.tolist(), strict=True):
            x = [number for word in words for number in C[word]]
            h = [v.tanh() for v in affine(W, b, x)]
            total = total + (dot(w, h) - wanted) ** 2
        return total / len(NEXT)

    @staticmethod
    def by_hand(C: Array, W: Array, b: Array, w: Array) -> tuple[float, Slopes]:
        x = C[WORDS].reshape(48, 32)
        h = np.tanh(x @ W.T + b)
        error = h @ w - NEXT
        d = error * (2.0 / 48)
        da = np.outer(d, w) * (1.0 - h * h)
        dC = np.zeros_like(C)
        np.add.at(dC, WORDS.ravel(), (da @ W).reshape(-1, 4))
        return (error**2).mean(), {"C": dC, "W": da.T @ x, "b": da.sum(0), "w": d @ h}

    @staticmethod
    def on_arrays(xp: Any, C: Array, W: Array, b: Array, w: Array) -> Array:
        h = xp.tanh(C[WORDS].reshape(48, 32) @ W.T + b)
        return ((h @ w - xp.asarray(NEXT)) ** 2).mean()


class GraphNetwork:
    """Two rounds in which each node hears from itself and from its neighbours."""

    name = "graph network"
    shapes = {"W1": (8, 6), "V1": (8, 6), "b1": (8,), "W2": (4, 8), "V2": (4, 8), "b2": (4,)}
    X = None

    @staticmethod
    def loss(W1: Any, V1: Any, b1: Any, W2: Any, V2: Any, b2: Any) -> Any:
        def heard(W: Any, V: Any, b: Any, states: Any) -> list[list[Any]]:
            out = []
            for own, some in zip(states, NEIGHBOURS, strict=True):
                told = [sum(states[j][i] for j in some) for i in range(len(own))]
                rows = zip(affine(W, b, own), V, strict=True)
                out.append([a + dot(v, told) for a, v in rows])
            return out

        hidden = [[v.relu() for v in state] for state in heard(W1, V1, b1, FEATURES.tolist())]
        total = 0.0
        for state, wanted in zip(heard(W2, V2, b2, hidden), WANTED.tolist(), strict=True):
            total = total + sum((a - y) ** 2 for a, y in zip(state, wanted, strict=True))
        return total / WANTED.size

    @staticmethod
    def by_hand(
        W1: Array, V1: Array, b1: Array, W2: Array, V2: Array, b2: Array
    ) -> tuple[float, Slopes]:
        told = ADJACENT @ FEATURES
        h = np.maximum(FEATURES @ W1.T + told @ V1.T + b1, 0.0)
        heard = ADJACENT @ h
        error = h @ W2.T + heard @ V2.T + b2 - WANTED
        d = error * (2.0 / error.size)
        da = (d @ W2 + ADJACENT.T @ (d @ V2)) * (h > 0.0)
        return (error**2).mean(), {
            "W1": da.T @ FEATURES,
            "V1": da.T @ told,
            "b1": da.sum(0),
            "W2": d.T @ h,
            "V2": d.T @ heard,
            "b2": d.sum(0),
        }

    @staticmethod
    def on_arrays(
        xp: Any, W1: Array, V1: Array, b1: Array, W2: Array, V2: Array, b2: Array
    ) -> Array:
        A, x = xp.asarray(ADJACENT), xp.asarray(FEATURES)
        h = xp.clip(x @ W1.T + A @ x @ V1.T + b1, 0.0)
        return ((h @ W2.T + A @ h @ V2.T + b2 - xp.asarray(WANTED)) ** 2).mean()


class Factorisation:
    """A table of ratings with holes, as a product of two thin matrices."""

    name = "matrix factorisation"
    shapes = {"U": (30, 8), "V": (40, 8)}
    X = None

    @staticmethod
    def loss(U: Any, V: Any) -> Any:
        known = zip(USERS.tolist(), ITEMS.tolist(), RATINGS.tolist(), strict=True)
        return sum((dot(U[i], V[j]) - rating) ** 2 for i, j, rating in known) / 400.0

    @staticmethod
    def by_hand(U: Array, V: Array) -> tuple[float, Slopes]:
        u, v = U[USERS], V[ITEMS]
        error = (u * v).sum(1) - RATINGS
        d = (error * (2.0 / 400.0))[:, None]
        dU, dV = np.zeros_like(U), np.zeros_like(V)
        np.add.at(dU, USERS, d * v)
        np.add.at(dV, ITEMS, d * u)
        return (error**2).mean(), {"U": dU, "V": dV}

    @staticmethod
    def on_arrays(xp: Any, U: Array, V: Array) -> Array:
        return (((U[USERS] * V[ITEMS]).sum(1) - xp.asarray(RATINGS)) ** 2).mean()


class Hopfield:
    """The energy of a state: every pair of units has a weight."""

    name = "Hopfield"
    shapes = {"W": (20, 20)}
    X = np.sign(uniform(ROWS, 20))

    @staticmethod
    def loss(s: Any, W: Any) -> Any:
        pairs = [(i, j) for i in range(20) for j in range(20) if i != j]
        return -0.5 * sum(W[i][j] * s[i] * s[j] for i, j in pairs)

    @staticmethod
    def by_hand(X: Array, W: Array) -> tuple[float, Slopes]:
        dW = X.T @ X * (-0.5 / len(X))
        np.fill_diagonal(dW, 0.0)
        off = W.copy()
        np.fill_diagonal(off, 0.0)
        return -0.5 * np.vdot(X @ off, X) / len(X), {"W": dW}

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array) -> Array:
        off = W * xp.asarray(1.0 - np.eye(20))
        return -0.5 * ((X @ off) * X).sum(1).mean()


class Bilinear:
    """How well two vectors go together: every pair of their numbers has a weight."""

    name = "bilinear"
    shapes = {"W": (8, 8), "b": ()}
    X = uniform(ROWS, 17)

    @staticmethod
    def loss(row: Any, W: Any, b: Any) -> Any:
        x, y = row[:8], row[8:16]
        score = sum(W[i][j] * x[i] * y[j] for i in range(8) for j in range(8)) + b
        return (score - row[16]) ** 2

    @staticmethod
    def by_hand(X: Array, W: Array, b: Array) -> tuple[float, Slopes]:
        x, y = X[:, :8], X[:, 8:16]
        error = ((x @ W) * y).sum(1) + b - X[:, 16]
        d = error * (2.0 / len(X))
        return (error**2).mean(), {"W": (x * d[:, None]).T @ y, "b": d.sum()}

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, b: Array) -> Array:
        score = ((X[:, :8] @ W) * X[:, 8:16]).sum(1) + b
        return ((score - X[:, 16]) ** 2).mean()


class FactorisationMachine:
    """Each pair of features has a weight that is a product of two short vectors."""

    name = "factorisation machine"
    shapes = {"w0": (), "w": (12,), "V": (12, 4)}
    X = uniform(ROWS, 13)

    @staticmethod
    def loss(row: Any, w0: Any, w: Any, V: Any) -> Any:
        *x, y = row
        pairs = 0.0
        for f in range(4):
            total = sum(V[i][f] * x[i] for i in range(12))
            squares = sum(V[i][f] ** 2 * x[i] ** 2 for i in range(12))
            pairs = pairs + 0.5 * (total**2 - squares)
        return (w0 + dot(w, x) + pairs - y) ** 2

    @staticmethod
    def by_hand(X: Array, w0: Array, w: Array, V: Array) -> tuple[float, Slopes]:
        x, y = X[:, :12], X[:, 12]
        total, squares = x @ V, x * x
        pairs = 0.5 * ((total**2).sum(1) - squares @ (V * V).sum(1))
        error = w0 + x @ w + pairs - y
        d = error * (2.0 / len(X))
        dV = x.T @ (d[:, None] * total) - (d @ squares)[:, None] * V
        return (error**2).mean(), {"w0": d.sum(), "w": d @ x, "V": dV}

    @staticmethod
    def on_arrays(xp: Any, X: Array, w0: Array, w: Array, V: Array) -> Array:
        x = X[:, :12]
        pairs = 0.5 * (((x @ V) ** 2).sum(1) - (x * x) @ (V * V).sum(1))
        return ((w0 + x @ w + pairs - X[:, 12]) ** 2).mean()
