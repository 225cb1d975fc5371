"""Arithmetic written as text, for the command line: parsed with ``ast``, a whitelist, never run.

What is allowed: numbers, names, ``+ - * / **``, parentheses and the functions of the table.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygrad_edu.engine import Value, functions, ops
from tinygrad_edu.engine.errors import ExpressionError, TinygradEduError

LONGEST = 10_000  # characters
FUNCTIONS: dict[str, Callable[..., Any]] = {
    op.name: functions.as_function(op) for op in ops.TABLE.values()
} | {"max": functions.maximum, "min": functions.minimum}
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
    """The graph of an expression, and its named leaves in the order given.

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
    done: dict[ast.AST, Any] = {}
    used: set[str] = set()
    words = _words(text)
    for node in _inputs_first(tree):
        if isinstance(node, ast.Name):
            used.add(node.id)
        done[node] = _one(node, done, named, words)
        if isinstance(done[node], Value) and not done[node].label:
            done[node].label = words(node)
    if unused := [name for name in given if _as_parsed(name) not in used]:
        raise ExpressionError(
            f"{', '.join(unused)} got a value, but is not in the expression.",
            expected=f"values for {', '.join(sorted(used)) or 'nothing'}",
            fix="remove it, or correct its name.",
        )
    root = done[tree]
    return (root if isinstance(root, Value) else Value(root, text)), leaves


def parse_number(assignment: str) -> tuple[str, float]:
    """``"w0=2"`` as ``("w0", 2.0)``; ExpressionError for anything else."""
    name, equals, number = (part.strip() for part in assignment.partition("="))
    try:
        if equals and name.isidentifier() and _as_parsed(name) not in FUNCTIONS:
            return _as_parsed(name), float(number)
    except ValueError:
        pass
    raise ExpressionError(
        f"{assignment!r:.60} is no name with a number.",
        expected="name=number, a name that is no function, such as w0=2 or x=-1e-3",
        fix="write one such word for each name in the expression.",
    )


def _as_parsed(name: str) -> str:
    """The spelling that Python gives a name: the micro sign µ becomes the letter μ (PEP 3131)."""
    return unicodedata.normalize("NFKC", name)


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(
            f"the expression has {len(text):,} characters.",
            expected=f"at most {LONGEST:,}",
            fix="write it as a Python function of Values instead.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused in words below
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(
            f"{text!r:.60} is not an expression: {str(error) or type(error).__name__}.",
            expected='arithmetic such as "sigmoid(w*x + b)"',
            fix="check its parentheses and operators; nest it less deeply.",
        ) from None


def _words(text: str) -> Callable[[ast.expr], str]:
    """The text of each part. ``ast.get_source_segment`` would look for the lines every time."""
    raw = text.encode()  # ast counts bytes
    lines = [0, *(line.end() for line in re.finditer(rb"\r\n|\r|\n", raw))]

    def words(node: ast.expr) -> str:
        end = lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        return raw[lines[node.lineno - 1] + node.col_offset : end].decode()

    return words


def _unknown(node: ast.expr, name: str) -> ExpressionError:
    functions = ", ".join(FUNCTIONS)
    if isinstance(node, ast.Name) and node.id in FUNCTIONS:
        row = ops.TABLE.get(node.id)
        call = f"{node.id}({'x' if row and row.arity == 1 else 'x, y'})"
        return ExpressionError(f"{node.id} is a function.", fix=f"write {call}.")
    if isinstance(node, ast.Name):
        fix = f"add {node.id}=NUMBER after the expression."
        return ExpressionError(f"the name {name} has no value.", functions=functions, fix=fix)
    return ExpressionError(f"{name} is no function.", functions=functions, fix="use one of these.")


def _inputs_first(tree: ast.expr) -> list[ast.expr]:
    """The sub-expressions, operands before results, without recursion."""
    order: list[ast.expr] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(_operands(node))
    return order[::-1]


def _operands(node: ast.expr) -> Iterable[ast.expr]:
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.UnaryOp):
        return (node.operand,)
    return node.args if isinstance(node, ast.Call) else ()


def _number(node: ast.expr) -> float | None:
    """The number that a literal is; a bool, which Python counts as one, is none here."""
    literal = node.value if isinstance(node, ast.Constant) else None
    if isinstance(literal, bool) or not isinstance(literal, int | float):
        return None
    return float(literal)


def _one(
    node: ast.expr,
    done: Mapping[ast.AST, Any],
    leaves: dict[str, Value],
    words: Callable[[ast.expr], str],
) -> Any:
    """The value of one sub-expression whose operands are done."""
    operands = [done[child] for child in _operands(node)]
    try:
        if isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](*operands)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return FUNCTIONS[node.func.id](*operands)
        if (number := _number(node)) is not None:
            return number
        if isinstance(node, ast.Name):
            return leaves[node.id]
    except KeyError as error:
        raise _unknown(node, str(error)) from None
    except (TinygradEduError, OverflowError) as error:
        raise ExpressionError(f"{str(error).splitlines()[0]}", fix="see the functions.") from None
    raise ExpressionError(
        f"{words(node)!r:.60} is not allowed in an expression.",
        expected="numbers, names, + - * / **, parentheses, and " + ", ".join(FUNCTIONS),
        fix="rewrite that part with these.",
    )
