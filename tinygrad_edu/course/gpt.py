"""A character-level transformer made of single Values: it reads names and invents new ones.

Notebook 12 takes it apart. Position by position it turns a letter into a list of numbers, lets it
look back at the letters before (attention), and scores each letter that may come next. As every
number is a Value, the same code runs as a graph, and compiled to matrices.

References
----------
Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.
Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019, eq. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import sqrt
from operator import add
from random import Random
from typing import Any, TypeAlias

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.nn import Layer, Module, logsumexp, softmax
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import extra, whole, within
from tinygrad_edu.train.optim import Optimizer

Vector: TypeAlias = "list[Value]"
Letter: TypeAlias = "int | Vector"  # the number of a letter, or a Value for each: one 1, else 0

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot stands before a name and after it

# Given names in common use, written down for this course: names are facts, in the public domain.
_WRITTEN_DOWN = """
ada adam adele agnes aida alan alba albert alex alice alina alma amanda amelia amina amy ana andre
andrea angela anita anna anne anton ari arno arthur astrid audrey axel bella ben bernd bianca
boris bruno calvin carla carlos carmen carol cecilia celia chiara chloe chris cindy clara claire
colin conrad cora daisy dalia damian dana daniel daria david dean debora denis diana diego dina
dominic dora doris dylan edgar edith edwin elena eli elias elina elisa ella ellen elmar elsa emil
emily emma enzo eric erika erin erna ernst esther ethan eva evan felix fiona flora floris frank
frida fritz gabriel gerda gina gloria grace greta gustav hanna hannes harald harry heidi helen
helena henry hilda hugo ian ida igor ilona ina ines ingrid irene iris irma isaac isabel ivan ivo
jack jacob jana jane jasmin jasper jean jenna jens jim joan joel johan john jonas jonah jordan
josef joshua judith julia julian julius karen karin karl karla kate kevin kim kira klara klaus
koen kurt lara larissa lars laura lea leah lena leni leo leon leona levi lia liam lilian lily lina
linda linus lisa liv lola lorena lotte louis lucas lucia lucy luis luisa luka luna lydia mabel
magda maja manuel mara marco maren maria marian marie marin mario marion marta martin mary mateo
mathis maud max maya mia michel mila milan milo mina mira miriam mona monica moritz nadia nadine
naomi nathan nelly nico nicola nils nina noah noel nora norman olaf olga oliver olivia omar oscar
otis otto pablo pamela paola pascal patrick paul paula pedro peter petra philip pia rafael ralf
ramona raul rebecca regina rene renata rita robert robin roland roman rosa rosalie ruben ruth
sally sam samuel sandra sara sarah sasha selina selma sergio sibyl silas silvia simon sofia sonja
sophie stefan stella susan sven sylvia tamara tania tara teresa tessa thea theo thomas tilda till
tim tina tobias tom tonia ulla ulrich uma ursula valerie vera victor viola violet walter wanda
wendy werner willi xaver yara yvonne zara zoe zora
"""
NAMES = tuple(_WRITTEN_DOWN.split())


def encode(name: str) -> list[int]:
    """Encode the letters of a name as numbers, with the dot before and after it.

    Raise SettingError if a letter is not one of a to z.

    Examples
    --------
    >>> encode("abba")
    [0, 1, 2, 2, 1, 0]
    """
    unknown = [letter for letter in name if letter not in LETTERS[1:]]
    if unknown or not name:
        raise SettingError(
            f"the name is {name!r:.60}.",
            expected="small letters from a to z, at least one",
            fix="write the name without capitals, accents and spaces, for example 'zoe'.",
        )
    return [0, *map(LETTERS.index, name), 0]


def rms_norm(x: Vector) -> Vector:
    """Divide the numbers by their root mean square, so that their size is always about 1.

    Examples
    --------
    >>> [f"{v:.2f}" for v in rms_norm([Value(3.0), Value(4.0)])]
    ['0.85', '1.13']
    """
    mean_square = _sum([v * v for v in x]) * (1.0 / len(x))
    scale = 1.0 / (mean_square + 1e-5).sqrt()
    return [v * scale for v in x]


@dataclass
class Memory:
    """The keys and values that one head of attention keeps of the letters it has seen."""

    keys: list[Vector] = field(default_factory=list)
    values: list[Vector] = field(default_factory=list)


def attend(query: Vector, memory: Memory) -> tuple[Vector, Vector]:
    """Mix the values in memory; return the mixture, and the share of each value.

    A value has a large share if its key is like the query: the shares are the softmax of the
    products of query and keys, divided by the root of the length of the query.

    Examples
    --------
    >>> one, zero = Value(1.0), Value(0.0)
    >>> memory = Memory(keys=[[one, zero], [zero, one]], values=[[one], [zero]])
    >>> mixture, shares = attend([Value(10.0), zero], memory)
    >>> [f"{share:.3f}" for share in shares], f"{mixture[0]:.3f}"
    (['0.999', '0.001'], '0.999')
    """
    scale = 1.0 / sqrt(len(query))
    scores = [_product(query, key) * scale for key in memory.keys]
    shares = softmax(scores)
    return [_product(shares, column) for column in zip(*memory.values, strict=True)], shares


class Attention(Module):
    """Heads that each look back at the letters before, in their own part of the numbers.

    ``width`` numbers stand for a letter; ``heads`` has to divide it, or SettingError is raised.
    """

    def __init__(self, width: int, heads: int, rng: Random) -> None:
        width, heads = whole("width", width), whole("heads", heads)
        if width % heads:
            raise SettingError(
                f"{heads} heads can't share {width} numbers.",
                expected="a number of heads that divides the width",
                fix="pass a divisor of the width, for example heads=1.",
            )
        self.heads, self.size = heads, width // heads
        self.query, self.key, self.value, self.mix = [
            Layer(width, width, rng=rng) for _ in range(4)
        ]
        self.shares: list[list[float]] = []

    def forward(self, x: Vector, memories: list[Memory]) -> Vector:
        """Return what the heads find for one letter, and remember it for the letters to come."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        found: Vector = []
        self.shares = []
        for head, memory in enumerate(memories):
            part = slice(head * self.size, (head + 1) * self.size)
            memory.keys.append(key[part])
            memory.values.append(value[part])
            mixture, shares = attend(query[part], memory)
            found += mixture
            self.shares.append([share.data for share in shares])
        mixed: Vector = self.mix(found)
        return mixed


