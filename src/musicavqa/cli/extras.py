"""What to install where an optional package is missing."""

from __future__ import annotations

import re

EXTRAS = {
    "cv2": "bandstand",
    "midirenderer": "bandstand",
    "espeakng_loader": "bandstand",
    "transformers": "encoders",
    "huggingface_hub": "encoders",
    "ray": "ray",
    "fsspec": "cloud",
    "s3fs": "cloud",
    "h5py": "hdf5",
    "openai": "llm",
    "PIL": "llm",
    "matplotlib": "plots",
    "openpyxl": "xlsx",
    "mkdocs": "docs",
    "mkdocstrings": "docs",
    "accelerate": "distributed",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "fastapi": "web",
    "starlette": "web",
    "uvicorn": "web",
    "python_multipart": "web",
}
"""Module -> the extra of this package that installs it."""


def what_to_install(error: ImportError) -> str | None:
    """The line that names the extra; None where the missing module belongs to none."""
    named = re.search(r"(?:No module named '|import of )([\w.]+)", str(error))
    module = (named[1] if named else error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module not in EXTRAS:
        return None
    return f"This needs {module}: pip install 'musicavqa[{EXTRAS[module]}]'"
