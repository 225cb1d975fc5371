"""Files, text, figures, compiler, mutation: each promise would notice its being broken."""

import ast
import json
import os
import sys
from contextlib import suppress
from random import Random
from time import process_time

import pytest

from benchmarks import mutation
from benchmarks.promises import compiler, figures, files, fuzz, huge, mutants, promise, saver
from benchmarks.promises.promise import KEPT, LEFT_OUT, keep
from benchmarks.promises.table import PROMISES
from tinygrad_edu import Value
from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.nn import MLP, save

needs_limits = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and its limits")


@pytest.fixture
def path(tmp_path):
    """Where a model of step 1 was saved."""
    path = tmp_path / "model.json"
    save(saver.model_of(1), path, step=1)
    return path


# --- files ---


def test_each_kind_of_corruption_is_a_file_of_its_own():
    """None is the good file, and the same seed makes the same one."""
    for name, kind in files.KINDS.items():
        made = [kind(Random(seed)) for seed in (1, 1, *range(2, 12))]

        assert files.GOOD not in made, name
        assert made[0] == made[1], name
        assert len(set(made)) > 1, name


@pytest.mark.parametrize("kind", ["huge numbers", "nan", "no number", "another shape"])
def test_hostile_files_are_signed(kind):
    """Their sha256 fits, so that it is not what refuses them."""
    import hashlib

    content = files.KINDS[kind](Random(0))
    head, _, rest = content.partition(b",")

    assert head.endswith(hashlib.sha256(b"{" + rest[:-1]).hexdigest().encode() + b'"')


def careless(model, path):
    """A loader that takes whatever is JSON."""
    if path.stat().st_size > 10**6:
        refuse(path, f"{path}: too large.", "restore it.")
    try:
        parameters = json.loads(path.read_bytes())["parameters"]
    except Exception:
        raise FileError(f"{path}: not JSON.", fix="restore it.") from None
    for name, value in model.named_parameters():
        value.data = parameters.get(name, 0.0)


def test_a_careless_loader_is_noticed(monkeypatch):
    """One without a sha256 loads hundreds in silence."""
    monkeypatch.setattr(files, "load", careless)

    found = files.corruptions(160)

    assert sum("loaded in silence" in fault for fault in found.faults) > 40


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        (lambda m, p: exec("1"), "loaded in silence"),
        (lambda m, p: [][1], "IndexError"),
        (lambda m, p: refuse(p, "bad.", "x"), "the message is"),
        (lambda m, p: (os.listdir("."), refuse(p, f"{p}: bad.", "x")), "it ran os.listdir"),
        (lambda m, p: refuse(p, f"{p}: {'x' * 500}.", "x"), "a message of"),
        (lambda m, p: (m.zero(), refuse(p, f"{p}: bad.", "x")), "the model was changed"),
    ],
)
def test_each_way_to_receive_a_file_badly_is_named(loader, said, path, monkeypatch):
    """Silence, another exception, another message, code that runs, a changed model."""

    class Model(MLP):
        def zero(self):
            self.layers[0].neurons[0].b.data = 5.0

    monkeypatch.setattr(files, "load", loader)

    assert said in files.refused(Model(2, [1]), path)


def refuse(path, what, fix):
    """Raise what a loader raises."""
    raise FileError(what, fix=fix)