class Block(Module):
    """Attention, then two layers for each letter alone; both normalized, both with a shortcut."""

    def __init__(self, width: int, heads: int, rng: Random) -> None:
        self.attention = Attention(width, heads, rng)
        self.wide = Layer(width, 4 * width, "relu", rng=rng)
        self.narrow = Layer(4 * width, width, rng=rng)

    def forward(self, x: Vector, memories: list[Memory]) -> Vector:
        """Change the numbers of one letter by attention, then by the two layers."""
        x = list(map(add, x, self.attention(rms_norm(x), memories)))
        return list(map(add, x, self.narrow(self.wide(rms_norm(x)))))


class GPT(Module):
    """Scores for the letter that comes next, given those before.

    Parameters
    ----------
    context : int, the most letters that it reads, the dot before a name included
    width : int, the count of numbers that stand for a letter
    heads, blocks : int
    rng : random.Random, by default random.Random(0)

    Examples
    --------
    >>> model = GPT(context=8, width=8, heads=2, blocks=1)
    >>> len(model.parameters())
    1363
    >>> f"{model.loss('ada'):.1f}"
    '4.3'
    """

    def __init__(
        self,
        context: int = 8,
        width: int = 16,
        heads: int = 4,
        blocks: int = 1,
        rng: Random | None = None,
    ) -> None:
        self.context, rng = whole("context", context, least=2), choose_rng(rng)
        width = whole("width", width)
        self.letters = _table(len(LETTERS), width, rng)
        self.places = _table(self.context, width, rng)
        self.blocks = [Block(width, heads, rng) for _ in range(whole("blocks", blocks))]
        self.scores = Layer(width, len(LETTERS), rng=rng)

    def forward(self, letters: Sequence[Letter]) -> list[Vector]:
        """Score each letter that may come next, after each of the letters; scores are logits."""
        if not 0 < len(letters) <= self.context:
            raise LengthError(
                f"the model was given {len(letters)} letters.",
                expected=f"1 to {self.context}, its context",
                fix=f"build the model with GPT(context={len(letters)}), or leave out longer names.",
            )
        memories = self.memories()
        return [self.read(letter, place, memories) for place, letter in enumerate(letters)]

    def memories(self) -> list[list[Memory]]:
        """Create an empty memory for each head of each block."""
        return [[Memory() for _ in range(b.attention.heads)] for b in self.blocks]

    def read(self, letter: Letter, place: int, memories: list[list[Memory]]) -> Vector:
        """Read one more letter, and score each letter that may come after it."""
        x = rms_norm(list(map(add, self._look_up(letter), self.places[place])))
        for block, memory in zip(self.blocks, memories, strict=True):
            x = block(x, memory)
        scores: Vector = self.scores(x)
        return scores

    def _look_up(self, letter: Letter) -> Vector:
        """Return the numbers of a letter; a Value for each letter picks them by a product."""
        if isinstance(letter, int):
            return self.letters[letter]
        return [_product(letter, column) for column in zip(*self.letters, strict=True)]

    def loss(self, name: str) -> Value:
        """Compute the mean cross entropy over the letters of a name and its end."""
        numbers = encode(name)
        scores = self(numbers[:-1])
        pairs = zip(scores, numbers[1:], strict=True)
        return _sum([logsumexp(z) - z[t] for z, t in pairs]) * (1.0 / len(scores))

    def sample(self, rng: Random, temperature: float = 1.0) -> str:
        """Draw a name, letter by letter, until the dot or the context ends it.

        Parameters
        ----------
        rng : random.Random
        temperature : float > 0; below 1 likely letters become more likely, above 1 less likely
        """
        temperature = within("temperature", temperature, above=0.0)
        memories, letter, name = self.memories(), 0, ""
        for place in range(self.context):
            scores = self.read(letter, place, memories)
            shares = [p.data for p in softmax([z.data / temperature for z in scores])]
            (letter,) = rng.choices(range(len(LETTERS)), shares)
            if letter == 0:
                break
            name += LETTERS[letter]
        return name

    def __repr__(self) -> str:
        return f"GPT({len(self.parameters()):,} parameters, context {self.context})"


