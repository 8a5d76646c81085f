"""What would this pickle build? Answered by walking its opcodes on symbols; nothing is imported and nothing runs.

The stream is read the way `pickletools` reads it, opcode by opcode, on a stack of small symbols instead of objects.
Long texts and bytes are skipped, containers keep their first items only, and the number of opcodes is bounded, so
neither a bomb nor a huge file costs more than time proportional to its size up to the bound.
"""

from __future__ import annotations

from migrations.byte_source import ByteSource, ShortReadError
from migrations.pickle_machine import Machine
from migrations.pickle_opcodes import HANDLERS
from migrations.pickle_symbols import DamagedPickleError, Walk


def walk_pickle(source: ByteSource) -> Walk:
    """Walk one pickle stream from the source's position to its STOP.

    Args:
        source: the (already decompressed) bytes.

    Returns:
        The symbol of the top object with every global that loading would import.

    Raises:
        DamagedPickleError: the stream is cut off or malformed.
        TooComplexError: it has more opcodes than we walk.

    """
    walk = Walk()
    try:
        walk.top = Machine(source, walk, HANDLERS).run()
    except ShortReadError as error:
        raise DamagedPickleError("cut off") from error
    except (ValueError, UnicodeDecodeError, TypeError, OverflowError) as error:
        raise DamagedPickleError(str(error)) from error
    return walk
