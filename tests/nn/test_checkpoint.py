"""Files: every bit comes back, nothing damaged is loaded, nothing good is ever lost."""

import hashlib
import itertools
import json
import math
import os
import random
import re
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit import heard
from tinygrad_edu import Value
from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.nn import (
    MLP,
    BatchNorm,
    Dropout,
    Layer,
    Module,
    Residual,
    Sequential,
    load,
    read,
    save,
)
from tinygrad_edu.nn.checkpoint import LIMIT

FIRST_EDITION = Path(__file__).parent / "golden" / "first_edition.json"


class Bag(Module):
    """As many parameters as it is given numbers."""

    def __init__(self, *numbers):
        self.w = [Value(number) for number in numbers]


class Named(Module):
    """Holds what it is given, by name."""

    def __init__(self, **held):
        vars(self).update(held)


def data(model):
    """The numbers of a model."""
    return [p.data for p in model.parameters()]


@pytest.fixture
def path(tmp_path):
    """Where the model is saved."""
    return tmp_path / "model.json"


@pytest.fixture
def saved(path):
    """A small model on disk: MLP(2, [2, 1]), 9 parameters."""
    model = MLP(2, [2, 1], rng=random.Random(1))
    save(model, path, note="über", widths=[2, 1])
    return model


def signed(content):
    """The bytes of a file with this content and the sha256 that goes with it."""
    text = json.dumps(content, indent=1)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return f'{{\n "sha256": "{sha256}",{text[1:]}\n'.encode()


