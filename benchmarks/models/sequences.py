"""Models that go through a sequence step by step, one sequence per row."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from benchmarks.models.parts import ROWS, Array, Slopes, affine, dot, sigmoid, uniform
from tinygrad_edu.nn import logsumexp, softmax

T, IN, HIDDEN = 8, 4, 8  # of the recurrent networks
SEQUENCES = uniform(ROWS, T * IN + 1)  # and a target at the end


class Lstm:
    """A cell that forgets, takes in and puts out as its three gates say."""

    name = "LSTM"
    shapes = {"W": (4 * HIDDEN, IN + HIDDEN), "b": (4 * HIDDEN,), "w": (HIDDEN,)}
    X = SEQUENCES

    @staticmethod
    def loss(row: Any, W: Any, b: Any, w: Any) -> Any:
        h, c = [0.0] * HIDDEN, [0.0] * HIDDEN
        for t in range(T):
            a = affine(W, b, [*row[IN * t : IN * t + IN], *h])
            for j in range(HIDDEN):
                i, f, o = (a[gate * HIDDEN + j].sigmoid() for gate in range(3))
                c[j] = f * c[j] + i * a[3 * HIDDEN + j].tanh()
                h[j] = o * c[j].tanh()
        return (dot(w, h) - row[-1]) ** 2

    @staticmethod
    def by_hand(X: Array, W: Array, b: Array, w: Array) -> tuple[float, Slopes]:
        n, m = len(X), 3 * HIDDEN
        h, c, steps = np.zeros((n, HIDDEN)), np.zeros((n, HIDDEN)), []
        for t in range(T):
            v = np.hstack([X[:, IN * t : IN * t + IN], h])
            a = v @ W.T + b
            gates, g, old = sigmoid(a[:, :m]), np.tanh(a[:, m:]), c
            i, f, o = gates[:, :HIDDEN], gates[:, HIDDEN : 2 * HIDDEN], gates[:, 2 * HIDDEN :]
            c = f * c + i * g
            tanh_c = np.tanh(c)
            h = o * tanh_c
            steps.append((v, gates, i, f, o, g, old, tanh_c))
        error = h @ w - X[:, -1]
        d = error * (2.0 / n)
        slopes = {"W": np.zeros_like(W), "b": np.zeros_like(b), "w": d @ h}
        dh, dc = np.outer(d, w), np.zeros((n, HIDDEN))
        for v, gates, i, f, o, g, old, tanh_c in reversed(steps):
            dc += dh * o * (1.0 - tanh_c * tanh_c)
            d_gates = np.hstack([dc * g, dc * old, dh * tanh_c]) * gates * (1.0 - gates)
            da = np.hstack([d_gates, dc * i * (1.0 - g * g)])
            slopes["W"] += da.T @ v
            slopes["b"] += da.sum(0)
            dh = da @ W[:, IN:]
            dc *= f
        return (error**2).mean(), slopes

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, b: Array, w: Array) -> Array:
        h = c = 0.0 * X[:, :HIDDEN]
        for t in range(T):
            a = X[:, IN * t : IN * t + IN] @ W[:, :IN].T + h @ W[:, IN:].T + b
            i, f, o, g = (a[:, k * HIDDEN : k * HIDDEN + HIDDEN] for k in range(4))
            c = c / (1.0 + xp.exp(-f)) + xp.tanh(g) / (1.0 + xp.exp(-i))
            h = xp.tanh(c) / (1.0 + xp.exp(-o))
        return ((h @ w - X[:, -1]) ** 2).mean()


class Gru:
    """A cell with two gates: how much of the past to use, and how much of it to keep."""

    name = "GRU"
    shapes = {
        "W": (2 * HIDDEN, IN + HIDDEN),
        "b": (2 * HIDDEN,),
        "V": (HIDDEN, IN + HIDDEN),
        "c": (HIDDEN,),
        "w": (HIDDEN,),
    }
    X = SEQUENCES

    @staticmethod
    def loss(row: Any, W: Any, b: Any, V: Any, c: Any, w: Any) -> Any:
        h = [0.0] * HIDDEN
        for t in range(T):
            x = row[IN * t : IN * t + IN]
            gates = [a.sigmoid() for a in affine(W, b, [*x, *h])]
            keep, use = gates[:HIDDEN], gates[HIDDEN:]
            used = [u * old for u, old in zip(use, h, strict=True)]
            new = [a.tanh() for a in affine(V, c, [*x, *used])]
            h = [(1.0 - k) * v + k * old for k, v, old in zip(keep, new, h, strict=True)]
        return (dot(w, h) - row[-1]) ** 2

    @staticmethod
    def by_hand(X: Array, W: Array, b: Array, V: Array, c: Array, w: Array) -> tuple[float, Slopes]:
        n = len(X)
        h, steps = np.zeros((n, HIDDEN)), []
        for t in range(T):
            x = X[:, IN * t : IN * t + IN]
            v = np.hstack([x, h])
            gates = sigmoid(v @ W.T + b)
            keep, use = gates[:, :HIDDEN], gates[:, HIDDEN:]
            u = np.hstack([x, use * h])
            new, old = np.tanh(u @ V.T + c), h
            h = new + keep * (h - new)
            steps.append((v, gates, keep, use, u, new, old))
        error = h @ w - X[:, -1]
        d = error * (2.0 / n)
        slopes = {name: np.zeros_like(p) for name, p in zip("WbVc", (W, b, V, c), strict=True)}
        slopes["w"] = d @ h
        dh = np.outer(d, w)
        for v, gates, keep, use, u, new, old in reversed(steps):
            d_new = dh * (1.0 - keep) * (1.0 - new * new)
            d_used = d_new @ V[:, IN:]
            da = np.hstack([dh * (old - new), d_used * old]) * gates * (1.0 - gates)
            slopes["V"] += d_new.T @ u
            slopes["c"] += d_new.sum(0)
            slopes["W"] += da.T @ v
            slopes["b"] += da.sum(0)
            dh = dh * keep + d_used * use + da @ W[:, IN:]
        return (error**2).mean(), slopes

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, b: Array, V: Array, c: Array, w: Array) -> Array:
        h = 0.0 * X[:, :HIDDEN]
        for t in range(T):
            x = X[:, IN * t : IN * t + IN]
            gates = 1.0 / (1.0 + xp.exp(-(x @ W[:, :IN].T + h @ W[:, IN:].T + b)))
            keep, use = gates[:, :HIDDEN], gates[:, HIDDEN:]
            new = xp.tanh(x @ V[:, :IN].T + (use * h) @ V[:, IN:].T + c)
            h = (1.0 - keep) * new + keep * h
        return ((h @ w - X[:, -1]) ** 2).mean()


class Attention:
    """One causal head: each position asks those before it, and adds up what they answer."""

    name = "attention"
    shapes = {"Q": (4, 4), "K": (4, 4), "V": (4, 4)}
    X = uniform(ROWS, 6 * 4)

    @staticmethod
    def loss(row: Any, Q: Any, K: Any, V: Any) -> Any:
        xs = [row[4 * t : 4 * t + 4] for t in range(6)]
        q, k, v = ([[dot(w, x) for w in W] for x in xs] for W in (Q, K, V))
        total = 0.0
        for t in range(6):
            scores = [dot(q[t], k[s]) * (1.0 / sqrt(4)) for s in range(t + 1)]
            weights = softmax(scores)
            for j in range(4):
                answer = sum(weights[s] * v[s][j] for s in range(t + 1))
                total = total + (answer - xs[t][j]) ** 2
        return total / 24.0

    @staticmethod
    def by_hand(X: Array, Q: Array, K: Array, V: Array) -> tuple[float, Slopes]:
        x, future = X.reshape(-1, 6, 4), np.triu(np.full((6, 6), -np.inf), 1)
        q, k, v = x @ Q.T, x @ K.T, x @ V.T
        scores = q @ k.transpose(0, 2, 1) * 0.5 + future
        e = np.exp(scores - scores.max(2, keepdims=True))
        A = e / e.sum(2, keepdims=True)
        error = A @ v - x
        d = error * (2.0 / error.size)
        dv, dA = A.transpose(0, 2, 1) @ d, d @ v.transpose(0, 2, 1)
        dS = A * (dA - (A * dA).sum(2, keepdims=True)) * 0.5
        dq, dk = dS @ k, dS.transpose(0, 2, 1) @ q
        flat = x.reshape(-1, 4)
        slopes = {name: d.reshape(-1, 4).T @ flat for name, d in (("Q", dq), ("K", dk), ("V", dv))}
        return (error**2).mean(), slopes

    @staticmethod
    def on_arrays(xp: Any, X: Array, Q: Array, K: Array, V: Array) -> Array:
        x, past = X.reshape(-1, 6, 4), np.tril(np.ones((6, 6)))
        q, k, v = x @ Q.T, x @ K.T, x @ V.T
        scores = q @ xp.swapaxes(k, 1, 2) * 0.5
        e = xp.exp(scores - xp.amax(scores, axis=2, keepdims=True)) * xp.asarray(past)
        return ((e / e.sum(2)[:, :, None] @ v - x) ** 2).mean()


class NeuralOde:
    """The flow of a vector field that a network describes: ten steps of Runge and Kutta."""

    name = "neural ODE"
    shapes = {"W": (12, 3), "b": (12,), "V": (3, 12), "c": (3,)}
    X = uniform(ROWS, 6)  # where a point starts, and where it should arrive
    h = 0.1

    @staticmethod
    def loss(row: Any, W: Any, b: Any, V: Any, c: Any) -> Any:
        def field(z: Any) -> list[Any]:
            return affine(V, c, [v.tanh() for v in affine(W, b, z)])

        def moved(z: Any, by: float, k: Any) -> list[Any]:
            return [a + by * d for a, d in zip(z, k, strict=True)]

        z, h = row[:3], NeuralOde.h
        for _ in range(10):
            k1 = field(z)
            k2 = field(moved(z, h / 2.0, k1))
            k3 = field(moved(z, h / 2.0, k2))
            k4 = field(moved(z, h, k3))
            z = [
                a + h / 6.0 * (p + 2.0 * q + 2.0 * r + s)
                for a, p, q, r, s in zip(z, k1, k2, k3, k4, strict=True)
            ]
        return sum((a - y) ** 2 for a, y in zip(z, row[3:], strict=True))

    @staticmethod
    def by_hand(X: Array, W: Array, b: Array, V: Array, c: Array) -> tuple[float, Slopes]:
        z, H, h = X[:, :3], NeuralOde.h, []

        def field(z: Array) -> Array:
            h.append((z, np.tanh(z @ W.T + b)))
            return h[-1][1] @ V.T + c

        for _ in range(10):
            k1 = field(z)
            k2 = field(z + H / 2.0 * k1)
            k3 = field(z + H / 2.0 * k2)
            k4 = field(z + H * k3)
            z = z + H / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        error = z - X[:, 3:]
        slopes = {name: np.zeros_like(p) for name, p in zip("WbVc", (W, b, V, c), strict=True)}

        def back(dk: Array) -> Array:
            z, hidden = h.pop()
            da = dk @ V * (1.0 - hidden * hidden)
            slopes["V"] += dk.T @ hidden
            slopes["c"] += dk.sum(0)
            slopes["W"] += da.T @ z
            slopes["b"] += da.sum(0)
            return da @ W

        dz = error * (2.0 / len(X))
        for _ in range(10):
            sixth = H / 6.0 * dz
            d4 = back(sixth)
            d3 = back(2.0 * sixth + H * d4)
            d2 = back(2.0 * sixth + H / 2.0 * d3)
            dz = dz + back(sixth + H / 2.0 * d2) + d2 + d3 + d4
        return (error**2).sum() / len(X), slopes

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, b: Array, V: Array, c: Array) -> Array:
        def field(z: Array) -> Array:
            return xp.tanh(z @ W.T + b) @ V.T + c

        z, h = X[:, :3], NeuralOde.h
        for _ in range(10):
            k1 = field(z)
            k2 = field(z + h / 2.0 * k1)
            k3 = field(z + h / 2.0 * k2)
            z = z + h / 6.0 * (k1 + 2.0 * (k2 + k3) + field(z + h * k3))
        return ((z - X[:, 3:]) ** 2).sum(1).mean()


class RandomField:
    """A chain of labels: how likely is the right one, among all that there are?"""

    name = "CRF"
    shapes = {"W": (4, 4), "A": (4, 4)}
    X = np.hstack(
        [
            uniform(ROWS, 24),
            np.eye(4)[np.random.RandomState(1).randint(0, 4, (ROWS, 6))].reshape(ROWS, 24),
        ]
    )

    @staticmethod
    def loss(row: Any, W: Any, A: Any) -> Any:
        xs, ys = ([row[at + 4 * t : at + 4 * t + 4] for t in range(6)] for at in (0, 24))
        E = [[dot(w, x) for w in W] for x in xs]
        score = sum(dot(y, e) for y, e in zip(ys, E, strict=True))
        alpha = E[0]
        for t in range(1, 6):
            score = score + sum(
                A[i][j] * ys[t - 1][i] * ys[t][j] for i in range(4) for j in range(4)
            )
            alpha = [logsumexp([alpha[i] + A[i][j] for i in range(4)]) + E[t][j] for j in range(4)]
        return logsumexp(alpha) - score

    @staticmethod
    def by_hand(X: Array, W: Array, A: Array) -> tuple[float, Slopes]:
        n, x, y = len(X), X[:, :24].reshape(-1, 6, 4), X[:, 24:].reshape(-1, 6, 4)
        E = x @ W.T
        alpha, steps = E[:, 0], []
        for t in range(1, 6):
            a = alpha[:, :, None] + A
            top = a.max(1, keepdims=True)
            e = np.exp(a - top)
            total = e.sum(1, keepdims=True)
            steps.append(e / total)
            alpha = (np.log(total) + top)[:, 0] + E[:, t]
        top = alpha.max(1, keepdims=True)
        e = np.exp(alpha - top)
        total = e.sum(1, keepdims=True)
        pairs = (y[:, :-1].reshape(-1, 4).T @ y[:, 1:].reshape(-1, 4)) / n
        loss = (np.log(total) + top).mean() - np.vdot(y, E) / n - np.vdot(pairs, A)
        dE, dA = y * (-1.0 / n), -pairs
        d = e / total / n
        for t, p in zip(range(5, 0, -1), reversed(steps), strict=True):
            dE[:, t] += d
            both = p * d[:, None, :]
            dA += both.sum(0)
            d = both.sum(2)
        dE[:, 0] += d
        return loss, {"W": dE.reshape(-1, 4).T @ x.reshape(-1, 4), "A": dA}

    @staticmethod
    def on_arrays(xp: Any, X: Array, W: Array, A: Array) -> Array:
        def log_sum(a: Array) -> Array:
            top = xp.amax(a, axis=1, keepdims=True)
            return xp.log(xp.exp(a - top).sum(1)) + top[:, 0]

        x, y = X[:, :24].reshape(-1, 6, 4), X[:, 24:].reshape(-1, 6, 4)
        E = x @ W.T
        score, alpha = (y * E).sum(1).sum(1), E[:, 0]
        for t in range(1, 6):
            score = score + ((y[:, t - 1] @ A) * y[:, t]).sum(1)
            alpha = log_sum(alpha[:, :, None] + A) + E[:, t]
        return (log_sum(alpha) - score).mean()
