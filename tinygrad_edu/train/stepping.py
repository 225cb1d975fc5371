"""Two ways to take a training step: on the graph of Values, and compiled to matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

from tinygrad_edu.compiled.agreement import Agreement
from tinygrad_edu.compiled.program import ModelProgram, compiled_or_graph, target_of
from tinygrad_edu.compiled.symbolic import (
    Loss,
    batch_loss,
    changeable,
    undisturbed,
    whole_batch_part,
)
from tinygrad_edu.compiler.updates import update_of
from tinygrad_edu.engine import set_numbers, topological_order
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import function, same_length
from tinygrad_edu.shared.arithmetic import exact_sum, root_mean_square
from tinygrad_edu.shared.vectors import (
    as_array,
    chosen,
    numpy_or_none,
    overflows_allowed,
    put,
    reshaped,
    set_last_column,
)
from tinygrad_edu.train.data import check_finite, check_no_names
from tinygrad_edu.train.measures import forward, gradient_sizes, parameters_by_layer, row_of
from tinygrad_edu.train.optim import Optimizer

AT_ONCE = 0.05  # seconds that whole steps take in one call
BESIDE = 50e-6  # seconds that a step takes beside the program, but not where it is a whole step
Data: TypeAlias = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Task:
    """What is trained, on which data, and how; settings that cannot be used are refused."""

    model: Module
    loss: Loss
    X: Sequence[Any]
    y: Sequence[Any]
    optimizer: Optimizer
    batch_size: int = 1
    penalty: Penalty | None = None
    validation: Data | None = None
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.penalty is not None:
            function("penalty", self.penalty, "nn.L2(1e-4)")
        same_length("y", self.y, "X", self.X)
        data = {"X": self.X, "y": self.y}
        if self.validation is not None:
            held_out, targets = self.validation
            same_length("validation[1]", targets, "validation[0]", held_out)
            data |= {"validation[0]": held_out, "validation[1]": targets}
        check_no_names(self.y, self.loss)
        for name, numbers in data.items():
            check_finite(name, numbers)
        part, samples, size = whole_batch_part(self.model), len(self.X), self.batch_size
        if part is not None and min(samples, samples % size or size) == 1:
            raise SettingError(
                f"{samples} samples in batches of {size} leave a batch of one sample.",
                where=f"{part!r} takes the variance of each batch",
                fix="choose a batch_size that leaves no single sample over.",
            )
        self.check_optimizer()

    def weight(self, batch: Sequence[int]) -> float:
        """Return how much a batch counts: the sum of its weights, or the number of its samples."""
        return len(batch) if self.weights is None else exact_sum([self.weights[i] for i in batch])

    def shares(self, batch: Sequence[int]) -> list[float] | None:
        """Return the weights of a batch, scaled to a mean of 1; None where all count the same."""
        if self.weights is None:
            return None
        mean = self.weight(batch) / len(batch)
        return [self.weights[i] / mean for i in batch]

    def check_optimizer(self) -> None:
        """Refuse an optimizer of parameters that neither the model nor the loss has."""
        known = {value for _, value in self.model.named_parameters()}
        others = [p for p in self.optimizer.parameters if p not in known and not p.constant]
        if others:  # a loss or a penalty may have some
            with undisturbed(*changeable(self.model)):
                batch = min(self.batch_size, len(self.X))
                some = [self.X[i] for i in range(batch)], [self.y[i] for i in range(batch)]
                total, _ = batch_loss(self.model, self.loss, *some, self.penalty)
            known.update(topological_order(total))
        stale = [p for p in others if p not in known]
        if stale:
            kind = type(self.optimizer).__name__
            raise SettingError(
                f"the optimizer trains {len(self.optimizer.parameters)} parameters, and "
                f"{len(stale)} of them belong neither to the model nor to the loss.",
                where="the model was built anew, or a layer replaced, after the optimizer was made",
                fix=f"make the optimizer of this model: optimizer={kind}(model.parameters(), "
                f"{self.optimizer.learning_rate:g}).",
            )


class EagerStepper:
    """Takes steps on the graph, in which every number is a Value."""

    def __init__(self, task: Task) -> None:
        self.task = task
        # those that are not trained have a gradient as well
        values = [*task.model.parameters(), *task.optimizer.parameters]
        self.parameters = list(dict.fromkeys(values))
        self.may_have_changed = False  # a callback has seen the model since the last step

    def epoch(self) -> AbstractContextManager[Any]:
        """Open a block for the steps of an epoch: on Values nothing has to be set for them."""
        return nullcontext()

    def whole_steps(self, batches: Sequence[Sequence[int]], at: int) -> tuple[list[float], Any]:
        """Take no step at once."""
        return [], ()

    def forward_backward(self, batch: Sequence[int]) -> tuple[float, Any]:
        """Compute the gradient; return the loss of the batch, and the outputs as rows."""
        task = self.task
        if self.may_have_changed:
            self.may_have_changed = False
            task.check_optimizer()
        X, y = [task.X[i] for i in batch], [task.y[i] for i in batch]
        shares = task.shares(batch)
        total, outputs = batch_loss(task.model, task.loss, X, y, task.penalty, shares)
        set_numbers(self.parameters, "grad", [0.0] * len(self.parameters))
        total.backward()
        return total.data, [*map(row_of, outputs)]

    def update(self) -> None:
        """Change the weights against the gradient, unless one would become nan or infinite."""
        self.task.optimizer.step(finite=True)

    def gradient_sizes(self) -> dict[str, float]:
        """Return the root mean square of the last gradient, by layer."""
        return gradient_sizes(self.task.model)

    def settle(self, *, may_change: bool = False) -> None:
        """Bring weights and gradients to the Values, where they are already.

        ``may_change`` says that callbacks will see the Values, and may change them.
        """
        self.may_have_changed = may_change

    def validate(self) -> tuple[float, Any]:
        """Return mean loss and outputs on the validation data, once settled."""
        return forward(self.task.model, self.task.loss, *(self.task.validation or ((), ())))


class CompiledStepper:
    """Takes the same steps on matrices: each batch is some rows of one array.

    Raises
    ------
    SettingError
        If the model or loss branches on data, so that one structure does not serve all samples;
        or if the optimizer trains parameters that the loss does not depend on.
    MissingExtraError
        If the target needs what is not installed.
    """

    def __init__(self, task: Task, epochs: int = 1, target: str = "auto") -> None:
        self.task, self.epochs, self.target = task, epochs, target
        self.steps: Any = None
        self._compile()

    def _compile(self) -> None:
        task = self.task
        model, loss, X, y = task.model, task.loss, task.X, task.y
        batch = min(task.batch_size, len(X)) if whole_batch_part(model) is not None else 0
        weighted = task.weights is not None
        self.compiled = ModelProgram(
            model,
            loss,
            X,
            y,
            batch=batch,
            penalty=task.penalty,
            weighted=weighted,
            target=self.target,
        )
        self.program = self.compiled.program
        self.learnable = set(model.parameters())  # when it was compiled; callbacks may freeze some
        mine = {p for p in task.optimizer.parameters if not p.constant}
        unused = mine.difference(self.program.parameters)
        if unused:
            raise SettingError(
                f"the loss of a sample does not depend on {len(unused)} of the {len(mine)} "
                "parameters that the optimizer trains.",
                fix="train with compiled=False, or pass the optimizer the other parameters only.",
            )
        self.trained = tuple(p for p in self.program.parameters if p in mine)
        places = [self.compiled.place[p] for p in self.trained]
        self.places = None if len(places) == len(self.program.parameters) else as_array(places)
        self.agreement = Agreement(self.compiled)
        self.agreement.check()
        self.rows = self.compiled.rows(X, y)
        place = self.compiled.place
        self.layers = {
            name: [place[p] for p in layer if p in place]
            for name, layer in parameters_by_layer(model).items()
        }
        if task.validation is not None:
            with model.evaluating():  # a program of its own: nothing dropped, no penalty
                self.judge = ModelProgram(model, loss, X, y, target=self.target)
            self.held_out = self.judge.rows(*task.validation)
        self.may_have_changed = False  # a callback has seen the Values since the last step
        size = min(task.batch_size, len(X))
        self.program.expect(self.epochs * -(-len(X) // size), size, BESIDE)
        self.facts: dict[str, str] | None = None
        self.formula, self.steps, self.pace = "", None, 1

    def epoch(self) -> AbstractContextManager[Any]:
        """Compute through overflows, as Values do, whatever a user's ``np.seterr`` says."""
        self._refresh()
        self._prepare_steps()
        return overflows_allowed()

    def whole_steps(self, batches: Sequence[Sequence[int]], at: int) -> tuple[list[float], Any]:
        """Take steps on the batches from one on in a single call, if the program can do that.

        Return their losses and outputs. It ends before a step that changes a number to nan, and
        after AT_ONCE seconds or so, since Ctrl-C waits for it.
        """
        task, optimizer = self.task, self.task.optimizer
        if self.steps is None:
            return [], ()
        some = batches[at : at + self.pace]
        order = [i for batch in some for i in batch]
        rates = optimizer.rates(len(some))
        shares = [share for batch in some for share in task.shares(batch) or ()]
        optimizer.give_state(self.trained, self.steps.states)
        start = perf_counter()
        losses, outputs = self.program.take_steps(
            self.steps, order, len(batches[0]), rates, optimizer.steps, shares
        )
        if losses:
            optimizer.took(self.trained, self.steps.states, rates[: len(losses)])
            each = (perf_counter() - start) / len(losses)
            self.pace = max(1, min(int(AT_ONCE / each), 10 * self.pace))
        return losses, reshaped(outputs, len(self.program.tape.outputs))

    def _prepare_steps(self) -> None:
        """Make what takes whole steps, by the formula that the optimizer has in this epoch."""
        trace, optimizer = self.compiled.symbolic.trace, self.task.optimizer
        if self.compiled.batch or trace.given or trace.observed:
            return  # what layers draw, or want to know, is asked for step by step
        facts = optimizer.facts()
        if facts is not None and facts == self.facts:
            return
        self.facts, places = facts, [self.compiled.place[p] for p in self.trained]
        try:
            update = update_of(optimizer.formula, optimizer.state_size, places)
        except Exception:  # of a formula for numbers alone, which is then run on numbers
            self.formula, self.steps = "", None
            return
        if self.steps is None or str(update) != self.formula:
            self.formula, self.steps = str(update), self.program.whole_steps(update, self.rows)

    def _refresh(self) -> None:
        """Take over what callbacks have changed."""
        if self.may_have_changed:
            self.may_have_changed = False
            if set(self.task.model.parameters()) != self.learnable:
                self._compile()
            self.program.pull()
            self.agreement.look_again()

    def forward_backward(self, batch: Sequence[int]) -> tuple[float, Any]:
        """Run the program on the rows of the batch."""
        self._refresh()
        rows = chosen(self.rows, batch)
        if (shares := self.task.shares(batch)) is not None:
            set_last_column(rows, shares)
        loss = self.compiled.backward(rows)
        return loss, self.compiled.outputs()

    def update(self) -> None:
        """Change the vector of all weights; layers such as BatchNorm observe the run."""
        program, some = self.program, self.places
        # where some are left as they are, the optimizer gets a copy of the others
        w = program.vector if some is None else chosen(program.vector, some)
        g = program.gradient if some is None else chosen(program.gradient, some)
        self.task.optimizer.step_arrays(numpy_or_none(), self.trained, w, g, finite=True)
        if some is not None:
            put(program.vector, some, w)
        self.compiled.observe()

    def gradient_sizes(self) -> dict[str, float]:
        """Return the root mean square of each layer's part of the gradient."""
        gradient = self.program.gradient
        return {
            name: root_mean_square(chosen(gradient, places).tolist())
            for name, places in self.layers.items()
        }

    def settle(self, *, may_change: bool = False) -> None:
        """Write the vectors to the Values; what is changed there counts from the next step."""
        if self.may_have_changed:  # after the last step, too, what they changed stays
            self.program.pull()
        self.program.push()
        self.may_have_changed = may_change

    def validate(self) -> tuple[float, Any]:
        """Run the program for evaluation mode on the rows of the validation data."""
        self.judge.program.pull()
        return self.judge.forward(self.held_out), self.judge.outputs()


Stepper: TypeAlias = EagerStepper | CompiledStepper


@contextmanager
def stepper_for(task: Task, compiled: bool | str, epochs: int) -> Iterator[Stepper]:
    """Choose the stepper that was asked for; the Values have the weights afterwards, on any exit.

    ``compiled`` is True, or a target, for programs; False for graphs; "auto" for programs where
    possible.
    """
    stepper = compiled_or_graph(
        compiled,
        lambda: CompiledStepper(task, epochs, target_of(compiled)),
        lambda: EagerStepper(task),
    )
    try:
        yield stepper
    finally:
        stepper.settle()
