"""How the tokens of a vocabulary are spelled, as far as grammars ask."""

from collections.abc import Sequence
from typing import Any


class Spelling:
    """Tables over a whole vocabulary: making them takes a part of a second."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Take the bytes of every token, in their order."""
        import numpy

        self.singles = {piece[0]: token for token, piece in enumerate(pieces) if len(piece) == 1}
        """The tokens that are one byte each, by that byte."""
        self._firsts = numpy.array([piece[0] if piece else 256 for piece in pieces], numpy.uint16)

    def besides(self, firsts: Sequence[int]) -> Any:  # noqa: ANN401 - numpy is imported late
        """The tokens that begin with another byte than these."""
        import numpy

        fine = numpy.ones(257, numpy.bool_)
        fine[[*firsts, 256]] = False
        return numpy.flatnonzero(fine[self._firsts])
