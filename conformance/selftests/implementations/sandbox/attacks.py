"""Attacks, by what they want. Each is the body of a function of the input ``x`` that returns something true where it got what it wanted.

What they share stands in :data:`SHARED`. ``VICTIM`` is a folder of another that everybody may write to, with the files ``grades.csv`` and
``secret.txt``; ``PROJECT`` is the folder of the suite; ``POISON`` a name that must never appear anywhere.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping

SHARED = '''
import builtins, ctypes, fcntl, gc, glob, importlib.util, inspect, json, os, resource, signal, stat, sys, threading, time
import numpy as np

C = ctypes.CDLL(None, use_errno=True)

def system_call(number, *arguments):
    result = C.syscall(ctypes.c_long(number), *[ctypes.c_long(one) if isinstance(one, int) else one for one in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def pipes(mode):
    found = []
    for number in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode) and fcntl.fcntl(number, fcntl.F_GETFL) & 3 == mode:
                found.append(number)
        except OSError:
            pass
    return found

def frame(metadata, header=None, data=b""):
    text = json.dumps({"__metadata__": metadata, **(header or {})}).encode()
    document = len(text).to_bytes(8, "little") + text + data
    return len(document).to_bytes(8, "little") + document

def say(data):
    while data:
        data = data[os.write(pipes(os.O_WRONLY)[0], data):]

def number():
    """The id of the question that is being answered, from the frames of who calls."""
    there = sys._getframe()
    while there is not None:
        if "number" in there.f_locals:
            return str(there.f_locals["number"])
        there = there.f_back

def reply(value, **metadata):
    return frame({"id": number(), "status": "passed", "value": json.dumps(value), **metadata})
'''
ESCAPE = {
    "run a program": "import subprocess\nreturn subprocess.run(['/bin/true']).returncode == 0",
    "run a shell": "return os.system('true') == 0",
    "become a program": "os.execv('/bin/true', ['true'])",
    "fork": "pid = os.fork()\nif pid == 0: os._exit(0)\nreturn True",
    "vfork": "return system_call(58) >= 0",
    "clone with a new user": "return system_call(56, 0x10000000 | 17, 0, 0, 0, 0) >= 0",
    "fork by multiprocessing": "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()\nreturn True",
    "a name space": "return system_call(272, 0x10000000) == 0",
    "TCP": "import socket\nsocket.create_server(('127.0.0.1', 0))\nreturn True",
    "UDP": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))\nreturn True",
    "an abstract socket": "import socket\nsocket.socket(socket.AF_UNIX).bind('\\0' + POISON)\nreturn True",
    "io_uring": "return system_call(425, 8, ctypes.create_string_buffer(248)) >= 0",
    "a program from memory": "return system_call(319, b'x', 0) >= 0",
    "trace itself": "return system_call(101, 0, 0, 0, 0) == 0",
    "read the parent's memory": "return system_call(310, os.getppid(), 0, 0, 0, 0, 0) >= 0",
    "kill the parent": "os.kill(os.getppid(), 0)\nreturn True",
    "kill everybody": "os.kill(-1, 0)\nreturn True",
    "signal by thread": "return system_call(200, os.getppid(), 0) == 0",
    "signal by handle": "return system_call(434, os.getppid(), 0) >= 0",
    "signal by queue": "return system_call(129, os.getppid(), 0, ctypes.create_string_buffer(128)) == 0",
    "signal when there is input": "r, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())\nreturn True",
    "choose the signal of input": "r, w = os.pipe()\nfcntl.fcntl(r, 10, signal.SIGKILL)\nreturn True",
    "limits of the parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)\nreturn True",
    "slow the parent down": "os.sched_setaffinity(os.getppid(), {0})\nreturn True",
    "outlive the parent": "return C.prctl(1, 0, 0, 0, 0) == 0",
    "calls of 32 bits": "return system_call(0x40000000 | 39) > 0",
    "become root": "os.setuid(0)\nreturn True",
    "raise its limits": "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\nreturn True",
    "keys of the kernel": "return system_call(250, 0, -3, 1) >= 0",
    "a message queue": "return system_call(240, POISON.encode(), 0o102, 0o666, 0) >= 0",
    "bpf": "return system_call(321, 0, 0, 0) >= 0",
    "perf": "return system_call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0",
    "mount": "return C.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "another root": "os.chroot('/')\nreturn True",
}
READ = {
    "a file of another": "return open(f'{VICTIM}/secret.txt').read()",
    "a folder of another": "return os.listdir(VICTIM)",
    "recorded answers": "return open(f'{PROJECT}/fixtures/vectors/manifest.json').read()",
    "the suite": "return open(f'{PROJECT}/conformance/__init__.py').read()",
    "the parent's variables": "return open(f'/proc/{os.getppid()}/environ').read()",
    "the parent's memory as a file": "return open(f'/proc/{os.getppid()}/mem', 'rb')",
    "its own memory as a file": "return open('/proc/self/mem', 'rb')",
    "variables": "return [name for name in os.environ if 'CONFORM' in name or 'SECRET' in name or name.startswith('PY')]",
    "users": "return open('/etc/passwd').read()",
    "the root folder": "return os.listdir('/')",
    "temporary files": "return os.listdir('/tmp')",
    "other submissions": "return [path for path in glob.glob('/tmp/conform-*') if path != os.getcwd()]",
    "a link": "os.symlink(f'{VICTIM}/secret.txt', 'link')\nreturn open('link').read()",
    "a path upwards": "return open('../' * 20 + f'{VICTIM}/secret.txt').read()",
    "a handle without rights": (
        "handle = os.open(f'{VICTIM}/secret.txt', os.O_PATH)\nreturn open(f'/proc/self/fd/{handle}').read()"
    ),
    "beside NumPy": (
        "homes = [n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}/numpy')]\n"
        "return [open(f'/proc/self/fd/{n}/pytest/__init__.py').read() for n in homes] and True"
    ),
    "list the installed packages": (
        "homes = [n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}/numpy')]\n"
        "return [os.listdir(f'/proc/self/fd/{n}') for n in homes] and True"
    ),
    "another door to files": "return system_call(437, -100, f'{VICTIM}/secret.txt'.encode(), (ctypes.c_ulong * 3)(), 24) >= 0",
    "files by number": "return system_call(304, -100, ctypes.create_string_buffer(128), 0) >= 0",
    "the source of the suite": "return inspect.getsource(sys._getframe(2))",
    "the suite by import": "import conformance.oracle.recorded.reader\nreturn True",
}
DELEGATE = {
    "the reference": "from reference.activations import relu\nreturn relu(x) is not None",
    "Keras": "import keras\nreturn True",
    "Keras after an ImportError": "try:\n    import keras\nexcept ImportError:\n    keras = None\nreturn keras",
    "TensorFlow": "import tensorflow\nreturn True",
    "SciPy": "import scipy.special\nreturn True",
    "SciPy by another finder": (
        "from importlib.machinery import PathFinder\nsys.meta_path.insert(0, PathFinder)\n"
        "sys.path += [os.path.dirname(path) for path in glob.glob('/proc/self/fd/*/numpy')] + [INSTALLED]\nimport scipy\nreturn True"
    ),
    "SciPy by its file": (
        "spec = importlib.util.spec_from_file_location('scipy', f'{INSTALLED}/scipy/__init__.py')\n"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec))\nreturn True"
    ),
    "a library by its file": "return ctypes.CDLL(LIBRARY) is not None",
    "convolve": "return np.convolve(x.ravel(), [1.0]) is not None",
    "convolve by another name": "return np._core.numeric.convolve(x.ravel(), [1.0]) is not None",
    "convolve from the collector": (
        "found = [one for one in gc.get_objects() if getattr(one, '__name__', '') == 'convolve']\n"
        "return [one(x.ravel(), [1.0]) for one in found]"
    ),
    "convolve unwrapped": "return inspect.unwrap(np.convolve)(x.ravel(), [1.0]) is not None",
    "convolve handed over": "return np.apply_along_axis(np.convolve, -1, x, [1.0]) is not None",
    "windows": "from numpy.lib.stride_tricks import sliding_window_view\nreturn sliding_window_view(x, 2, axis=-1) is not None",
    "a product, of C": "return np.dot(x.ravel(), x.ravel()) is not None",
    "the suite as it is loaded": "return sys.modules['conformance']",
}
POISONOUS = {
    "write grades": "open(f'{VICTIM}/grades.csv', 'w').write('1')\nreturn True",
    "append to grades": "open(f'{VICTIM}/grades.csv', 'a').write('1')\nreturn True",
    "cut grades": "os.truncate(f'{VICTIM}/grades.csv', 0)\nreturn True",
    "cut grades while reading": "os.open(f'{VICTIM}/grades.csv', os.O_RDONLY | os.O_TRUNC)\nreturn True",
    "cut a file that it may read": "os.open(os.path.abspath('layers.py'), os.O_RDONLY | os.O_TRUNC)\nreturn True",
    "cut a file by no mode": "os.open(os.path.abspath('layers.py'), 3 | os.O_TRUNC)\nreturn True",
    "remove grades": "os.remove(f'{VICTIM}/grades.csv')\nreturn True",
    "rename grades": "os.rename(f'{VICTIM}/grades.csv', f'{VICTIM}/{POISON}')\nreturn True",
    "make grades unreadable": "os.chmod(f'{VICTIM}/grades.csv', 0)\nreturn True",
    "change times": "os.utime(f'{VICTIM}/grades.csv', (0, 0))\nreturn True",
    "set an attribute": "os.setxattr(f'{VICTIM}/grades.csv', 'user.x', b'1')\nreturn True",
    "a link into grades": "os.link(f'{VICTIM}/grades.csv', f'/tmp/{POISON}')\nreturn True",
    "pytest.ini": "open(f'{VICTIM}/pytest.ini', 'w')\nreturn True",
    "conftest.py": "open('conftest.py', 'w')\nreturn True",
    "itself": "open('layers.py', 'a')\nreturn True",
    "NumPy": "open(np.__file__, 'a')\nreturn True",
    "temporary files": "open(f'/tmp/{POISON}', 'w')\nreturn True",
    "shared memory": "open(f'/dev/shm/{POISON}', 'w')\nreturn True",
    "shared memory of System V": "return system_call(29, 0x1234567, 4096, 0o1666) >= 0",
    "a folder": "os.mkdir(f'/tmp/{POISON}')\nreturn True",
    "a pipe with a name": "os.mkfifo(f'/tmp/{POISON}')\nreturn True",
    "lock a file": "fcntl.flock(open('layers.py'), fcntl.LOCK_EX)\nreturn True",
    "a thread that goes on": (
        "def later():\n    while True:\n        np.maximum = lambda a, b: a\n        time.sleep(0.001)\n"
        "threading.Thread(target=later, daemon=True).start()\nreturn False"
    ),
}
EXHAUST = {
    "endless": "while True: pass",
    "endless in C": "return 10 ** 10 ** 9",
    "endless in a pattern": "import re\nreturn re.match('(a+)+$', 'a' * 40 + 'b')",
    "endless in NumPy": "a = np.ones((1000, 1000))\nwhile True: a = np.linalg.svd(a)[0]",
    "deaf": "signal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass",
    "asleep": "time.sleep(10000)",
    "waiting": "threading.Event().wait()",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "threads that compute": (
        "for _ in range(8): threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()\ntime.sleep(10000)"
    ),
    "many threads": "for _ in range(10**5): threading.Thread(target=time.sleep, args=(10000,), daemon=True).start()",
    "memory": "return [bytearray(10**8) for _ in range(100)]",
    "memory bit by bit": "kept = []\nwhile True: kept.append(bytearray(10**6))",
    "memory of NumPy": "return np.ones((10**5, 10**5))",
    "a large answer": "return np.zeros(3 * 10**7)",
    "many files": "return [open('layers.py') for _ in range(10**5)]",
    "deep": "def deeper(n): return deeper(n + 1) + 1\nsys.setrecursionlimit(10**9)\nreturn deeper(0)",
    "printing": "while True: os.write(1, b'x' * 10**5)",
    "crash": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "exit": "os._exit(0)",
    "exit politely": "sys.exit(0)",
    "signals itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "an alarm": "signal.setitimer(signal.ITIMER_REAL, 0.001)\ntime.sleep(1)",
}
FORGE = {
    "equal to everything": "class Same:\n    __eq__ = __ge__ = __le__ = lambda self, other: True\nreturn Same()",
    "an array equal to everything": (
        "class Same(np.ndarray):\n    def __eq__(self, other): return True\n    def __array_ufunc__(self, *a, **k): return True\n"
        "return np.full_like(x, 7).view(Same)"
    ),
    "nothing": "return np.empty((0,))",
    "a number for all": "return 0.0",
    "not a number": "return x * np.nan",
    "objects": "return np.array([[None] * x.shape[1]] * len(x))",
    "another comparison": (
        "np.testing.assert_allclose = np.array_equal = np.allclose = builtins.all = lambda *a, **k: True\nreturn x * 0 + 7"
    ),
    "an answer of its own": "say(reply({'tensor': 'output'}))\ntime.sleep(10000)",
    "nothing to answer": "say(reply(None))\nos._exit(0)",
    "the functions that answer": (
        "for one in gc.get_objects():\n    if getattr(one, '__name__', '') == 'answer_frame':\n"
        "        one.__code__ = (lambda number, answer: None).__code__\nreturn x"
    ),
    "as if it were passed": (
        "for one in gc.get_objects():\n    if type(one).__name__ == 'type' and one.__name__ == 'Answer':\n"
        "        one.status = 'passed'\nraise ValueError('no')"
    ),
    "what the caller expects": (
        "there = sys._getframe()\nwhile there:\n    if {'expected', 'expectation'} & set(there.f_locals):\n"
        "        return np.maximum(x, 0)\n    there = there.f_back\nraise ValueError('no')"
    ),
    "the oracle from the collector": (
        "return [one for one in gc.get_objects() if type(one).__name__ in ('Expectation', 'Recorded', 'Session')]"
    ),
    "when it ends": "import atexit\natexit.register(lambda: open(f'{VICTIM}/grades.csv', 'w'))\nsys.exit(0)",
    "Ctrl-C": "raise KeyboardInterrupt",
    "the end of a generator": "raise GeneratorExit",
}
CONFUSE = {
    "text": "say(b'Hello, this is no frame')\ntime.sleep(10000)",
    "a length beyond all": "say(b'\\xff' * 8)\ntime.sleep(10000)",
    "a length beyond what is taken": "say((10**9).to_bytes(8, 'little') + bytes(10**6))\ntime.sleep(10000)",
    "half a frame": "say(reply(1)[:-5])\nos._exit(0)",
    "two frames": "say(reply(1) + reply(2))\ntime.sleep(10000)",
    "a frame too many": "say(reply([1.0]))\nreturn x",
    "another number": "say(reply(1, id='77'))\ntime.sleep(10000)",
    "no JSON": "document = (4).to_bytes(8, 'little') + b'{{{{'\nsay(len(document).to_bytes(8, 'little') + document)\ntime.sleep(10000)",
    "deep JSON": "say(frame({'id': number(), 'status': 'passed', 'value': '[' * 10**5}))\ntime.sleep(10000)",
    "deep values": "v = 1\nfor _ in range(100): v = [v]\nsay(reply(v))\ntime.sleep(10000)",
    "a tensor that is not there": "say(reply({'tensor': 'expected'}))\ntime.sleep(10000)",
    "a tensor beyond its bytes": (
        "entry = {'output': {'dtype': 'F64', 'shape': [2, 3], 'data_offsets': [0, 48]}}\n"
        "say(frame({'id': number(), 'status': 'passed'}, entry, bytes(8)))\ntime.sleep(10000)"
    ),
    "a negative shape": (
        "entry = {'output': {'dtype': 'F64', 'shape': [-1], 'data_offsets': [0, 8]}}\n"
        "say(frame({'id': number(), 'status': 'passed'}, entry, bytes(8)))\ntime.sleep(10000)"
    ),
    "an array of all memory": "say(reply({'array': {'dtype': '<f8', 'shape': [10**6, 10**6]}}))\ntime.sleep(10000)",
    "an item of all memory": "say(reply({'array': {'dtype': 'V99999', 'shape': [1]}}))\ntime.sleep(10000)",
    "objects by pickle": "import pickle\nsay(reply({'array': {'dtype': 'O', 'shape': [1], 'values': ['x']}}))\ntime.sleep(10000)",
    "a class of another": "say(reply({'object': '__import__(\"os\")'}))\ntime.sleep(10000)",
    "a status": "say(reply(1, status='right'))\ntime.sleep(10000)",
    "many names": "say(frame({'id': number(), 'status': 'passed', 'changed': json.dumps(['x'] * 10**5), 'value': '1'}))\ntime.sleep(10000)",
    "the next question": "os.read(pipes(os.O_RDONLY)[0], 1)\nreturn x",
    "no way back": "os.closerange(0, 64)\nreturn x",
    "not a number as JSON": "say(frame({'id': number(), 'status': 'passed', 'value': 'NaN'}))\ntime.sleep(10000)",
}
HIDE = {
    "colours": "raise ValueError('\\x1b[2J\\x1b[32mPASSED\\x1b[0m')",
    "another title": "print('\\x1b]0;PASSED\\x07' * 10)\nraise ValueError('no')",
    "the beginning of the line": "raise ValueError('wrong\\rright')",
    "the other direction": "raise ValueError('\\u202edessap')",
    "half a character": "raise ValueError('\\ud800')",
    "a long text": "raise ValueError('x' * 10**7)",
    "an error that cannot be read": "class No(Exception):\n    def __str__(self): raise ValueError('no')\nraise No()",
    "an error with a name of its own": "raise type('\\x1b[32mPASSED', (Exception,), {})('no')",
    "last words": "os.write(2, b'\\x1b[32mPASSED\\x1b[0m\\n' * 1000)\nos._exit(0)",
    "a long line of last words": "os.write(2, b'error ' * 10**5)\nos._exit(1)",
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "escape": ESCAPE,
    "read": READ,
    "delegate": DELEGATE,
    "poison": POISONOUS,
    "exhaust": EXHAUST,
    "forge": FORGE,
    "confuse": CONFUSE,
    "hide": HIDE,
}
GOT = 42.0
NUMBERS_OF = "x86_64"
"""The machine whose numbers of system calls the attacks use."""


TAKING = ("escape", "read", "delegate", "poison")
"""Groups whose attacks return something true where they got what they wanted; what the others return is their answer."""


def source(group: str, name: str, **names: str) -> str:
    """The file of an attack: ``relu`` makes it, and ``tanh`` is right until something spoils it. `names` become constants of it.

    Who got what was wanted answers :data:`GOT` throughout.
    """
    constants = "\n".join(f"{constant} = {json.dumps(value)}" for constant, value in names.items())
    body = textwrap.indent(GROUPS[group][name], "    ")
    answer = f"np.full_like(x, {GOT} if attack(x) else -1.0)" if group in TAKING else "attack(x)"
    return f"{constants}\n{SHARED}\n\ndef attack(x):\n{body}\n\ndef relu(x):\n    return {answer}\n\ndef tanh(x):\n    return np.tanh(x)\n"
