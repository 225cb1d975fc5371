"""``check``: an answer is graded and recorded, hints come in stages, the solution last."""

import pytest

from tinygrad_edu.course import EXERCISES, check, progress
from tinygrad_edu.engine.errors import SettingError


def test_a_right_answer_is_printed_and_true(capsys):
    """The text is shown once; the verdict is true."""
    verdict = check.remember_1(-8)

    assert verdict
    assert capsys.readouterr().out == "✓ remember_1: right\n"


def test_a_wrong_answer_prints_and_does_not_raise(capsys):
    """With the mistake, and how to get a hint."""
    verdict = check.chain_rule_2(lambda x, y: [x, y + 3])

    assert not verdict
    out = capsys.readouterr().out
    assert out.startswith("✗ chain_rule_2: not yet\n  x and y are swapped")
    assert "check.chain_rule_2.hint(1)" in out


@pytest.mark.parametrize("answer", [..., None])
def test_an_open_exercise_never_raises(answer, monkeypatch, capsys):
    """Not in CI either: notebooks are committed with exercises open."""
    monkeypatch.setenv("CI", "true")

    check.chain_rule_2(answer)
    check.chain_rule_2(lambda x, y: answer)

    out = capsys.readouterr().out
    assert out.count("○ chain_rule_2: open") == 2
    assert "Write slope" not in out, "the question stands above the cell"


def test_without_an_answer_the_question_is_shown(capsys):
    """Nothing is graded, and no try is counted."""
    check.chain_rule_2()

    assert "○ chain_rule_2: open\n  L = x·y + 3x. Write slope(x, y)" in capsys.readouterr().out
    assert progress().solved == 0


def test_hints_come_in_order_and_may_be_seen_again(capsys):
    """The second is not shown before the first; the next is the default, at the end the last."""
    hints = EXERCISES["gates_3"].hints

    shown = [check.gates_3.hint(2).words, *(check.gates_3.hint().words for _ in hints)]

    assert hints[1] not in shown[0]
    assert all(hint in words for hint, words in zip([*hints, hints[-1]], shown, strict=True))
    assert hints[0] in check.gates_3.hint(1).words


def test_a_hint_that_can_not_be_is_refused():
    """Stages are whole numbers from 1."""
    with pytest.raises(SettingError, match="stage is 0"):
        check.gates_3.hint(0)


def test_the_solution_comes_after_the_hints(capsys):
    """Before, it is told how many are left to see; then a wrong answer offers it."""
    exercise = EXERCISES["remember_1"]

    early = check.remember_1.solution()
    for _ in exercise.hints:
        check.remember_1.hint()
    late = check.remember_1.solution()

    assert exercise.solution not in early.text + early.code
    assert f"seen 0 of {len(exercise.hints)}" in early.words
    assert late.code == exercise.solution
    assert "check.remember_1.solution()" in check.remember_1(1).words


def test_who_has_solved_it_may_see_the_solution(capsys):
    """Without any hint."""
    check.remember_1(-8)

    assert check.remember_1.solution().code == EXERCISES["remember_1"].solution


def test_an_unknown_exercise_gets_those_like_it():
    """A slip of the finger is answered with names that are similar."""
    with pytest.raises(AttributeError, match=r"no exercise is called 'chain_rul_2'.*chain_rule_2"):
        check.chain_rul_2  # noqa: B018


def test_all_names_are_offered_for_completion():
    """The Tab key shows the exercises."""
    assert dir(check) == sorted(EXERCISES)


def test_the_check_itself_shows_the_question():
    """As text and as HTML."""
    assert repr(check.remember_1) == f"remember_1: {EXERCISES['remember_1'].statement}"
    assert "<b>remember_1</b>" in check.remember_1._repr_html_()


def test_solving_is_recorded_and_not_forgotten(capsys):
    """A later wrong answer does not undo a right one."""
    check.remember_1(-8)
    check.remember_1(8)

    assert progress().solved == 1


def test_two_answers_are_told_to_be_one_list(capsys):
    """As when brackets are forgotten."""
    verdict = check.chain_rule_3(2, 5)

    assert "these are 2" in verdict.words
    assert "brackets" in verdict.words


def test_an_answer_without_its_exercise_is_refused_in_words():
    """The name is easily forgotten."""
    with pytest.raises(SettingError, match=r"which exercise.*\n(.*\n)*.*check\.remember_1"):
        check(-8)
