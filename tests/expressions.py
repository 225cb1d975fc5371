"""Random expressions, and evaluators of what is printed of them, which know nothing of ours.

Text is turned into Python, LaTeX into text; Python's own parser then says what belongs together.
"""

import ast
import operator
import re

from hypothesis import strategies as st

from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.symbols import Expression, variable

NAMES = {"x0": "x", "x1": "y", "out": "z"}
UNARY = ("negative", "abs", "exp", "log", "log1p", "sqrt", "sin", "cos", "tanh", "cosh")
BINARY = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum")
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal")
NUMBERS = (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, 1e-7, -1e-7, 1.5e-7, 1e16, 0.1 + 0.2)
SIGNS = {"−": "-", "⊙": "*", "·": "*", "^": "**", "∞": "inf", "∧": "and", "∨": "or"}
SIGNS |= {"≤": "<=", "≥": ">=", "≠": "!=", "=": "=="}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: ieee.divide,
    ast.Pow: ieee.power,
    ast.USub: operator.neg,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: all,
    ast.Or: any,
}


def expressions():
    """Return a strategy of expressions in x0, x1 and out, of all forms that rows can take."""
    leaves = st.sampled_from([*map(variable, NAMES), *NUMBERS])
    return st.recursive(leaves, _larger, max_leaves=12)


def _larger(inner):
    def call(names, *arguments):
        return st.builds(lambda *xs: Expression(xs[0], xs[1:]), st.sampled_from(names), *arguments)

    comparison = call(COMPARISONS, inner, inner)
    condition = comparison | call(("logical_and", "logical_or"), comparison, comparison)
    choice = call(("where",), condition, inner, inner | st.just(0.0))
    return call(UNARY, inner) | call(BINARY, inner, inner) | choice


def parts(atom):
    """Return an expression and all that it is made of."""
    return [atom, *(p for x in getattr(atom, "arguments", ()) for p in parts(x))]


def evaluate_text(text, of):
    """Compute what a line of mathematics says."""
    text = re.sub("[−⊙·^∞∧∨≤≥≠=]", lambda sign: f" {SIGNS[sign[0]]} ", text)
    beside = r"(?<![\w.])(\d[\d.]*(?:e(?: - )?\d+)?) (?=(?!if|else|and|or)[a-z(\[])"
    text = re.sub(beside, r"\1 * ", text)  # 2 x
    text = re.sub(r"(\de) - (\d)", r"\1-\2", text)  # 1e-7
    return _value(ast.parse(text.strip(), mode="eval").body, {**of, "inf": ieee.INF})


def evaluate_latex(text, of):
    """Compute what a formula of LaTeX says."""
    signs = {r"\odot": "⊙", r"\cdot": "⊙", r"\infty": "∞", r"\le": "≤", r"\ge": "≥", r"\ne": "≠"}
    signs |= {r"\land": "∧", r"\lor": "∨", "-": "−", r"\left\lvert": "abs(", r"\right\rvert": ")"}
    signs |= {r"\begin{cases}": "(", r"\end{cases}": ")", r"\text{if }": "if", r"\\": "else "}
    signs |= {r"& \text{otherwise}": "", "&": "", r"\left": "", r"\right": ""}
    beside = r"(10\^\{-?\d+\}) (?=[a-z(]|\\(?:left|sqrt|\w+(?:\(|\\left)))"
    text, before = re.sub(beside, r"\1 ⊙ ", text), ""
    for sign, plain in signs.items():
        text = text.replace(sign, plain) if sign[-1] in r"}&\-" else _command(sign, plain, text)
    while text != before:  # from the innermost braces outwards
        before, braces = text, r"\{([^{}]*)\}"
        text = re.sub(rf"\\frac{braces}{braces}", r"((\1) / (\2))", text)
        text = re.sub(rf"\\sqrt{braces}", r"sqrt(\1)", text)
        text = re.sub(rf"\^{braces}", r"^(\1)", text)
    return evaluate_text(re.sub(r"\\([a-z])", r"\1", text), of)


def _command(sign, plain, text):
    """Replace a command of LaTeX, but not the beginning of a longer one."""
    return re.sub(re.escape(sign) + "(?![a-z])", lambda _: plain, text)


def _value(node, of):
    match node:
        case ast.Constant(number):
            return float(number)
        case ast.Name(name):
            return of[name]
        case ast.List([condition]):
            return 1.0 if _value(condition, of) else 0.0
        case ast.IfExp(condition, yes, no):
            return _value(yes if _value(condition, of) else no, of)
        case ast.BoolOp(sign, sides):
            return OPERATORS[type(sign)](_value(side, of) for side in sides)
        case ast.UnaryOp(sign, x):
            return OPERATORS[type(sign)](_value(x, of))
        case ast.BinOp(x, sign, y) | ast.Compare(x, [sign], [y]):
            return OPERATORS[type(sign)](_value(x, of), _value(y, of))
        case ast.Call(ast.Name(name), arguments):
            function = getattr(ieee, {"max": "maximum", "min": "minimum"}.get(name, name))
            return function(*[_value(x, of) for x in arguments])
    raise ValueError(f"{ast.dump(node)} is no mathematics")
