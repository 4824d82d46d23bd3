"""Where networks compute: the processor, or a GPU of this machine."""

from __future__ import annotations


def check_device(device: str) -> str:
    """The same name, or ValueError where torch has no such device here."""
    if device == "cpu":  # always here: nothing is loaded to say so
        return device
    import torch

    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"There is no device {device!r}; say cpu, cuda or cuda:1.") from error
    if kind.type == "cuda" and not torch.cuda.is_available():
        built = "" if torch.version.cuda else " (this torch was built for the CPU alone)"
        raise ValueError(f"There is no GPU here for --device {device}{built}. Say --device cpu.")
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"There is no {device}: this machine has {torch.cuda.device_count()}.")
    if kind.type not in ("cpu", "cuda"):
        raise ValueError(f"Nothing here computes on {device!r}; say cpu or cuda.")
    return device