def content(**changes):
    """What the file of ``Bag(1.5)`` holds, with changes; None takes a key away."""
    whole = {
        "format": "tinygrad_edu checkpoint",
        "version": 1,
        "facts": {},
        "parameters": {"w0": 1.5},
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


# --- there and back -----------------------------------------------------------------------------


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_every_bit_comes_back(tmp_path_factory, numbers):
    """Also the smallest, the largest, and the sign of zero."""
    path = tmp_path_factory.mktemp("bits") / "model.json"
    model = Bag(*numbers)
    save(Bag(*numbers), path)
    for parameter in model.parameters():
        parameter.data = 0.5

    load(model, path)

    assert [x.hex() for x in data(model)] == [x.hex() for x in numbers]


def test_facts_come_back_as_they_were(path):
    """Text, numbers, truth, nothing, lists and dicts; ``path`` and ``model`` are free as names."""
    facts = {
        "model": "é\ud800\n",
        "path": [1, 2.5, True, None],
        "rest": {"a": {"b": []}},
        "n": 10**30,
    }

    save(Bag(1.0), path, **facts)

    assert read(path) == facts


def test_the_file_is_what_the_documentation_says(path):
    """Standard JSON; the sha256 is that of the text without its line."""
    save(Bag(1.5), path)

    assert path.read_bytes() == signed(content())
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_parameters_are_matched_by_name_not_by_order(path):
    """A class whose attributes were put in another order still loads."""

    class Line(Module):
        def __init__(self, **attributes):
            vars(self).update(attributes)

    save(Line(a=Value(1.0), b=Value(2.0)), path)
    model = Line(b=Value(0.0), a=Value(0.0))

    load(model, path)

    assert (model.a.data, model.b.data) == (1.0, 2.0)


KEYS = st.sampled_from(["a", "b", "a.b", "w", "w0", "w1", "0", 0, 1, "1", "layer1", "layers", None])
THINGS = st.recursive(
    st.sampled_from(["parameter", "constant", "module"]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def built(plan, count):
    """Build what a plan says, each Value with a number of its own."""
    if isinstance(plan, list):
        return [built(part, count) for part in plan]
    if isinstance(plan, dict):
        return {key: built(part, count) for key, part in plan.items()}
    value = Value(float(next(count)))
    if plan == "module":
        return Named(w=[value], w0=3)
    return value if plan == "parameter" else value.detach()


@given(plan=st.dictionaries(KEYS.filter(lambda key: isinstance(key, str)), THINGS, max_size=5))
def test_every_structure_comes_back_right_or_is_refused(tmp_path_factory, plan):
    """Lists in dicts in lists, keys with dots and digits: no number ever stands in for another."""
    path = tmp_path_factory.mktemp("names") / "model.json"
    first, second = (Named(**built(plan, itertools.count(start))) for start in (1, 1000))
    try:
        save(first, path)
    except SettingError:
        with pytest.raises(SettingError, match="are both named"):
            second.named_values()
        return

    load(second, path)

    every = [sorted(v.data for _, v in model.named_values()) for model in (first, second)]
    assert every[0] == every[1] == [float(i + 1) for i in range(len(every[0]))]
    assert repr(vars(first)) == repr(vars(second))


def test_tied_weights_are_kept_once(path):
    """A file has one name for what is one Value; a model that holds two in their place differs."""
    tied = Value(3.0)
    save(Named(a=tied, b=[tied]), path)
    model = Named(a=(mine := Value(0.0)), b=[mine])

    load(model, path)

    assert mine.data == 3.0
    with pytest.raises(FileError, match="only the model has 'b0'"):
        load(Named(a=Value(0.0), b=[Value(0.0)]), path)


def test_a_file_of_the_first_edition_loads():
    """It counted layers from 0, and called those of Sequential part0, part2, ..."""
    rng = random.Random(9)
    inner = Sequential(MLP(2, [2, 2], rng=rng))
    model = Sequential(
        Layer(2, 2, "tanh", rng=rng), BatchNorm(2), "relu", Dropout(0.5, rng), Residual(inner),
        Layer(2, 1, rng=rng),
    )  # fmt: skip

    load(model, FIRST_EDITION)

    kept = json.loads(FIRST_EDITION.read_text())["parameters"].values()
    assert sorted(v.data for _, v in model.named_values()) == sorted(kept)
    assert model.eval()([1.0, 2.0]).data == -1.4807802633353413
    assert read(FIRST_EDITION) == {"edition": "first"}


@pytest.mark.parametrize("other", [(2, 3), (1,), (1, 2, 3), (3, 4)], ids=str)
def test_layers_of_other_numbers_are_not_taken_for_those_of_the_first_edition(path, other):
    """Only names that this edition does not make are read in its way."""
    save(Named(**{f"layer{i}": Bag(1.0) for i in (1, 2)}), path)

    with pytest.raises(FileError):
        load(Named(**{f"layer{i}": Bag(0.0) for i in other}), path)


# --- damage -----------------------------------------------------------------------------------


def refuses(model, path, match=None, facts=False):
    """Loading fails in words that name the file, runs nothing, and leaves the model as it was.

    The facts are not to be had either, unless the file is right, and of another model.
    """
    before = data(model)
    with heard() as events, pytest.raises(FileError, match=match) as info:
        load(model, path)
    message = str(info.value)
    assert events == []
    assert message.startswith(f"{path}: ")
    assert "Fix : " in message
    assert len(message) <= 400
    assert data(model) == before
    with nullcontext() if facts else pytest.raises(FileError, match=match):
        read(path)


@pytest.mark.promise(name="corruption")
def test_a_file_cut_at_any_byte_is_refused(saved, path):
    """Each of its beginnings, the empty one and the one without the last byte included."""
    whole = path.read_bytes()
    model = MLP(2, [2, 1])

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refuses(model, path, "not JSON|damaged")


def corruptions(whole, count, other=b""):
    """So many damaged copies: bits turned, bytes changed, put in, taken out, doubled, swapped.

    Or they have the beginning of the one file and the end of the other.
    """
    rng = random.Random(2024)
    while count:
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            i, j = sorted((rng.randrange(len(damaged)), rng.randrange(len(damaged))))
            kind = rng.randrange(8 if other else 7)
            if kind == 0:
                damaged[i] ^= 1 << rng.randrange(8)
            elif kind == 1:
                damaged[i] = rng.choice(b'0123456789.eE+-,:"{}[] \n\t\r\x00\xff')
            elif kind == 2:
                damaged.insert(i, rng.choice(b'0123456789.e-,:"{}[] \n'))
            elif kind == 3:
                del damaged[i : i + rng.choice([1, 1, 2, 40])]
            elif kind == 4:
                damaged[i:i] = damaged[i:j]
            elif kind == 5:
                damaged[i], damaged[j] = damaged[j], damaged[i]
            elif kind == 6:
                damaged[i:j] = bytes(j - i)
            else:
                damaged[i:] = other[rng.choice([i, j]) :]
        if bytes(damaged) not in (whole, other):
            count -= 1
            yield bytes(damaged)


@pytest.mark.slow
@pytest.mark.promise(name="corruption")
def test_no_corruption_is_loaded(saved, path, cases, measured):
    """A single changed blank is refused, too, and a file whose end is that of another."""
    whole = path.read_bytes()
    save(MLP(2, [2, 1]), path, note="other", widths=[2, 1])
    other = path.read_bytes()
    model = MLP(2, [2, 1])

    for damaged in corruptions(whole, cases, other):
        path.write_bytes(damaged)
        refuses(model, path)
    measured(f"{cases:,} of {cases:,} refused, and {len(WRONG)} others that were made by hand")


def test_the_corruptions_would_reach_a_careless_reader(saved, path):
    """So the test above can fail: many of them are JSON with all names, and numbers changed."""
    whole = path.read_bytes()
    good = json.loads(whole)["parameters"]

    silent = 0
    for damaged in corruptions(whole, 2_000):
        try:
            parameters = json.loads(damaged)["parameters"]
            silent += parameters.keys() == good.keys() and parameters != good
        except (ValueError, KeyError, TypeError, AttributeError):
            continue

    assert silent > 50


def holding(number):
    """A signed file whose one parameter is this."""
    return signed(content(parameters={"w0": number}))


def edited(old, new):
    """A file that was changed after it was signed."""
    whole = signed(content())
    assert old in whole
    return whole.replace(old, new)


def spelled(number):
    """A file whose one parameter is spelled so, signed for this."""
    body = signed(content()).partition(b",")[2].rstrip(b"\n").replace(b"1.5", number)
    return b'{\n "sha256": "%b",%b\n' % (hashlib.sha256(b"{" + body).hexdigest().encode(), body)


def nested(depth):
    """Lists in lists in the facts."""
    return signed(content(facts={"x": 7})).replace(b"7", b"[" * depth + b"]" * depth)


WRONG = {
    "empty": (b"", "not JSON"),
    "no text": (b"\xff\xfe\x00", "not JSON"),
    "a pickle": (b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.", "not JSON"),
    "an old pickle": (b"cos\nsystem\n(S'touch hacked'\ntR.", "not JSON"),
    "a program": (b"__import__('os').system('touch hacked')\n", "not JSON"),
    "an archive": (b"PK\x03\x04" + bytes(50), "not JSON"),
    "an array": (b"\x93NUMPY\x01\x00" + bytes(99), "not JSON"),
    "a list": (b"[1, 2]", "not a checkpoint"),
    "another format": (signed(content(format="torch")), "not a checkpoint"),
    "newer version": (signed(content(version=2)), "version 2 of .*; this .* reads version 1"),
    "version as text": (signed(content(version="1")), "version '1' of the format"),
    "version as truth": (signed(content(version=True)), "version True of the format"),
    "no version": (signed(content(version=None)), "version None of the format"),
    "extra key": (signed(content(code="import os")), "has the keys"),
    "no facts": (signed(content(facts=None)), "has the keys"),
    "facts a list": (signed(content(facts=[])), "its facts are a list"),
    "parameters a list": (signed(content(parameters=[1.5])), "its parameters are a list"),
    "truth": (holding(True), "'w0' is True, not a finite decimal number"),
    "nothing": (holding(None), "'w0' is None, not a finite"),
    "text": (holding("1.5"), "'w0' is '1.5', not a finite"),
    "int": (holding(1), "'w0' is 1, not a finite"),
    "huge int": (holding(10**400), "'w0' is 1000"),
    "list": (holding([1.5]), r"'w0' is \[1.5\]"),
    "nan": (holding(math.nan), "'w0' is nan"),
    "infinity": (holding(-math.inf), "'w0' is -inf"),
    "too large for a float": (spelled(b"-1e309"), "'w0' is -inf"),
    "an endless exponent": (spelled(b"1e99999999"), "'w0' is inf"),
    "nan in small letters": (spelled(b"nan"), "not JSON"),
    "an int of 5,000 digits": (spelled(b"1" * 5_000), "not JSON"),
    "nan among the facts": (signed(content(facts={"loss": math.nan})), "damaged or edited"),
    "another number": (edited(b"1.5", b"1.6"), "damaged or edited"),
    "the same number, spelled otherwise": (edited(b"1.5", b"1.50"), "damaged or edited"),
    "a name twice": (edited(b'"w0"', b'"w0": 2.5,\n  "w0"'), "damaged or edited"),
    "a key twice": (edited(b'"version"', b'"version": 1,\n "version"'), "damaged or edited"),
    "a blank more": (signed(content()) + b"\n", "damaged or edited"),
    "after the end": (signed(content()) + b"{}", "not JSON"),
    **{
        f"nested {n} deep": (nested(n), "damaged|not JSON") for n in (*range(840, 1_000, 10), 5_000)
    },
    "nested 100,000 deep": (nested(100_000), "not JSON"),
    "200,000 brackets": (b"[" * 200_000, "not JSON"),
    "200,000 braces": (b'{"a":' * 200_000, "not JSON"),
}


@pytest.mark.promise(name="corruption")
@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_save_did_not_write_is_refused(path, name):
    """Of the wrong form with a sha256 that fits, or changed after it was signed."""
    raw, message = WRONG[name]
    path.write_bytes(raw)

    refuses(Bag(2.5), path, message)


@pytest.mark.promise(name="corruption")
def test_a_file_larger_than_any_model_is_not_read(path):
    """1 GiB, without a byte on the disk: refused by its size, at once."""
    with path.open("wb") as file:
        file.truncate(2**30)
    start = time.perf_counter()

    refuses(Bag(2.5), path, f"1073741824 bytes, at most {LIMIT} allowed")

    assert time.perf_counter() - start < 0.5


def test_what_is_not_a_file_is_refused(tmp_path):
    """A name that is not there, a folder, a pipe that would never end."""
    os.mkfifo(tmp_path / "pipe")

    refuses(Bag(1.0), tmp_path / "none.json", "can't be read: No such file or directory")
    refuses(Bag(1.0), tmp_path, "a folder or device, not a file")
    refuses(Bag(1.0), tmp_path / "pipe", "a folder or device, not a file")


@pytest.mark.promise(name="corruption")
def test_another_model_is_refused(saved, path):
    """The first parameter that only one of the two has is named."""
    for model, match in [
        (MLP(3, [2, 1]), "has 9 .* model 11; only the model has 'layer1.neuron0.w2'"),
        (MLP(1, [2, 1]), "has 9 .* model 7; only the file has 'layer1.neuron0.w1'"),
        (Bag(*[0.0] * 9), "has 9 parameters, the model 9; only the model has 'w0'"),
    ]:
        refuses(model, path, match, facts=True)


# --- saving that fails ----------------------------------------------------------------------------


def keeps(path, match, model, place="", **facts):
    """Saving fails in words, there or beside it, and the file before is still there, alone."""
    before = path.read_bytes()
    with pytest.raises(FileError, match=match):
        save(model, path.parent / place if place else path, **facts)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_model_that_diverged_does_not_replace_a_good_one(saved, path, number):
    """The parameter is named."""
    saved.layers[1].neurons[0].w[1].data = number

    keeps(path, re.escape(f"not written, since layer2.neuron0.w1 is {number}"), saved)


@pytest.mark.parametrize(
    "fact",
    [math.nan, (1, 2), {1: "a"}, {2}, b"", 1j, object(), [math.inf], 10**5_000],
    ids=lambda fact: type(fact).__name__,
)
def test_a_fact_that_would_not_come_back_is_refused(saved, path, fact):
    """A tuple would come back as a list, a number as key as text."""
    keeps(path, "JSON can't keep the fact history as it is", saved, history=fact)


def tower(depth):
    """Lists and dicts in one another, so many of them."""
    fact = []
    for level in range(1, depth):
        fact = [fact] if level % 2 else {"in": fact}
    return fact


def test_facts_are_kept_to_a_depth_that_every_reader_reaches(saved, path):
    """100 levels come back; one more is refused, also 900, which JSON could write, not read."""
    save(saved, path, fact=tower(100))
    assert read(path) == {"fact": tower(100)}

    for depth in (101, 900, 1_100, 100_000):
        keeps(path, "JSON can't keep the fact deep as it is", saved, deep=tower(depth))


def test_a_model_too_large_to_be_read_is_not_written(saved, path, monkeypatch):
    """The limit of reading holds for writing."""
    monkeypatch.setattr("tinygrad_edu.nn.checkpoint.LIMIT", 500)

    keeps(path, "not written: [0-9]+ bytes, at most 500 allowed", saved, note="x" * 500)


@pytest.mark.parametrize("name", ["none/model.json", "model.json/model.json", ".", "x" * 300])
def test_a_place_that_cannot_be_written_is_refused(saved, path, name):
    """No such folder, a file in its place, a folder itself, a name too long."""
    keeps(path, "can't be written", saved, place=name)


def test_the_folder_is_brought_to_the_disk_after_the_rename(saved, path, monkeypatch):
    """Else a power failure could bring back the old name: write, fsync, rename, fsync."""
    calls, fsync, replace = [], os.fsync, os.replace

    def note_fsync(handle):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def note_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    save(saved, path)

    assert calls == ["file", "rename", "folder"]


@pytest.mark.parametrize("wrong", ["model\0.json", "model\ud800.json", None, 3, ["model.json"]])
def test_what_no_file_can_be_called_is_refused(saved, wrong):
    """By each function, in words."""
    error, match = SettingError, "the path is"
    if isinstance(wrong, str):
        error, match = FileError, "can't be the name of a file"

    for use in (lambda: save(saved, wrong), lambda: load(saved, wrong), lambda: read(wrong)):
        with pytest.raises(error, match=match):
            use()


@pytest.mark.parametrize("wrong", [3, None, Value(1.0)])
def test_what_is_not_a_model_is_refused(path, saved, wrong):
    """Numbers and Values have no parameters to save; the file stays as it is."""
    before = path.read_bytes()

    for use in (save, load):
        with pytest.raises(SettingError, match="the model is"):
            use(wrong, path)

    assert path.read_bytes() == before
