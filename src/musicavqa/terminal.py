"""What is printed is text: names and texts of others cannot move the cursor or hide a line."""

from __future__ import annotations

import re
import sys

_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but for tab and line feed, turns of the writing direction, half characters."""


def plain(text: object) -> str:
    """The text with every character that commands a terminal spelled out, such as \\x1b."""
    return _COMMANDS.sub(_spelled, str(text))


def say(*parts: object, error: bool = False, end: str = "\n") -> None:
    """Print a line to stdout, or to stderr: results are said on the one, all else on the other."""
    print(*map(plain, parts), file=sys.stderr if error else sys.stdout, end=end)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
