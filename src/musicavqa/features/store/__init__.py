"""Keep encoded clips: <root>/<set>/<encoder>-<hash8>/ with a manifest and shards.

A shard is one safetensors file of arrays by clip id, (T, *shape) each. Shards are only ever added:
a shard is complete or absent and the manifest is written last, so a run that was killed goes on
where it stopped. A folder with a manifest can be read. A root is a folder, or the address of an
object store (s3://bucket/prefix).
"""

from musicavqa.features.store.description import FORMAT, IMPORTED, Description, FeatureError
from musicavqa.features.store.places import Folder, folder
from musicavqa.features.store.reading import ClipStore, Store
from musicavqa.features.store.strip import Strip
from musicavqa.features.store.writing import Writer

__all__ = [
    "FORMAT",
    "IMPORTED",
    "ClipStore",
    "Description",
    "FeatureError",
    "Folder",
    "Store",
    "Strip",
    "Writer",
    "folder",
]
