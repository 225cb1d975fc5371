"""Strange answers to exercises, each with what its verdict has to say.

``STRANGE`` holds (what it is, exercise, answer, status, words). An answer in quotes is code, run
anew each time, which leaves the answer in ``answer``: it may do what no test process survives.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

ENDLESS = "was stopped after"


def made(code: str) -> Any:
    """Run the code of an answer; return what it leaves in ``answer``."""
    names: dict[str, Any] = {}
    exec(compile(dedent(code), "<the learner's cell>", "exec"), names)
    return names["answer"]


def body(*lines: str) -> str:
    """Write a function of x and y with these lines; the right answer ends it."""
    return "def answer(x, y):\n" + "".join(f"    {line}\n" for line in (*lines, RIGHT))


RIGHT = "return [y + 3, x]"  # of chain_rule_2

STRANGE = [
    # what never ends
    ("bare except", "chain_rule_2", body("while True:", "    try: x += 1", "    except: pass"),
     "wrong", ENDLESS),
    ("bare excepts inside each other", "chain_rule_2",
     body("while True:", "    try:", "        while True:", "            try: x += 1",
          "            except: x += 1", "    except: pass"),
     "wrong", ENDLESS),
    ("keeps every exception", "chain_rule_2",
     body("kept = []", "while True:", "    try: x += 1",
          "    except BaseException as error: kept.append(error)"), "wrong", ENDLESS),
    ("one line", "chain_rule_2", body("while True: pass"), "wrong", ENDLESS),
    ("suppress", "chain_rule_2",
     body("from contextlib import suppress", "while True:",
          "    with suppress(BaseException): x += 1"), "wrong", ENDLESS),
    ("a loop in C", "chain_rule_2", body("sum(iter(int, 1))"), "wrong", ENDLESS),
    ("a search in C", "chain_rule_2", body("import itertools", "-1 in itertools.count()"),
     "wrong", ENDLESS),
    ("a number without end", "chain_rule_2", body("10**10**10"), "wrong", ENDLESS),
    ("a regular expression", "chain_rule_2",
     body("import re", "re.match('(a+)+b', 'a' * 64)"), "wrong", ENDLESS),
    ("sleeps", "chain_rule_2", body("import time", "time.sleep(1e9)"), "wrong", ENDLESS),
    ("sleeps and swallows", "chain_rule_2",
     body("import time", "while True:", "    try: time.sleep(0.01)", "    except: pass"),
     "wrong", ENDLESS),
    ("a lock taken twice", "chain_rule_2",
     body("import threading", "lock = threading.Lock()", "lock.acquire()", "lock.acquire()"),
     "wrong", ENDLESS),
    ("waits for an event", "chain_rule_2",
     body("import threading", "threading.Event().wait()"), "wrong", ENDLESS),
    ("ignores every signal", "chain_rule_2",
     body("import signal", "for s in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT):",
          "    signal.signal(s, signal.SIG_IGN)", "while True: pass"), "wrong", ENDLESS),
    ("a generator without end", "remember_1",
     "answer = (x for x in iter(int, 1))", "wrong", "more than 10,000 numbers"),
    ("a generator that never yields", "remember_1",
     "answer = (x for x in iter(int, 1) if x)", "wrong", ENDLESS),
    ("a signature without end", "chain_rule_2",
     """
     class Endless:
         @property
         def __signature__(self):
             while True: pass
         def __call__(self, x, y): pass
     answer = Endless()
     """, "wrong", ENDLESS),
    ("a repr without end", "remember_1",
     """
     class Endless:
         def __repr__(self):
             while True: pass
     answer = Endless()
     """, "wrong", ENDLESS),
    ("threads that go on", "chain_rule_2",
     body("import threading, time", "def on():", "    while True: time.sleep(0.01)",
          "for daemon in (True, False):",
          "    threading.Thread(target=on, daemon=daemon).start()"),
     "right", ""),
    # what ends too soon
    ("sys.exit", "chain_rule_2", body("import sys", "sys.exit(0)"),
     "wrong", "At x = 0.66, y = 2.21 it ends the program: remove exit()."),
    ("quit", "chain_rule_2", body("raise SystemExit"), "wrong", "remove exit()"),
    ("os._exit", "chain_rule_2", body("import os", "os._exit(0)"), "wrong", "os._exit"),
    ("abort", "chain_rule_2", body("import os", "os.abort()"), "wrong", "came to an end"),
    ("a signal to itself", "chain_rule_2",
     body("import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"), "wrong", "came to an end"),
    ("exit when made a number", "remember_1",
     """
     import fractions
     class Leaves(fractions.Fraction):
         def __float__(self): raise SystemExit
     answer = Leaves(-8)
     """, "wrong", "remove exit()"),
    ("its own BaseException", "chain_rule_2", body("raise type('Mine', (BaseException,), {})(1)"),
     "wrong", "it stops with Mine: 1"),
    ("an exception that can't be written", "chain_rule_2",
     body("class Bad(Exception):", "    def __str__(self): raise ValueError", "raise Bad"),
     "wrong", "it stops with Bad: no message"),
    ("GeneratorExit", "chain_rule_2", body("raise GeneratorExit"), "wrong", "GeneratorExit"),
    ("calls itself", "chain_rule_2", "def answer(x, y): return answer(x, y)",
     "wrong", "RecursionError"),
    ("calls itself beyond the limit", "chain_rule_2",
     "import sys\ndef answer(x, y):\n    sys.setrecursionlimit(20_000)\n    return answer(x, y)",
     "wrong", ""),
    ("all memory at once", "chain_rule_2", body("[0] * 10**12"), "wrong", "memory"),
    ("all memory bit by bit", "chain_rule_2",
     body("held = [b'']", "while True: held.append(bytes(10**8))"), "wrong", "memory"),
    ("asks the learner", "chain_rule_2", body("input()"), "wrong", "input() can't ask"),
    # what it leaves behind
    ("changes builtins", "chain_rule_2",
     body("import builtins", "builtins.isinstance = builtins.len = builtins.sum = None"),
     "wrong", "replace functions of Python"),
    ("changes math", "remember_4",
     "def answer(x, y):\n    import math\n    math.exp = math.fsum = None\n"
     "    return [x + y, x * y, (x + y) * x * y]", "right", ""),
    ("changes Value", "remember_2",
     """
     from tinygrad_edu import Value
     x, y = Value(3.0, "x"), Value(-2.0, "y")
     answer = x * y + x * x
     """, "right", ""),
    ("replaces stdout", "chain_rule_2", body("import sys", "sys.stdout = None"), "right", ""),
    ("closes stdout", "chain_rule_2", body("import sys", "sys.stdout.close()"), "right", ""),
    ("another folder", "chain_rule_2", body("import os", "os.chdir('/')"), "right", ""),
    ("random seed", "chain_rule_2", body("import random", "random.seed(1)"), "right", ""),
    ("leaves recording on", "chain_rule_2",
     body("from tinygrad_edu.compiler import recording", "recording().__enter__()"), "right", ""),
    ("prints a million lines", "chain_rule_2",
     body("for i in range(125_000): print(i)"), "right", ""),
    # what is not a number
    ("nan", "remember_1", "answer = float('nan')", "wrong", "nan is not right"),
    ("nan in a list", "chain_rule_3", "answer = [float('nan'), 5]", "wrong", "number 1. nan means"),
    ("nan from a function", "chain_rule_2", "def answer(x, y): return [float('nan'), x]",
     "wrong", "it gives [nan, 0.66], right is [5.21, 0.66]. nan means"),
    ("inf", "remember_1", "answer = -1e308 * 10", "wrong", "-inf is not right. inf is infinite"),
    ("complex", "remember_1", "answer = (-8) ** (1 / 3)", "wrong", "is complex"),
    ("too large", "remember_1", "answer = 10**400", "wrong", "too large"),
    ("an integer too long to print", "remember_1", "answer = 10**5000", "wrong", "too large"),
    ("None", "remember_1", "answer = None", "open", ""),
    ("a list with None", "chain_rule_3", "answer = [2, None]", "wrong", "There is None"),
    ("no return", "chain_rule_2", "def answer(x, y): [y + 3, x]", "open", "is a return missing"),
    ("text", "remember_1", "answer = '-8'", "wrong", "without the quotes"),
    ("bytes", "remember_1", "answer = b'-8'", "wrong", "is a bytes"),
    ("a function", "remember_1", "answer = lambda: -8", "wrong", "this is a function"),
    ("a class", "remember_1", "class answer: pass", "wrong", "this is the class answer"),
    ("a method", "remember_1", "answer = (-8.0).__float__", "wrong", "this is a function"),
    ("a dict", "chain_rule_3", "answer = {0: 2, 1: 5}", "wrong", "no order"),
    ("a set", "chain_rule_3", "answer = {2, 5}", "wrong", "no order"),
    ("a module", "remember_1", "import math as answer", "wrong", "is a module"),
    ("a list of itself", "chain_rule_3", "answer = [2]; answer.append(answer)", "wrong", "beside"),
    ("a function of a function", "chain_rule_2", "answer = lambda x, y: lambda: [y + 3, x]",
     "wrong", "call it first"),
    # what comes in another form and is right
    ("a fraction", "remember_1", "from fractions import Fraction\nanswer = Fraction(-16, 2)",
     "right", ""),
    ("a decimal", "remember_1", "from decimal import Decimal\nanswer = Decimal(-8)", "right", ""),
    ("a Value", "remember_1", "from tinygrad_edu import Value\nanswer = Value(-8)", "right", ""),
    ("a tuple", "chain_rule_3", "answer = 2, 5", "right", ""),
    ("a generator", "chain_rule_2", "def answer(x, y): yield y + 3; yield x", "right", ""),
    ("a map", "chain_rule_3", "answer = map(int, '25')", "right", ""),
    ("an iterator used twice", "chain_rule_3", "answer = iter([2, 5])", "right", ""),
    ("arrays", "chain_rule_2", "import array\nanswer = lambda x, y: array.array('d', [y + 3, x])",
     "right", ""),
    ("NumPy's float32", "chain_rule_3", "import numpy as np\nanswer = np.float32([2, 5])",
     "right", ""),
    ("NumPy in a list", "chain_rule_2",
     "import numpy as np\nanswer = lambda x, y: [np.float64(y + 3), np.array(x)]", "right", ""),
    ("a callable object", "chain_rule_2",
     "class Slope:\n    def __call__(self, x, y): return [y + 3, x]\nanswer = Slope()",
     "right", ""),
    ("names of its own", "chain_rule_2", "def answer(a, b, *more, c=0): return [b + 3, a]",
     "right", ""),
    # what lies
    ("equal to everything", "remember_1",
     "class Liar(float):\n    def __eq__(self, other): return True\nanswer = Liar(99)",
     "wrong", "99 is not right"),
    ("another number than it is", "remember_1",
     "class Liar(float):\n    def __float__(self): return -8.0\nanswer = Liar(99)",
     "wrong", "99 is not right"),
    ("another class than it is", "remember_1",
     """
     from tinygrad_edu import Value
     class Liar:
         __class__ = Value
     answer = Liar()
     """, "wrong", "can't be read"),
    ("has every attribute", "remember_1",
     "class Liar:\n    def __getattr__(self, name): return self\nanswer = Liar()",
     "wrong", "is a Liar"),
    ("its repr raises", "remember_1",
     "class Liar:\n    def __repr__(self): raise ValueError\nanswer = Liar()",
     "wrong", "is a Liar"),
    ("its repr is huge", "remember_1",
     "class Liar:\n    def __repr__(self): return '#' * 10**7\nanswer = Liar()", "wrong", "###..."),
    ("its repr is not text", "remember_1",
     "class Liar:\n    def __repr__(self): return 8\nanswer = Liar()", "wrong", "is a Liar"),
    ("a length that lies", "chain_rule_3",
     "class Liar(list):\n    def __len__(self): return 2\nanswer = Liar([2, 5, 7])",
     "wrong", "3 numbers"),
    ("iterates into an error", "chain_rule_3",
     "def liar():\n    yield 2\n    1 / 0\nanswer = liar()", "wrong", "ZeroDivisionError"),
    # functions of another kind
    ("a coroutine", "chain_rule_2", "async def answer(x, y): return [y + 3, x]",
     "wrong", "write def instead of async def"),
    ("an asynchronous generator", "chain_rule_2", "async def answer(x, y): yield x",
     "wrong", "write def instead of async def"),
    ("too few inputs", "chain_rule_2", "answer = lambda x: [x, x]", "wrong", "yours takes (x)"),
    ("inputs by name only", "chain_rule_2", "answer = lambda *, x, y: [y + 3, x]",
     "wrong", "yours takes (*, x, y)"),
    ("a signature that is not one", "chain_rule_2",
     "def answer(x, y): return [y + 3, x]\nanswer.__signature__ = 3", "right", ""),
    ("its result", "chain_rule_2", "answer = [3, 4]", "wrong", "without calling it"),
    ("changes its inputs", "chain_rule_5",
     """
     def answer(upstream, local):
         total = 0
         while upstream:
             total += upstream.pop() * local.pop()
         return total
     """, "right", ""),
    # wrong in a way that could pass
    ("right at one point only", "remember_2",
     """
     from tinygrad_edu import Value
     x, y = Value(3.0, "x"), Value(-2.0, "y")
     answer = x + y + x - 1
     """, "wrong", "the gradient of x is 2"),
    ("a wrong gradient", "remember_2",
     """
     from tinygrad_edu import Value
     x, y = Value(3.0, "x"), Value(-2.0, "y")
     answer = x * y + x * x.detach()
     """, "wrong", "the gradient of x is 1, right is 4"),
    ("another graph", "remember_2",
     """
     from tinygrad_edu import Value
     a, b = Value(3.0, "a"), Value(-2.0, "b")
     answer = a * b + a * a
     """, "wrong", "The leaves are called 'a', 'b'"),
    ("hard-coded", "chain_rule_2", "answer = lambda x, y: [5.21, 0.66]",
     "wrong", "the same at every point"),
    ("remembers its first answer", "chain_rule_2",
     "def answer(x, y, kept=[]):\n    kept.append([y + 3, x])\n    return kept[0]",
     "wrong", "the same at every point"),
    ("rounded", "chain_rule_2", "answer = lambda x, y: [round(y + 3.001, 4), x]", "wrong", "close"),
    ("random", "chain_rule_2", "import random\nanswer = lambda x, y: [random.random(), x]",
     "wrong", "it gives"),
]  # fmt: skip
