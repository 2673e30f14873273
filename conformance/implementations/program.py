"""A running program and the bytes to and from it: never blocked, never waited for beyond a deadline, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from conformance.implementations import launcher
from conformance.implementations.frames import FRAME_AT_MOST, LENGTH, ProtocolError, frame_length
from conformance.implementations.messages import readable

CHUNK = 2**20
LOOK = 0.5
"""Seconds after which a silent program is looked at: a process that it started may hold its pipes open after its end."""
END_WITHIN = 2.0
"""Seconds that a program has to end by itself, once its input or its output is closed."""
LAST_WORDS = 2000
"""Characters of the end of its standard error that are kept."""


class EndedError(Exception):
    """The program ended; the text says how."""


class Program:
    """A process of its own session, with pipes that do not block.

    Parameters
    ----------
    command : sequence of str
    environment : mapping
        All its variables.
    folder : str, optional
        Its working folder; that of this process if not given.
    at_most : int
        Bytes that a reply may have.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: str | None = None, at_most: int = FRAME_AT_MOST
    ) -> None:
        pipe, command = subprocess.PIPE, self._started_as(command)
        self._at_most = at_most
        self._process = subprocess.Popen(
            command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=folder, start_new_session=True
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out, self._err = (self._process.stdin, self._process.stdout, self._process.stderr)
        for stream in (self._in, self._out, self._err):
            os.set_blocking(stream.fileno(), False)
        self._words = b""

    def _started_as(self, command: Sequence[str]) -> Sequence[str]:
        """The command that starts another one, which then ends with this process."""
        if sys.platform != "linux":
            return command
        return [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command]

    def _clock(self, seconds: float) -> Callable[[], float]:
        """What tells how many of these seconds are left."""
        deadline = time.monotonic() + seconds
        return lambda: deadline - time.monotonic()

    def exchange(self, request: bytes, seconds: float) -> bytes:
        """Send a frame and return what the next one holds.

        Raises
        ------
        TimeoutError
            If the reply is not complete in time; the text says how much of it had come, and is empty where nothing had.
        EndedError
            If the program ends before that.
        ProtocolError
            If it writes before it has read the question, announces too much, or writes on after its reply.
        """
        clock = self._clock(seconds)
        left, reply, ended = memoryview(request), bytearray(), False
        self._read(bytearray(), early=True)
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_WRITE)
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            while (remaining := clock()) > 0:
                unread = bool(left)
                events = selector.select(min(LOOK, remaining))
                for key, _ in events:
                    if key.fileobj is self._in:
                        left = self._write(left)
                        if not left:
                            selector.unregister(self._in)
                    elif key.fileobj is self._err:
                        if not self._listen():
                            selector.unregister(self._err)
                    elif self._read(reply, early=unread):
                        return bytes(memoryview(reply)[LENGTH:])
                if not events and ended:
                    raise EndedError(self._end(reply))
                ended = not events and self._process.poll() is not None
        raise TimeoutError(_progress(reply))

    def _write(self, left: memoryview) -> memoryview:
        """What is still to be written."""
        try:
            return left[os.write(self._in.fileno(), left[:CHUNK]) :]
        except BlockingIOError:
            return left
        except BrokenPipeError:  # nobody will read it; what becomes of that shows on the other pipe
            return left[:0]

    def _read(self, reply: bytearray, *, early: bool) -> bool:
        """Read what there is; whether the reply is complete with it."""
        try:
            read = os.read(self._out.fileno(), CHUNK)
        except BlockingIOError:
            return False
        if not read:
            raise EndedError(self._end(reply))
        if early:
            raise ProtocolError(f"the program wrote {len(read)} bytes before it had read the question; they begin with {_shown(read)}")
        reply += read
        if len(reply) < LENGTH:
            return False
        announced = frame_length(bytes(reply[:LENGTH]), self._at_most)
        excess = len(reply) - LENGTH - announced
        if excess > 0:
            beyond = _shown(bytes(reply[LENGTH + announced :]))
            more = f"{excess} bytes more than the {announced} that its reply announces"
            raise ProtocolError(f"the program wrote {more}; they begin with {beyond}")
        return excess == 0

    def _listen(self) -> bool:
        """Keep the end of what the program writes to its standard error; whether there may be more."""
        try:
            read = os.read(self._err.fileno(), CHUNK)
        except BlockingIOError:
            return True
        self._words = (self._words + read)[-4 * LAST_WORDS :]
        return bool(read)

    def _end(self, reply: bytearray) -> str:
        """How the program ended, and where in its reply."""
        try:
            code = self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            return "it closed its output and runs on"
        said = f"exit code {code}" if code >= 0 else f"signal {_signal_name(-code)}"
        said += f", in the middle of its reply: {_progress(reply)}" if reply else ""
        # A runtime may write its own name after the error.
        lines = self.last_words().splitlines()
        telling = [line for line in lines if "error" in line.lower()] or lines
        return f"{said}, its last line: {telling[-1].strip()[:300]}" if telling else said

    def last_words(self) -> str:
        """The end of what it wrote to its standard error, in characters that can be printed."""
        before = None
        while not self._err.closed and before != self._words:
            before = self._words
            self._listen()
        return readable(self._words.decode("utf-8", "replace"))[-LAST_WORDS:].strip()

    def close(self, *, gently: bool = False) -> None:
        """End the process and all that it started; gently, it has a moment to end by itself when its input does."""
        self._in.close()
        if gently:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_WITHIN)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._out.close()
        self._err.close()


def _progress(reply: bytearray) -> str:
    """How much of a reply has come; empty where nothing has."""
    if not reply:
        return ""
    if len(reply) < LENGTH:
        return f"{len(reply)} bytes came, {_shown(bytes(reply))}; a frame begins with {LENGTH}, which are its length"
    return f"{len(reply) - LENGTH} of the {frame_length(bytes(reply[:LENGTH]))} bytes that it announces had come"


def _shown(data: bytes) -> str:
    """The beginning of some bytes as text."""
    return repr(data[:20].decode("ascii", "replace"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
