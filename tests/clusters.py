"""A Ray cluster in this process, two of whose nodes work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STORE = {"object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster(request):
    """A head without cores and two nodes of one core; workers find what the test file imports.

    Ray's nodes die if their agents take more than some 15 s to start: run it on a quiet machine.
    """
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    package = str(Path(__import__("musicavqa").__file__).parents[1])
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([package, *map(str, request.path.parents[:2])]))
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **STORE}
    )
    nodes = [found.add_node(num_cpus=1, **STORE) for _ in range(2)]
    found.wait_for_nodes()
    yield found, nodes
    ray.shutdown()
    found.shutdown()
    patch.undo()


@contextmanager
def one_node_lost(cluster, when: Callable[[], bool]) -> Iterator[None]:
    """What is done inside loses a node as soon as `when()` holds, while it is under way."""
    found, nodes = cluster
    began = time.monotonic()

    def lose_it() -> None:
        while not when():
            if time.monotonic() - began > 200:
                return
            time.sleep(0.05)
        found.remove_node(nodes[0], allow_graceful=False)

    thread = threading.Thread(target=lose_it)
    thread.start()
    yield
    thread.join()
    assert len(found.list_all_nodes()) == 2, "the node was not lost in the middle"
