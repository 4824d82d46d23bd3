"""This process and others of this machine: all that differs between operating systems.

Linux tells most. Where a system does not tell, a process counts as running, so what it holds is
given up for its age and never by mistake.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def this_process() -> dict[str, object]:
    """Machine, host, process id and start, so that a number that is used again is not mistaken."""
    pid = os.getpid()
    return {"machine": machine(), "host": socket.gethostname(), "pid": pid, "start": start_of(pid)}


def machine() -> str:
    """Differs between machines, boots and process-id namespaces (containers)."""
    parts = [socket.gethostname()]
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.is_file():
        parts += [boot.read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def start_of(pid: int) -> str:
    """Start of a process in clock ticks since boot; empty where the system does not tell.

    A process that has ended and that nobody has collected yet counts as gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "ended" if state in "ZX" else rest[18]


def has_ended(pid: int) -> bool:
    """Whether surely no process of this machine has this id."""
    if sys.platform == "win32":  # there, signal 0 is Ctrl-C and stops the other
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return start_of(pid) == "ended"


def peak_mb() -> float | None:
    """Largest memory that this process has had, in MB (2**20 bytes); None where nobody tells."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
