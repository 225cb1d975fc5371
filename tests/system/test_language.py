"""The language of the project: verbs, full sentences, the field's words, and fixes that work."""

import ast
import configparser
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted([*(ROOT / "tinygrad_edu").rglob("*.py"), *(ROOT / "docs").glob("*.py")])
PROSE = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]

_VERBS = """
accept accumulate add adjust advance allow answer append apply approximate arrange ask assemble
assign attach average begin bind blur break bring build cache calculate call cancel cast center
change check choose classify clear clip close collapse collect color combine compare compile
complete compose compute concatenate connect construct continue convert copy correct count cover
create cut decide declare decode define delete derive describe detach detect determine diagnose
differentiate discard display divide download draw drop emit enable encode end enter escape
estimate evaluate execute exit expand explain export extend extract extrapolate fail fetch fill
filter find finish fit flatten flip fold follow forbid forget format forward freeze generate get
give go grade guard hand handle hash hide hold identify ignore import initialize insert install
interpolate invert join judge keep label lay leave lend let limit link list load locate look lower
make map mark match measure mend merge mirror mix move multiply name normalize notice number
observe offer open outline pack pad pair parse pass patch pause permute pick pickle place plan
plant plot predict prepare print produce propagate prove pull push put quote raise rank read
rebuild receive recognize recompute record reduce refuse register remember remove rename render
reorder repeat replace replay report represent require rescale reset reshape resolve restore
restrict resume return reverse rewrite round run save say scale scan score search select send
separate serve set shift shorten show shrink shuffle sign simplify skip snapshot solve sort split
stack standardize start step stop store stretch strip substitute subtract suggest sum summarize
suspend swap switch take tell test trace track train transform translate transpose try turn undo
unlink unpack unroll update use validate verify visit wait walk warn watch weigh widen wrap write
yield zero
"""
VERBS = {*_VERBS.split()}

# what is refused, and what to write instead
REFUSED = {
    r"(?<!there )\b(is|are|was|were) no (?!longer\b|more\b)": "is not a ...",
    r"(?<!there )\b(is|are) (?-i:none)\b": "is not one of ..., or: there is none",
    r"\ban? (row|column|box|line|byte|layer|file|name|page|sheet|sample|neuron|node|wire|batch"
    r"|epoch|update|step|word|digit|class|module|notebook|point|run|value) an? (?!few\b)\w+": (
        "one row per sample"
    ),
    r"\bone (row|column|box|line|file|page) an? \w+": "one row per sample",
    r"\bone an? (row|column|box|line|layer|file|name|sample|neuron|node|wire|batch|epoch)\b": (
        "one per line"
    ),
    r"(?<!one )\bto one\.": "to 1, or to the thing that is meant",
    r"(?<!already )(?<!is )(?<!are )\bin use\b": "in evaluation mode",
    r"\bwhat (a|the) (model|network) says\b": "the prediction",
    r"\banswers? of (a|the) (layer|model|neuron|network)\b": "the output",
    r"\b(a|the|each) bend\b|\bbends? the sum\b": "the activation function",
    r"\bless what\b": "minus the target",
    r"\bwires? (a|the) sums?\b": "connect",
    r"\bthe (text)?book('s)?\b(?! theme)": "Das and Varma",
    r"\bthe chapter('s)?\b": "Das and Varma",
    r"\bbuilt otherwise\b": "has a different structure",
    r"\bto be had\b": "get",
}

# a fix whose object the reader would have to guess
VAGUE = re.compile(
    r"\b(add|choose|drop|give|make|pass|pick|return|set|take|try|use|write) "
    r"(one|another|another one|a new one|one of (these|them|the two)|these|them|some|fewer)"
    r"(?=$|[.,;])|^see the \w+\.$|^(name|write) a \w+\.$|\bto one\.$",
    re.IGNORECASE,
)


