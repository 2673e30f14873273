"""What a submission tried that is not allowed, also where it caught the exception: kept in its process, asked for at the end."""

from __future__ import annotations

import os
import sys

MOST = 10


class Attempts:
    """Sentences, each once, with the line of the submission from which it came.

    A submission can clear this, as everything in its process: it is there to explain, and decides nothing.
    """

    def __init__(self) -> None:
        self.folder = ""
        self.sentences: list[str] = []

    def note(self, sentence: str) -> None:
        """Remember what was refused just now."""
        frame = sys._getframe(1)
        while frame is not None and not (self.folder and frame.f_code.co_filename.startswith(f"{self.folder}/")):
            frame = frame.f_back  # type: ignore[assignment]
        if frame is None:  # not from there: NumPy looks for what it can do without
            return
        said = f"{sentence} ({os.path.relpath(frame.f_code.co_filename, self.folder)}, line {frame.f_lineno})"
        if said not in self.sentences and len(self.sentences) < MOST:
            self.sentences.append(said)


attempts = Attempts()
