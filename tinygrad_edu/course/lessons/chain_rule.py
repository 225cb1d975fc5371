"""Notebook 02: the chain rule, wire by wire."""

from __future__ import annotations

from fractions import Fraction

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.oracles import slopes, some, uniform

EXERCISES = (
    Exercise(
        id="chain_rule_1",
        statement="L = (3x + 1)². What is dL/dx at x = 2, by the chain rule?",
        asks=Numbers(),
        truth=lambda: slopes(lambda x: (3 * x + 1) ** 2)(2.0)[0],
        mistakes=(
            Mistake(
                "The inner factor 3 is forgotten: 3x + 1 changes three times as fast as x.", 14
            ),
            Mistake(
                "The outer slope is taken at x = 2: it is needed at the inner value, 3x + 1 = 7.",
                12,
            ),
            Mistake("This is the value of L: the slope is asked for.", 49),
            Mistake("Twice the true gradient: was the wire counted twice?", 84),
            Mistake("The two slopes were added: along a path they multiply.", 17),
        ),
        hints=(
            "Two nodes lie between x and L: u = 3x + 1, then L = u². Each has a slope.",
            "The slope of u² is 2u, and u is 7 here.",
            "Along a path the slopes multiply: 2·7, and the slope of the inner node.",
        ),
        solution="answer = 2 * (3 * 2 + 1) * 3",
    ),
    Exercise(
        id="chain_rule_2",
        statement="L = x·y + 3x. Write slope(x, y) that returns [∂L/∂x, ∂L/∂y].",
        asks=Function("x, y", uniform(2)),
        truth=slopes(lambda x, y: x * y + 3 * x),
        mistakes=(
            Mistake(
                "Correct for the first use of x only: gradients from both uses add up (+=, not =).",
                lambda x, y: [y, x],
            ),
            Mistake(
                "Correct for the last use of x only: it overwrote the first; both add up "
                "(+=, not =).",
                lambda x, y: [3, x],
            ),
            Mistake(
                "The two paths of x are multiplied: slopes multiply along a path, and paths"
                " add up.",
                lambda x, y: [3 * y, x],
            ),
            Mistake(
                "x and y are swapped: the multiply gate hands each input the *other* one.",
                lambda x, y: [x, y + 3],
            ),
            Mistake(
                "In ∂L/∂x the multiply gate hands x its own value: it hands each input the "
                "*other* one.",
                lambda x, y: [x + 3, y],
            ),
            Mistake(
                "Twice the true gradient: was the wire counted twice?",
                lambda x, y: [2 * (y + 3), 2 * x],
            ),
        ),
        hints=(
            "Follow the wires: on how many paths does a change of x reach L? And of y?",
            "x goes through the product and through 3x; a path's slope is the product along it.",
            "Through the product x gets y, through 3x it gets 3. The two meet at x.",
        ),
        solution="""
            def answer(x, y):
                return [y + 3, x]
            """,
    ),
    Exercise(
        id="chain_rule_3",
        statement="""
            L = (x + y)·x at x = 2, y = 3. What is the product of the slopes along each path from
            x to L? A list of two: the path through the sum first, then the direct one.
            """,
        asks=Numbers(2),
        truth=lambda: [slopes(lambda a, b: (a + 3) * b)(2.0, 2.0)[i] for i in (0, 1)],
        mistakes=(
            Mistake(
                "The two are in the other order: the path through the sum comes first, and the "
                "multiply gate hands each input the *other* one.",
                [5, 2],
            ),
            Mistake("The multiplication's slope is forgotten: only the sum passes 1 on.", [1, 1]),
            Mistake(
                "The second path gets the other input of the product, x + y = 5, not y alone.",
                [2, 3],
            ),
            Mistake(
                "This is the whole gradient on each path: each path has its own part of the 7.",
                [7, 7],
            ),
        ),
        hints=(
            "Write L as s·x with s = x + y: one path leads through s.",
            "The slope of s·x towards s is x, and towards x it is s.",
            "The sum passes on what it gets, times 1. So the first path has 1 times x.",
        ),
        solution="""
            x, y = 2, 3
            answer = [1 * x, x + y]
            """,
    ),
    Exercise(
        id="chain_rule_4",
        statement="""
            x = Value(3.0), L = x*x. L.backward() is called twice. What is x.grad then?
            """,
        asks=Numbers(),
        truth=lambda: 2 * slopes(lambda x: x * x)(3.0)[0],
        mistakes=(
            Mistake(
                "That is after one call: the second one adds to it, as no zero_grad() came "
                "between.",
                6,
            ),
            Mistake("The two passes are multiplied: gradients add up (+=).", 36),
            Mistake(
                "That counts one use of x in one call: x is used twice, and there are two calls.", 3
            ),
            Mistake("That is the value of L: the gradient is asked for.", 9),
        ),
        hints=(
            "What is dL/dx at 3? That is what one call leaves on x.",
            "A leaf keeps its gradient until zero_grad(): the next pass adds to it.",
        ),
        solution="answer = 2 * (3.0 + 3.0)",
    ),
    Exercise(
        id="chain_rule_5",
        statement="""
            L depends on x through y_1 ... y_K. Write gather(upstream, local) that returns ∂L/∂x
            from the lists of ∂L/∂y_k (upstream) and ∂y_k/∂x (local).
            """,
        asks=Function("upstream, local", lambda rng: (some(rng, 3), some(rng, 3))),
        truth=lambda u, v: float(sum(Fraction(a) * Fraction(b) for a, b in zip(u, v, strict=True))),
        mistakes=(
            Mistake(
                "Correct for the first output only: the paths over all outputs add up.",
                lambda u, v: u[0] * v[0],
            ),
            Mistake(
                "Correct for the last output only: = stands where += belongs.",
                lambda u, v: u[-1] * v[-1],
            ),
            Mistake(
                "You summed first and multiplied afterwards: each path is a product of its own.",
                lambda u, v: sum(u) * sum(v),
            ),
            Mistake(
                "The local slopes are not used: the chain factor is forgotten.", lambda u, v: sum(u)
            ),
            Mistake("The upstream gradients are not used.", lambda u, v: sum(v)),
            Mistake(
                "This is the mean over the paths: they add up.",
                lambda u, v: sum(a * b for a, b in zip(u, v, strict=True)) / len(u),
            ),
        ),
        hints=(
            "Each y_k is one path from x to L. What does one of them contribute?",
            "Along a path slopes multiply; where paths meet, they add up.",
        ),
        solution="""
            def answer(upstream, local):
                return sum(u * v for u, v in zip(upstream, local))
            """,
    ),
)
