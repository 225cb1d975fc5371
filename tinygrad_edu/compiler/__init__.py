"""From single numbers back to matrices: read ``compile_graph``, then the stages in order.

record (a tape of the graph) -> passes (tape to tape) -> sums (additions gathered) -> layout
(vector instructions, matrix products found) -> numpy_code or python_code (what runs) -> program.
"""

from tinygrad_edu.compiler.cache import ProgramCache
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.program import Program, compile_graph
from tinygrad_edu.compiler.record import Tape, record, recording

__all__ = ["Equations", "Program", "ProgramCache", "Tape", "compile_graph", "record", "recording"]
