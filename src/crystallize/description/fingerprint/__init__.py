"""What determines a number: one walk over all that a function can reach.

``names`` says what a piece of code names, ``source`` finds what it says without its layout,
``origin`` whose it is, ``values`` and ``data`` turn values into tokens, ``classes`` lists what
a class has, ``walk`` goes from one to the next, and ``parts`` is what comes of it.
"""

from crystallize.description.fingerprint.parts import Fingerprint, Part
from crystallize.description.fingerprint.shown import shown_parameter, source_file, source_hash
from crystallize.description.fingerprint.walk import (
    fingerprint_of,
    function_fingerprint,
    generators_reached,
    loaded_fingerprint,
)

__all__ = [
    "Fingerprint",
    "Part",
    "fingerprint_of",
    "function_fingerprint",
    "generators_reached",
    "loaded_fingerprint",
    "shown_parameter",
    "source_file",
    "source_hash",
]
