"""Method and plug-in files of one's own: what they are made of, its hash, and how they are loaded.

A file of one's own is code that runs. It is loaded only where a person names it, and its content
hash says whether it is still the file that a model was trained with.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType


def method_hash(path: Path | str) -> str:
    """sha256 (hex) of a method file and of all Python files that it imports from beside it.

    Names of the imported files count, the name of the file itself does not; this package is never
    one of its parts. FileNotFoundError where there is no such file, ValueError where one of them
    cannot be read as Python.
    """
    path = Path(path)
    digest = hashlib.sha256()
    for part in method_parts(path):
        name = "" if part == path else part.relative_to(path.parent).as_posix()
        content = part.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def method_parts(path: Path | str) -> list[Path]:
    """The file first, then what it imports from beside it, and so on, sorted by name.

    Of a package all modules count. Modules that are named in a text ("parts", for importlib) count
    too: what is imported while the model runs cannot be told from reading.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    found, todo = {path}, [path]
    while todo:
        new = set(_beside(path, todo.pop())) - found
        found |= new
        todo += new
    return [path, *sorted(found - {path})]


def load_own_file(path: Path) -> ModuleType:
    """Run the file and give its module; what it imports from beside it is read anew too."""
    names = {_top(part, path.parent) for part in method_parts(path)[1:]}
    mark = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"own_method_{path.stem}_{mark}"
    loader = _FromSource(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    with _importing_from(path.parent, names):
        loader.exec_module(module)
    return module


class _FromSource(importlib.machinery.SourceFileLoader):
    """Compiles what the file says now; a .pyc of the same second may be of an older text."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


@contextmanager
def _importing_from(folder: Path, names: set[str]) -> Iterator[None]:
    """Let `names` be imported anew from this folder, unless they are installed somewhere else."""
    importlib.invalidate_caches()
    for name in names - sys.stdlib_module_names:
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is None or Path(spec.origin or folder).resolve().is_relative_to(folder.resolve()):
            for loaded in [key for key in sys.modules if key.partition(".")[0] == name]:
                del sys.modules[loaded]
    kept = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.append(str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))
        sys.dont_write_bytecode = kept


def _beside(method: Path, part: Path) -> Iterator[Path]:
    """Python files in the folder of `method` that `part` of it may import; of packages all."""
    folder, (imported, texts) = method.parent, _named(part)
    for name in sorted(imported | texts):
        if name.isidentifier() and (folder / f"{name}.py").is_file():
            yield folder / f"{name}.py"
    for name in sorted(imported - {"musicavqa"}):  # the package may lie beside the file, too
        yield from (folder / name).rglob("*.py")


def _named(path: Path) -> tuple[set[str], set[str]]:
    """Modules that a Python file imports, by the first part of their names, and all its texts."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as Python: {error}.") from error
    imported, texts = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {node.module} if node.module else {name.name for name in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value.removesuffix(".py"))
    return {name.partition(".")[0] for name in imported}, texts


def _top(part: Path, folder: Path) -> str:
    return part.relative_to(folder).parts[0].removesuffix(".py")
