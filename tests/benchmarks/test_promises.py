"""The promises with few cases each; and that each of them would notice its being broken."""

import json
from argparse import Namespace
from dataclasses import replace
from random import Random

import pytest

from benchmarks.promises import agreement, engine, exact, promise, report, rules, run
from benchmarks.promises.promise import KEPT, LEFT_OUT, MISSED, Finding, LeftOut, Promise, keep
from benchmarks.promises.table import PROMISES
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ops

FEW = {
    "sum": 2_000, "memory": 2_000, "growth": 20, "torch": 40, "mpmath": 40, "naive": 100,
    "nasty": 200, "stories": 5, "bits": 4, "checker": 1, "kinks": 5, "special": 1, "compiled": 20,
    "corruption": 96, "text": 200,
}  # fmt: skip
BY_NAME = {p.name: p for p in PROMISES}
programs, naive = agreement.programs, agreement.naive


@pytest.fixture
def planted(monkeypatch):
    """A function that makes a row of the table wrong, in the table itself."""

    def plant(name, **facts):
        monkeypatch.setitem(ops.TABLE, name, replace(ops.TABLE[name], **facts))

    return plant


@pytest.mark.parametrize("name", FEW)
def test_a_promise_is_kept_with_few_cases(name):
    """The same code as `python -m benchmarks promises`."""
    row = keep(BY_NAME[name], FEW[name])

    if row["verdict"] == LEFT_OUT:
        pytest.skip(row["measured"])
    assert row["verdict"] == KEPT, row["faults"]


def test_every_operation_that_walks_a_graph_is_among_those_measured():
    """On a short chain, in a process of its own, each comes to an end with the right result."""
    seconds, faults = engine._deep(engine.sys.executable, 60, "walks")
    compiled, more = engine._deep(engine.sys.executable, 60, "compile")

    assert faults + more == []
    assert {"build", "backward", "deepcopy", "pickle", "explain", "delete"} < set(seconds)
    assert sum(name.startswith("draw, ") for name in seconds) == 5
    assert {"compile, python", "compile, numpy"} == set(compiled)


def test_an_operation_that_ends_in_an_error_is_a_fault(tmp_path):
    """Its name is that of the last line, and the error is shown."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho '[\"build\", 0.5]'\necho RecursionError: deep >&2\nexit 1\n")
    broken.chmod(0o755)

    seconds, faults = engine._deep(str(broken), 10, "walks")

    assert seconds == {"build": 0.5}
    assert faults == ["after build: RecursionError: deep"]


# --- random programs ---


def wrong_sin(row, *operands):
    """The naive engine, whose sin is off by 1e-11."""
    out = agreement._on_naive(row, *operands)
    if row == "sin":
        out.data *= 1.0 + 1e-11
    return out


def test_a_failing_program_is_shrunk_and_printed_as_a_script(capsys):
    """What differs is cut down to a sin and what it needs, and runs when pasted."""
    wrong = programs.Engine(lambda x: agreement._Naive(naive.Number(x)), wrong_sin)

    found = engine._agree(
        60, lambda p: agreement.differs(p, wrong, lambda v: float(v.number.grad)), "a wrong engine"
    )

    shortest = min(found.faults, key=len)
    assert found.measured == f"{60 - len(found.faults)} of 60 agree"
    assert len(found.faults) > 5
    assert all("sin(" in script for script in found.faults)
    assert len(shortest.splitlines()) <= 5
    exec(shortest, {})
    assert len(capsys.readouterr().out.split()) >= 2


@pytest.mark.parametrize("name", ["tanh", "mul", "maximum"])
def test_mpmath_notices_a_wrong_value_and_a_wrong_slope(name, monkeypatch):
    """By 1e-11 in either; PyTorch is not asked."""
    good = list(agreement.programs_of_block(0, 150, ["add", "neg", name]))
    assert not any(map(exact.differs, good[:40]))
    functions = dict(exact.functions(exact.DIGITS)[1])
    functions[name] = lambda *xs, f=functions[name]: f(*xs) * (1 + exact.functions(100)[0]("1e-11"))
    monkeypatch.setattr(exact, "functions", lambda digits: (float_of(digits), functions))

    assert sum(map(exact.differs, good)) > 20


def float_of(digits):
    """mpmath's numbers of so many digits."""
    import mpmath

    mp = mpmath.mp.clone()
    mp.dps = digits
    return mp.mpf


