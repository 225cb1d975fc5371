"""From single numbers back to matrices: a graph of Values becomes a program of matrix products.

The learner writes every multiplication; the compiler finds the matrices in them. It goes by stages,
each of which can be printed:

1. ``record``: a graph becomes a *tape* (``tape``), a list of operations on numbered slots, which is
   easier to search and to rewrite than linked Values.
2. ``passes`` and ``softmax``: tape to tape. Zeros that sums begin with are skipped, constants are
   computed, the same operation is done once, a penalty is taken out of the loss, so that it is not
   added for every row, the numbers of a sample are read once, what nobody needs is dropped, and
   every softmax and cross entropy gets one stable form.
3. ``sums``: a chain of additions becomes one sum of products, ``%0·%3 + %1·%4 − %2``. An element of
   a matrix product is such a sum, in whatever order the learner added it up. Equal sums become one,
   and so do the rounds of a maximum, and log Σ exp.
4. ``plan``: what is computed alike becomes one instruction, a *loop* over named axes (``loops``):
   a product of matrices, a row of the table on many numbers, a sum, a gather. Each number gets its
   place here, chosen so that what a loop reads is a slice: that makes the program fast.
5. ``adjoint``: the gradient, as a list of the same instructions, made by the chain rule on loops.
6. The writers read that list alone. ``numpy_writer`` and ``python_writer`` write Python.
   ``c_writer`` and ``javascript_writer`` write nested loops: ``nests`` is what both have in common,
   and ``products`` finds the products of matrices. ``languages`` and ``c_file`` write files that
   run by themselves. ``notation`` writes ``equations`` for the reader: ``arrays`` names matrices,
   ``views`` takes loops apart, ``simplify``, by the rules of ``algebra``, and ``textbook`` say it
   as people do, ``matrices`` prints it, and ``reading`` gives its names to the code.
7. ``targets`` chooses what runs: ``numpy_backend``, ``python_backend``, ``c_backend`` or
   ``javascript_backend``, which share one ``memory``; inside a fault ``graph_backend`` runs the
   graph itself. ``c_library`` finds a compiler, and ``javascript_homes`` node or the browser.
   ``updates`` writes the formula of an optimizer as loops, too, so that C and JavaScript take whole
   training steps. ``binding`` keeps the numbers together with the learner's Values, and
   ``arguments`` checks what callers pass.
8. ``program``: :func:`compile_graph` and the :class:`Program` that it returns. Read it first.
"""

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.program import Program, compile_graph
from tinygrad_edu.compiler.record import record, recording
from tinygrad_edu.compiler.tape import Tape

__all__ = ["Equations", "Program", "Tape", "compile_graph", "record", "recording"]
