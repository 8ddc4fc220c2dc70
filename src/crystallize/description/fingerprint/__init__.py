"""What determines a number: one walk over all that a function can reach.

``names`` says what a piece of code names, ``globals`` and ``imports`` what that stands for,
``source`` what it says without its layout, ``origin`` whose it is. ``values`` makes tokens of
values by their content, with ``kinds`` and ``data`` for those that need care; ``glance`` only
looks what they hold. ``classes`` lists what a class has. ``walk`` goes from one to the next,
``naming`` says what it is called, ``parts`` is what comes of it, ``taken`` has the walks.
"""

from crystallize.description.fingerprint.parts import Fingerprint, Part
from crystallize.description.fingerprint.shown import shown_parameter, source_file, source_hash
from crystallize.description.fingerprint.taken import (
    changing_state,
    fingerprint_of,
    function_fingerprint,
    generators_reached,
    halted_before_conditions,
    loaded_fingerprint,
    state_of,
)

__all__ = [
    "Fingerprint",
    "Part",
    "changing_state",
    "fingerprint_of",
    "function_fingerprint",
    "generators_reached",
    "halted_before_conditions",
    "loaded_fingerprint",
    "shown_parameter",
    "source_file",
    "source_hash",
    "state_of",
]