def divides_as_python(xp, x, y):
    """An exception where IEEE 754 has infinity."""
    raise ZeroDivisionError


WRONG = {
    "exceptions": replace(ops.DIV, forward=divides_as_python),
    "complex": replace(ops.NEG, partials=lambda xp, out, x: (-1.0 + 0j,)),
    "finite but wrong": replace(ops.EXP, forward=lambda xp, x: min(xp.exp(x), 1.7e308)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_nasty_program_that_goes_wrong_is_named(kind, monkeypatch):
    """An exception, a complex number, a finite number where inf is right."""
    try:
        theirs = agreement.on_torch()
    except LeftOut as reason:
        pytest.skip(str(reason))
    wrong = WRONG[kind]
    step = programs.Step(wrong.name, (0, 0)[: len(wrong.domain)])
    program = programs.Program((710.0,), (step,))
    assert exact.verdict(program, theirs) == ""

    broken = programs.Engine(Value, lambda row, *xs: as_function(wrong)(*xs))
    monkeypatch.setattr(programs, "VALUES", broken)

    assert exact.verdict(program, theirs) == kind


def test_where_pytorch_is_wrong_mpmath_decides():
    """tanh'(30) is 3.5e-26, which 1 - tanh(30)**2 has as 0."""
    try:
        theirs = agreement.on_torch()
    except LeftOut as reason:
        pytest.skip(str(reason))
    program = programs.Program((30.0,), (programs.Step("tanh", (0,)),))

    assert exact.verdict(program, theirs) == ""


# --- rows ---


def test_a_checker_that_sleeps_is_noticed(monkeypatch):
    """If check_rule passed everything, each planted error would be a fault."""
    monkeypatch.setattr(rules, "check_rule", lambda op, *point: None)

    found = rules.wrong_rows(1)

    assert len(found.faults) == sum(len(op.domain) for op in ops.TABLE.values())


def test_a_slope_beyond_the_kink_is_noticed(planted):
    """relu'(0) = 1.5 lies between nothing."""
    planted("relu", partials=lambda xp, out, x: (1.5,))

    assert "relu(0.0,): 1.5 is not between 0.0 and 1.0" in rules.kinks(1).faults


def test_a_special_value_that_is_not_ieee_is_noticed(planted):
    """An exp that stops at the largest float."""
    planted("exp", forward=lambda xp, x: min(xp.exp(x), 1.7e308))

    assert any(fault.startswith("exp(710.0,)") for fault in rules.special_values(1).faults)


# --- growth and bits ---


def test_a_training_loop_that_keeps_its_graphs_is_noticed():
    """100 graphs kept are more than 1 MiB."""
    found = engine.growth(100, "globals().setdefault('kept', []).append(loss)")

    assert found.faults


def test_what_depends_on_the_hash_seed_is_noticed(monkeypatch):
    """A sum over a set of strings in its own order has several patterns."""
    step = "print('0x' * 101, [len(w) for w in {'a', 'bb', 'ccc', 'dddd', 'eeeee'}])"
    monkeypatch.setattr(engine, "tool", lambda name: Namespace(STEP=step))

    assert engine.same_bits(8).faults


# --- the command ---


def promised(found=None, error=None, name="one"):
    """A promise that finds this."""

    def measure(cases):
        if error:
            raise error
        return found

    return Promise(name, "a promise", "a target", measure, 10, 1, ("bad", "", "", ""))


@pytest.fixture
def pages(monkeypatch, tmp_path):
    """Results and page in a folder of the test."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results" / "promises.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "docs" / "promises.md")
    return tmp_path


def command(monkeypatch, promises, **options):
    """Run the command on these promises."""
    monkeypatch.setattr(run, "PROMISES", tuple(promises))
    return run.main(Namespace(**({"only": None, "quick": False} | options)))


def test_what_is_kept_is_written(pages, monkeypatch, capsys):
    """Exit code 0, a row in the JSON, a line of the page with the figures of peers."""
    code = command(monkeypatch, [promised(Finding("fine | so", []))])

    row = json.loads(report.RESULTS.read_text())["one"]
    assert code == 0
    assert (row["verdict"], row["cases"], row["measured"]) == (KEPT, 10, "fine | so")
    assert "| a promise | a target | fine \\| so | kept | bad |" in report.PAGE.read_text()
    assert "missed: nothing" in capsys.readouterr().out


def test_what_is_missed_is_listed(pages, monkeypatch, capsys):
    """Exit code 1, and each fault is shown."""
    code = command(monkeypatch, [promised(Finding("3 of 4", ["the fourth"]))])

    assert code == 1
    assert "missed: one, 3 of 4\n  the fourth" in capsys.readouterr().out
    assert "## Missed" in report.PAGE.read_text()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LeftOut("no such thing here"), "left out: no such thing here"),
        (ModuleNotFoundError("No module named 'x'", name="x"), "left out: x is not installed"),
    ],
)
def test_what_can_not_be_measured_is_left_out(pages, monkeypatch, capsys, error, said):
    """It says why, and is neither kept nor missed."""
    code = command(monkeypatch, [promised(error=error)])

    assert code == 0
    assert json.loads(report.RESULTS.read_text())["one"]["measured"] == said
    assert "left out" in capsys.readouterr().out


def test_a_quick_run_writes_nothing(pages, monkeypatch):
    """Fewer cases are not the promise."""
    command(monkeypatch, [promised(Finding("fine", []))], quick=True)

    assert list(pages.iterdir()) == []


def test_only_some_leave_the_others_as_they_were(pages, monkeypatch):
    """Their rows stay in the results and on the page."""
    two = [promised(Finding("1", []), name="one"), promised(Finding("2", []), name="two")]
    command(monkeypatch, two)

    command(monkeypatch, [promised(Finding("3", []), name="one"), two[1]], only=["one"])

    rows = json.loads(report.RESULTS.read_text())
    assert [row["measured"] for row in rows.values()] == ["3", "2"]


def test_a_name_that_is_no_promise_is_refused(pages, capsys):
    """With the names that are."""
    code = run.main(Namespace(only=["speed"], quick=False))

    assert code == 2
    assert "no promise is called speed" in capsys.readouterr().err


def test_a_suite_that_skips_or_finds_nothing_has_shown_nothing(tmp_path):
    """A skipped test is a fault, and so is none at all."""
    file = tmp_path / "test_it.py"
    file.write_text("import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('not here')\n")

    count, faults = promise.suite([str(file)])
    none = promise.suite([str(file), "-k", "nothing_of_this_name"])

    assert (count, len(faults)) == (2, 1)
    assert none == (0, ["no test was found"])


def test_the_page_is_that_of_the_results():
    """docs/promises.md is made of benchmarks/results/promises.json, and of nothing else."""
    rows = json.loads(report.RESULTS.read_text(encoding="utf-8"))

    assert report.PAGE.read_text(encoding="utf-8") == report.as_markdown(rows, PROMISES)
    assert [p.name for p in PROMISES if p.name in rows] == list(rows)
    assert all(row["cases"] == BY_NAME[name].cases for name, row in rows.items())


def test_verdicts_are_three():
    """Kept, missed, left out."""
    assert len({KEPT, MISSED, LEFT_OUT}) == 3
    assert len(BY_NAME) == len(PROMISES)
    assert set(FEW) <= set(BY_NAME)


def test_seeds_name_nasty_programs():
    """The same seed, the same program."""
    first, again = (agreement.nasty_program(Random("nasty/1")) for _ in range(2))

    assert repr(first) == repr(again)


@pytest.mark.parametrize("make", [lambda x: x + 1.0, lambda x: x.exp(), lambda x: 2.0 * x])
def test_a_fresh_result_has_no_gradient(make):
    """Before any backward it is 0.0, of one input or of two (a mutant that survived)."""
    assert make(Value(0.5)).grad == 0.0


def test_a_divisor_may_be_any_number_but_zero():
    """The domain says so from both sides of 0 on (a mutant that survived)."""
    assert ops.DIV.domain[1] == ((-float("inf"), 0.0), (0.0, float("inf")))
