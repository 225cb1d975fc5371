"""From single numbers back to matrices: a graph of Values becomes a program of matrix products.

The learner writes every multiplication; the compiler finds the matrices in them. It goes by stages,
each of which can be printed, and no stage knows the later ones:

1. ``record``: a graph becomes a *tape* (``tape``), a list of operations on numbered slots, which is
   easier to search and to rewrite than linked Values.
2. ``passes``: tape to tape. Constants are computed, the same operation is done once, what nobody
   needs is dropped, and a penalty is taken out of the loss, so that it is not added for every row.
3. ``sums``: a chain of additions becomes one sum of products, ``%0·%3 + %1·%4 − %2``. An element of
   a matrix product is such a sum, in whatever order the learner added it up.
4. ``plan``: what is computed alike becomes one loop over named axes (``loops``), and sums whose
   operands form a grid become a matrix product. Each value gets its place in an array here, chosen
   so that operands are slices: matrix products on slices are what makes the program fast.
5. ``adjoint``: the gradient, as loops like those of the forward pass.
6. ``numpy_writer`` and ``python_writer`` write the loops as code, and ``notation`` writes them as
   ``equations``. ``languages`` makes files of the code that run alone.
7. ``targets`` chooses between ``numpy_backend`` and ``python_backend``, which hold the numbers and
   run what was written.
8. ``program``: :func:`compile_graph` and the :class:`Program` that it returns; ``binding`` keeps it
   in step with the Values of its graph. Read it first.
"""

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.program import Program, compile_graph
from tinygrad_edu.compiler.record import record, recording
from tinygrad_edu.compiler.tape import Tape

__all__ = ["Equations", "Program", "Tape", "compile_graph", "record", "recording"]