@needs_limits
def test_a_save_in_place_would_be_noticed(path, monkeypatch):
    """One that writes into the file itself loses it at most bytes."""

    def in_place(model, path, **facts):
        content = path.read_bytes().replace(b"1.0", b"2.0")
        try:
            with path.open("wb") as file:
                file.write(content)
        except OSError as error:
            raise FileError(f"{path} can't be written: {error}.", fix="try again.") from None

    monkeypatch.setattr(saver, "save", in_place)
    good = path.read_bytes()
    hard = saver.resource.getrlimit(saver.resource.RLIMIT_FSIZE)[1]
    saver.resource.setrlimit(saver.resource.RLIMIT_FSIZE, (len(good) // 2, hard))
    try:
        said = saver._worded(path, 2)
    finally:
        saver.resource.setrlimit(saver.resource.RLIMIT_FSIZE, (hard, hard))

    assert said == []
    assert "not JSON" in saver.lost(path, 1)[0]


def test_a_file_of_another_step_is_noticed(path):
    """Whole, but not one of those allowed."""
    assert saver.lost(path, 1) == []
    assert saver.lost(path, 2) == ["step 1, not one of (2,)"]
    assert saver.lost(path.with_name("none.json"), 1)


@pytest.mark.slow
@needs_limits
def test_saves_are_cut_and_killed(tmp_path):
    """Each case runs, and nothing is lost: 5 kills here, 1,000 in the command."""
    row = keep(next(p for p in PROMISES if p.name == "interrupted"), 5)

    assert row["verdict"] == KEPT, row["faults"]
    assert row["figures"]["killed by SIGKILL"] == 5
    assert row["figures"]["killed at a byte"] > 500


# --- text ---


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("exp(x) + -y**2 / 3.5", True),
        ("x.data", False),
        ("print(x)", False),
        ("exp(x=1)", False),
        ("z", False),
        ("exp", False),
        ("(x, y)", False),
        ("x < y", False),
        ("True", False),
        ("1j", False),
        ("'x'", False),
        ("x[0]", False),
        ("x // y", False),
        ("(exp)(x)", True),
    ],
)
def test_the_whitelist_of_the_fuzzer(text, fine):
    """Written anew, so that the parser is not judged by itself."""
    assert fuzz.allowed(text) is fine


@pytest.mark.parametrize("text", ["x.data", "(lambda: x)()", "x if x else y", "x.exp()"])
def test_a_parser_that_evaluates_is_noticed(text, monkeypatch):
    """Python's eval accepts too much."""
    monkeypatch.setattr(fuzz, "evaluate", lambda text, given: (run_it(text), {}))

    accepted, fault = fuzz.judged(text)

    assert fault or not accepted
    assert fuzz.judged("x * 2") == (True, "")


def run_it(text):
    """A Value from a careless parser."""
    out = eval(text, {}, {"x": Value(0.5), "y": Value(1.0)})
    return out if isinstance(out, Value) else Value(1.0)


def test_what_runs_is_heard(monkeypatch):
    """An import, an open, an exec in the parser are each a fault."""
    sys.addaudithook(fuzz.listen)
    for word in ("import this_is_not_there_at_all", "open('/dev/null').close()", "exec('1')"):
        code = compile(word, "careless", "exec")

        def careless(text, given, code=code):
            with suppress(ImportError):
                exec(code)
            return Value(1.0), {}

        with monkeypatch.context() as patch:
            patch.setattr(fuzz, "evaluate", careless)
            assert "it ran" in fuzz.judged("x")[1]


def test_fuzzed_strings_are_of_all_kinds():
    """Both answers occur often, and what must be accepted is."""
    texts = [fuzz.text_of(Random(i)) for i in range(400)]
    answers = [fuzz.judged(text) for text in texts]

    assert all(fault == "" for _, fault in answers)
    assert 40 < sum(accepted for accepted, _ in answers) < 360
    assert all(fuzz.judged(fuzz.valid(Random(i)))[0] for i in range(100))


@pytest.mark.parametrize("text", fuzz.costly(), ids=lambda text: f"{text[:12]} {len(text)}")
def test_costly_strings_are_answered_at_once(text):
    """Towers of powers, 10,000 parentheses, numbers without end."""
    start = process_time()

    accepted, fault = fuzz.judged(text)

    assert fault == ""
    assert accepted in (True, False)
    assert process_time() - start < 1.0


# --- figures ---


@pytest.mark.parametrize("style", figures.STYLES)
def test_listed_labels_in_every_output_in_text(style):
    """SVG, its steps, HTML, DOT, trees, explanations, notebooks."""
    usual = figures.elements(figures.figures("plain", style))

    for label in [*promise.tool("test_labels").HOSTILE, *figures.PIECES[::7]]:
        assert list(figures.broken(figures.figures(label, style), usual)) == [], label


@pytest.mark.parametrize(
    ("output", "text", "said"),
    [
        ("svg", "<svg><script>alert(1)</script></svg>", "svg has ['script']"),
        ("html", "<div onclick='x'></div>", "html has"),
        ("text", "\x1b[31m", "text prints '\\x1b'"),
        ("dot", "\ud800", "dot can't be written as UTF-8"),
    ],
)
def test_a_label_that_breaks_out_is_noticed(output, text, said):
    """A script, an attribute, a control sequence, half a character."""
    made = figures.figures("plain", "circuit")
    usual = figures.elements(made)
    assert list(figures.broken(made, usual)) == []

    faults = list(figures.broken(made | {output: text}, usual))

    assert any(fault.startswith(said) for fault in faults)