class CompiledGPT:
    """The loss of a model over many names at once, as a program of matrices.

    A name is a row of numbers as long as the context. It has for each place the letter that is
    read there, as a 1 among zeros, and the letter after it, as its weight in the loss among zeros;
    what comes after the end of a shorter name has weight 0.

    Parameters
    ----------
    model : GPT
    optimizer : Optimizer of the model's parameters
    target : as of :func:`tinygrad_edu.compile_graph`

    Raises
    ------
    SettingError
        If the model reads numbers and chooses by them, so that the program is not the graph.
    MissingExtraError
        If NumPy is not installed.
    """

    def __init__(self, model: GPT, optimizer: Optimizer, target: str = "auto") -> None:
        self.context, self.optimizer = model.context, optimizer
        self.np = extra("numpy", "numpy", "a compiled GPT", "fast")
        ones = [[float(k == letter) for k in range(len(LETTERS))] for letter in (0, 1)]
        row = [number for letter in ones for number in letter * model.context]
        self.compiled = ModelProgram(
            _RowLoss(model), lambda loss, _: loss, [row], [()], target=target
        )
        Agreement(self.compiled).check()
        self.program = self.compiled.program
        self._known: dict[str, Any] = {}  # the rows of the names met so far

    def loss(self, names: Sequence[str]) -> float:
        """Return the mean loss of some names."""
        return self.compiled.forward(self.rows(names))

    def step(self, names: Sequence[str]) -> float:
        """Change the weights once against the gradient of the mean loss; return that loss."""
        loss = self.compiled.backward(self.rows(names))
        program = self.program
        self.optimizer.step_arrays(self.np, program.parameters, program.vector, program.gradient)
        return loss

    def push(self) -> None:
        """Write the weights and the last gradient back to the Values."""
        self.program.push()

    def rows(self, names: Sequence[str]) -> Any:
        """Return one row per name, as an array; rows are kept, as training meets names again.

        Examples
        --------
        >>> from tinygrad_edu.course.gpt import GPT, CompiledGPT
        >>> from tinygrad_edu.train import Adam
        >>> model = GPT(context=3, width=2, heads=1)
        >>> machine = CompiledGPT(model, Adam(model.parameters(), 0.01))
        >>> machine.rows(["al", "bo"]).shape == (2, 3 * 27 + 3 * 27)
        True
        """
        for name in names:
            if name not in self._known:
                self._known[name] = self._row(name)
        return self.np.array([self._known[name] for name in names])

    def _row(self, name: str) -> Any:
        """Return the letters that are read, then the weights of those that come next."""
        numbers = encode(name)
        steps = len(numbers) - 1
        if steps > self.context:
            raise LengthError(
                f"the name {name!r:.60} has {len(name)} letters.",
                expected=f"at most {self.context - 1}, the context minus the dot",
                fix="build the model with a larger context, or leave out longer names.",
            )
        row = self.np.zeros((2, self.context, len(LETTERS)))
        places = range(steps)
        row[0, places, numbers[:-1]] = 1.0
        row[1, places, numbers[1:]] = 1.0 / steps
        return row.ravel()


class _RowLoss(Module):
    """The loss of a name from its row of numbers, as :class:`CompiledGPT` describes it."""

    def __init__(self, model: GPT) -> None:
        self.model = model

    def forward(self, row: Vector) -> Value:
        """Cut the row into letters: those that are read, and those that come next."""
        count, places = len(LETTERS), self.model.context
        parts = [row[i : i + count] for i in range(0, len(row), count)]
        pairs = zip(self.model(parts[:places]), parts[places:], strict=True)
        return _sum([_weighted_entropy(scores, weights) for scores, weights in pairs])


def _weighted_entropy(scores: Vector, weights: Vector) -> Value:
    """Compute a cross entropy whose weights may sum to less than 1, or to 0 after the end."""
    return _sum(weights) * logsumexp(scores) - _product(weights, scores)


def _table(rows: int, width: int, rng: Random) -> list[Vector]:
    return [[Value(rng.gauss(0.0, 0.1)) for _ in range(width)] for _ in range(rows)]


def _product(a: Sequence[Value], b: Sequence[Value]) -> Value:
    return _sum([x * y for x, y in zip(a, b, strict=True)])


def _sum(terms: Sequence[Value]) -> Value:
    return reduce(add, terms)
