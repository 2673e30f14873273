"""What an implementation can fail with before or beside an answer, what can be wrong with the suite itself, and exceptions in words."""

from __future__ import annotations


class UnimportableError(Exception):
    """The implementation cannot be imported, or its program not be used; the text says why.

    `excerpt` is the line of the user's file in which the import ended, as Python shows it, with a caret under what is wrong; empty where
    there is none.
    """

    def __init__(self, sentence: str, excerpt: str = "") -> None:
        super().__init__(sentence)
        self.excerpt = excerpt

    @property
    def in_full(self) -> str:
        """The sentence, and below it the line."""
        return f"{self}.\n\n{self.excerpt}" if self.excerpt else f"{self}."


class SandboxError(Exception):
    """The sandbox cannot be made here, or does not hold; the text says why. Nothing of the submission was run, nor is it at fault."""


class ImplementationError(Exception):
    """A function of the implementation raised; the text says which and what."""


class SuiteError(Exception):
    """The suite contradicts itself: Keras does not pass a case, or two oracles disagree."""


class NotDiscriminatingError(Exception):
    """A case that could not tell right from wrong."""


class IllConditionedCaseError(Exception):
    """The case answers a change in the last digit with a large one: no implementation can be judged by it."""


class VectorsError(Exception):
    """Recorded vectors are missing or damaged; the sentence names the file."""


def reason(error: BaseException) -> str:
    """An exception on one line, with the layer in which the graph met it."""
    return " ".join([plain(error), *getattr(error, "__notes__", [])])


def plain(error: BaseException) -> str:
    """Type and text of an exception on one line; the text alone where it tells the type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ImplementationError | NotImplementedError) else f"{type(error).__name__}: {text}"