def test_a_dot_that_hangs_is_given_up():
    """A program of that name that sleeps; the limit is cut to 0.3 s here."""
    assert huge.patience(0.3) < 5.0


@pytest.mark.slow
def test_a_figure_that_takes_too_long_is_noticed(monkeypatch):
    """Where the limit is a millisecond, each answer is a fault."""
    monkeypatch.setattr(huge, "HUGE", {"chain": lambda: huge.chain(300, Value)[0]})
    monkeypatch.setattr(huge, "SECONDS", 0.001)

    assert len(huge.too_much(1).faults) == 1 + len(huge.STYLES)


def test_an_output_that_breaks_or_takes_too_long_is_noticed(monkeypatch):
    """One of the outputs fails, one refuses without advice; the limit is nothing for all others."""

    def fail(root, most):
        raise RecursionError("too deep")

    def refuse(root, most):
        raise SettingError("no.")

    monkeypatch.setattr(huge, "HUGE", {"chain": lambda: huge.chain(300, Value)[0]})
    monkeypatch.setattr(huge, "FORMATS", ("svg",))
    monkeypatch.setattr(huge, "OUTPUTS", {"explain": fail, "repr": refuse})
    assert len(huge.every_output(1).faults) == 4

    monkeypatch.setattr(huge, "OUTPUT_SECONDS", 0.0)
    assert len(huge.every_output(1).faults) == 4 + 6


# --- compiler, mutation ---


def test_a_compiled_value_that_differs_is_noticed(monkeypatch):
    """1e-11 in the gradient, on either target."""
    real = compiler.compile_graph

    def wrong(root, target):
        program = real(root, target=target)
        walk = program.backward

        def backward():
            walk()
            program.gradient[0] *= 1.0 + 1e-11

        program.backward = backward
        return program

    monkeypatch.setattr(compiler, "compile_graph", wrong)
    x = Value(0.5)

    assert compiler.differing(x.exp() * x, {x: 0.0}) == ["numpy", "python"]


@pytest.mark.slow
def test_mutants_are_changes_of_one_place():
    """Each is Python, differs from the source and from the others, and says what it changes."""
    every = mutation.mutants()

    assert len(every) > 250
    assert len({(m.file, m.source) for m in every}) == len(every)
    assert {m.file for m in every} == set(mutation.SOURCES)
    for m in every[::10]:
        ast.parse(m.source)
        before, after = m.what.split(" -> ", 1)
        assert before.partition(": ")[2] != after


def test_a_score_of_other_sources_does_not_count(tmp_path, monkeypatch):
    """ops.py has changed since: the promise is left out, as where nothing was measured."""
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "mutation.json")
    mutated = next(p for p in PROMISES if p.name == "mutation")
    assert keep(mutated, 1)["verdict"] == LEFT_OUT

    figures = {"sources": "0" * 64}
    mutants.RESULTS.write_text(json.dumps(figures))

    assert "has changed since" in keep(mutated, 1)["measured"]


@pytest.mark.parametrize(("killed", "verdict"), [(97, KEPT), (96, "missed")])
def test_the_mutation_score_is_read(killed, verdict, tmp_path, monkeypatch):
    """97 of 100 is enough; below, the survivors are the faults."""
    survivor = {"what": "x -> y", "reason": "a gap"}
    figures = {"sources": mutation.digest(), "killed": killed, "mutants": 100, "possible": 300}
    figures |= {"score": killed / 100, "sampled": True, "seed": 0, "date": "2026-01-01"}
    monkeypatch.setattr(mutants, "RESULTS", tmp_path / "mutation.json")
    mutants.RESULTS.write_text(json.dumps(figures | {"survivors": [survivor]}))

    row = keep(next(p for p in PROMISES if p.name == "mutation"), 1)

    assert row["verdict"] == verdict
    assert (
        row["measured"] == f"{killed}.0 %, {killed} of 100 mutants killed (a sample of 300, seed 0)"
    )
