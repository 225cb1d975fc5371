"""Arithmetic written as text, for the command line: parsed with ``ast``, a whitelist, never run.

What is allowed: numbers, names, ``+ - * / **``, parentheses and the functions of the table.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from threading import RLock
from typing import Any

from tinygrad_edu.engine import Value, functions, ops
from tinygrad_edu.engine.errors import ExpressionError

LONGEST = 10_000  # characters
_WARNINGS = RLock()  # their filters belong to the process: one thread at a time changes them
_as_function = cache(functions.as_function)  # a long expression calls the same few rows
FUNCTIONS = ops.TABLE | {"max": ops.MAXIMUM, "min": ops.MINIMUM}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: functions.add,
    ast.Sub: functions.sub,
    ast.Mult: functions.mul,
    ast.Div: functions.divide,
    ast.Pow: functions.power,
    ast.USub: functions.neg,
    ast.UAdd: lambda x: x,
}


def evaluate(text: str, given: Mapping[str, float]) -> tuple[Value, dict[str, Value]]:
    """Build the graph of an expression; return its root, and its named leaves in the order given.

    Parameters
    ----------
    text : str, at most 10,000 characters, for example ``"sigmoid(w*x + b)"``
    given : the number of each name in it

    Returns
    -------
    (root, leaves) : Value and dict of Value; each inner node is labelled with its own text

    Raises
    ------
    ExpressionError
        If the text is not arithmetic on exactly the names given; says which part is not.

    Examples
    --------
    >>> from tinygrad_edu.expression import evaluate
    >>> root, leaves = evaluate("w * x", {"w": 2.0, "x": 3.0})
    >>> root.backward()
    >>> leaves["w"].grad
    3.0
    """
    text = text.strip()
    tree = _parse(text)
    leaves = {name: Value(number, name) for name, number in given.items()}
    named = {_as_parsed(name): leaf for name, leaf in leaves.items()}
    text_of = _texts(text)
    done: dict[ast.AST, Any] = {}
    for node in _inputs_first(tree):
        done[node] = _compute(node, [done[x] for x in _operands(node)], named, text_of)
        if isinstance(done[node], Value) and not done[node].label:
            done[node].label = text_of(node)
    used = {node.id for node in done if isinstance(node, ast.Name)}
    if unused := [name for name in given if _as_parsed(name) not in used]:
        raise ExpressionError(
            f"{', '.join(unused)} got a value, but is not in the expression.",
            expected=f"values for {', '.join(sorted(used)) or 'nothing'}",
            fix=f"leave out {unused[0]}={given[unused[0]]:g}, or correct the name.",
        )
    root = done[tree]
    return (root if isinstance(root, Value) else Value(root, text)), leaves


def parse_number(assignment: str) -> tuple[str, float]:
    """Read ``"w0=2"`` as ``("w0", 2.0)``; raise ExpressionError for anything else."""
    name, equals, number = (part.strip() for part in assignment.partition("="))
    try:
        if equals and name.isidentifier() and _as_parsed(name) not in FUNCTIONS:
            return _as_parsed(name), float(number)
    except ValueError:
        pass
    raise ExpressionError(
        f"expected name=number, got {assignment!r:.60}.",
        expected="a name that is not the name of a function, and a number",
        fix="write each number behind its name, for example w0=2 x=-1e-3.",
    )


def _as_parsed(name: str) -> str:
    """Spell a name as Python does: the micro sign µ becomes the letter μ (PEP 3131)."""
    return unicodedata.normalize("NFKC", name)


def _parse(text: str) -> ast.expr:
    """Parse the text; raise ExpressionError, and nothing else, if that is not possible."""
    if len(text) > LONGEST:
        raise ExpressionError(
            f"the expression has {len(text):,} characters.",
            expected=f"at most {LONGEST:,}",
            fix="write it as a Python function of Values instead.",
        )
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of what is refused in words below
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(
            f"{text!r:.60} is not an expression: {str(error) or type(error).__name__}.",
            expected='arithmetic such as "sigmoid(w*x + b)"',
            fix="check its parentheses and operators; nest it less deeply.",
        ) from None


def _texts(text: str) -> Callable[[ast.expr], str]:
    """Return the function that finds the text of a node of the tree.

    ``ast.get_source_segment`` would split the whole text into lines for every node.
    """
    raw = text.encode()  # ast counts bytes
    lines = [0, *(line.end() for line in re.finditer(rb"\r\n|\r|\n", raw))]

    def text_of(node: ast.expr) -> str:
        end = lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return raw[lines[node.lineno - 1] + node.col_offset : end].decode()

    return text_of


def _inputs_first(tree: ast.expr) -> list[ast.expr]:
    """List the sub-expressions, operands before results, without recursion."""
    order: list[ast.expr] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(_operands(node))
    return order[::-1]


def _operands(node: ast.expr) -> Iterable[ast.expr]:
    """Return the sub-expressions that a node is computed from."""
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.UnaryOp):
        return (node.operand,)
    return node.args if isinstance(node, ast.Call) else ()


def _compute(
    node: ast.expr,
    operands: Sequence[Any],
    leaves: Mapping[str, Value],
    text_of: Callable[[ast.expr], str],
) -> Any:
    """Compute one sub-expression from its operands: a Value, or a number where there is no name."""
    if isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](*operands)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, operands)
    if isinstance(node, ast.Name):
        return _leaf(node.id, leaves)
    literal = node.value if isinstance(node, ast.Constant) else None
    if isinstance(literal, int | float) and not isinstance(literal, bool):
        try:
            return float(literal)
        except OverflowError:
            raise ExpressionError(
                f"the number {text_of(node):.20}... is too large.",
                fix="write a number of at most 1.8e308.",
            ) from None
    raise ExpressionError(
        f"{text_of(node)!r:.60} is not allowed in an expression.",
        expected="numbers, names, + - * / **, parentheses, and " + ", ".join(FUNCTIONS),
        fix="write that part with these signs and functions alone, for example max(x, 0)**2.",
    )


def _call(name: str, operands: Sequence[Any]) -> Any:
    """Compute a function of the table."""
    if name not in FUNCTIONS:
        raise ExpressionError(
            f"{name!r} is not a function of an expression.",
            functions=", ".join(FUNCTIONS),
            fix="call one of these functions, for example exp(x).",
        )
    row = FUNCTIONS[name]
    if len(operands) != row.arity:
        raise ExpressionError(
            f"{name} takes {row.arity} operand{'s' * (row.arity > 1)}, got {len(operands)}.",
            fix=f"write {_example(name)}.",
        )
    return _as_function(row)(*operands)


def _leaf(name: str, leaves: Mapping[str, Value]) -> Value:
    """Look up a name."""
    if name in leaves:
        return leaves[name]
    if name in FUNCTIONS:
        raise ExpressionError(f"{name} is a function.", fix=f"write {_example(name)}.")
    raise ExpressionError(
        f"the name {name!r} has no value.",
        functions=", ".join(FUNCTIONS),
        fix=f"give it a number after the expression, for example {name}=2.",
    )


def _example(name: str) -> str:
    """Write a call of a function with as many operands as it takes."""
    return f"{name}({', '.join('xy'[: FUNCTIONS[name].arity])})"