def documented(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[int, str, str]]:
    """The line, the name and the docstring of each public function, method and property."""
    for node in body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from documented(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (docstring := ast.get_docstring(node)):
            yield node.lineno, owner + node.name, docstring


def without_verb(source: str) -> list[str]:
    """The docstrings of public functions that don't begin with a verb in the imperative."""
    return [
        f"{line}: {name} begins {' '.join(docstring.split()[:5])!r}, not with a verb"
        for line, name, docstring in documented(ast.parse(source).body)
        if docstring.split()[0].lower().strip(",.:;") not in VERBS
    ]


def written(node: ast.expr) -> str:
    """The text of a string or an f-string; what is filled in stands as ``{expression}``."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(written, node.values))
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The strings of a file, docstrings among them, and its comments, with their lines."""
    nodes = [*ast.walk(ast.parse(source))]
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts:
            yield node.lineno, written(node)
    last, comment = 0, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if comment and token.start[0] != last + 1:
                yield last, comment
                comment = ""
            last, comment = token.start[0], f"{comment} {token.string.lstrip('# ')}"
    yield last, comment


def paragraphs(file: Path) -> Iterator[tuple[int, str]]:
    """The paragraphs of a page with the lines they begin in; of a changelog what is unreleased."""
    text = file.read_text(encoding="utf-8")
    if file.name == "CHANGELOG.md":  # what was released is history
        text = re.split(r"^## (?!\[?Unreleased)", text, maxsplit=1, flags=re.MULTILINE)[0]
    line = 1
    for paragraph in text.split("\n\n"):
        yield line, paragraph
        line += paragraph.count("\n") + 2


def refused(where: int, text: str) -> list[str]:
    """The refused phrases in a text, each with what to write instead."""
    plain = " ".join(text.split())
    return [
        f"{where}: {found.group()!r} in {plain[max(found.start() - 30, 0) : found.end() + 20]!r}; "
        f"write: {instead}"
        for pattern, instead in REFUSED.items()
        for found in re.finditer(pattern, plain, re.IGNORECASE)
    ]


def fixes(source: str) -> Iterator[tuple[int, str]]:
    """The text of each ``fix=...`` with its line; of a choice between two, both."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "fix":
            choice = isinstance(node.value, ast.IfExp)
            for part in (node.value.body, node.value.orelse) if choice else (node.value,):
                yield part.lineno, written(part)


def vague(source: str) -> list[str]:
    """The fixes that leave the reader to guess what to do.

    A fix begins with a verb, a command or code, and names what to act on.
    """
    found = []
    for line, fix in fixes(source):
        first = fix.partition(" ")[0].lower().strip(",.:;")
        if first not in {*VERBS, "pip", "python", ""} and not re.search(r"[({=]", first):
            found.append(f"{line}: fix={fix!r} begins with neither a verb nor a command nor code")
        if VAGUE.search(fix) and "for example" not in fix:
            found.append(f"{line}: fix={fix!r} names neither code nor what to act on")
    return found


def faults_of_code(source: str) -> list[str]:
    """All that the rules have against the docstrings, messages and comments of a source."""
    phrases = [fault for where, text in texts(source) for fault in refused(where, text)]
    return [*without_verb(source), *phrases, *vague(source)]


def faults(file: Path) -> list[str]:
    """All that the rules of language have against a file; cells of a notebook are counted."""
    if file.suffix == ".py":
        return faults_of_code(file.read_text(encoding="utf-8"))
    if file.suffix == ".md":
        return [fault for where, text in paragraphs(file) for fault in refused(where, text)]
    found = []
    for number, cell in enumerate(json.loads(file.read_text(encoding="utf-8"))["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            found += refused(number, text)
        else:
            found += [f"cell {number}, line {fault}" for fault in faults_of_code(text)]
    return found


def name_of(file: Path) -> str:
    """The path of a file in the project."""
    return file.relative_to(ROOT).as_posix()


def test_every_text_keeps_to_the_language():
    """Verbs first, no refused phrase, fixes that say what to do: in code, pages and notebooks."""
    found = {name_of(file): faults(file) for file in (*CODE, *PROSE)}

    assert {name: these for name, these in found.items() if these} == {}


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ('def f():\n    """What a sample is."""\n', "not with a verb"),
        ('class A:\n    @property\n    def f(self):\n        """The rows."""\n', "A.f begins"),
        ('"""A row a sample."""\n', "one row per sample"),
        ('say(f"{x!r} is no Value.")\n', "is not a"),
        ('say("it "\n    "is none of these.")\n', "there is none"),
        ("x = 1  # as in the\n# book\n", "Das and Varma"),
        ('raise E("no.", fix="choose one of these.")\n', "names neither code nor"),
        ('raise E("no.", fix="see the list." if x else "add one.")\n', "'add one.'"),
        ('raise E("no.", fix=f"set {name} to one.")\n', "names neither code nor"),
        ('raise E("no.", fix="a smaller number.")\n', "begins with neither a verb nor"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, planted, told):
    """Each rule can fail, in a docstring, a message, a comment and a fix."""
    file = tmp_path / "planted.py"
    file.write_text(planted, encoding="utf-8")

    assert told in "\n".join(faults(file))


@pytest.mark.parametrize(
    "text",
    ["There is no dot.", "It is no longer so.", "x is None", "one row per sample", "a port in use"],
)
def test_plain_english_is_not_refused(tmp_path, text):
    """The list refuses riddles, not the words in them."""
    assert refused(1, text.replace("a port", "a port is")) == []


def test_pages_and_notebooks_are_read(tmp_path):
    """A fault in a cell is found, text or code, and one in what is not released yet."""
    cells = [
        {"cell_type": "markdown", "source": ["Now the\n", "book."]},
        {"cell_type": "code", "source": ["x = 1\n", "# the book"]},
    ]
    notebook, changes = tmp_path / "01.ipynb", tmp_path / "CHANGELOG.md"
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    changes.write_text("## Unreleased\n\nin use\n\n## 0.1\n\nin use\n", encoding="utf-8")

    found = [fault.partition(":")[0] for fault in (*faults(notebook), *faults(changes))]

    assert found == ["0", "cell 1, line 2", "3"]


def test_every_extra_that_is_named_exists():
    """A pip command in a message, a page or a notebook names an extra of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    known = set(setup["options.extras_require"])
    named = {
        (name_of(file), extra)
        for file in (*CODE, *PROSE)
        for extras in re.findall(
            r"tinygrad_edu\[([a-z, ]+)\]", file.read_text(encoding="utf-8").replace('\\"', '"')
        )
        for extra in extras.replace(" ", "").split(",")
    }

    assert named
    assert {(name, extra) for name, extra in named if extra not in known} == set()
