"""The same store in an object store: moto's S3 on this machine."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

from musicavqa.features.exchange.importing import Stream, import_features  # noqa: E402
from musicavqa.features.extraction import extract  # noqa: E402
from musicavqa.features.extraction.verify import check_shards, recompute  # noqa: E402
from musicavqa.features.store import Store, folder  # noqa: E402
from musicavqa.features.store.claims import Busy, Claim, held  # noqa: E402
from musicavqa.records import Clip  # noqa: E402
from test_extraction import Brightness, Loudness  # noqa: E402


@pytest.fixture(scope="module")
def bucket():
    """Address of an empty bucket; credentials and endpoint as the environment gives them."""
    import s3fs

    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        patch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("features")
    yield "s3://features/store"
    patch.undo()
    running.stop()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def clip(small_video) -> Clip:
    return Clip("a/b", small_video, 4.0)


def test_a_folder_in_an_object_store_has_the_same_verbs(bucket):
    place = folder(bucket) / "verbs"
    assert (place.exists(), place.files(), place.size("a")) == (False, [], None)
    place.write("a.txt", [b"fi", b"rst"])
    place.write("a.txt", [b"second"])
    (place / "below").write("b.txt", [b"deep"])
    assert (place.files(".txt"), place.folders(), place.size("a.txt")) == (["a.txt"], ["below"], 6)
    assert (place.read("a.txt"), place.read("a.txt", 3)) == (b"second", b"sec")
    assert [place.create("claim", text) for text in (b"first", b"second")] == [True, False]
    assert place.read("claim") == b"first"
    place.remove("claim")
    place.remove("claim")
    assert place.create("claim", b"third")
    with pytest.raises(FileNotFoundError):
        place.read("nothing")
    assert (place.name, str(place.parent)) == ("verbs", bucket)


def test_clips_are_extracted_read_and_verified_there(bucket, clip, tmp_path):
    encoders = [Loudness(), Brightness()]
    report = extract([clip], encoders, bucket, "set")
    there = extract([clip], encoders, tmp_path, "set")
    assert (report.n_written, report.skipped) == (2, [])
    for name in report.folders:
        remote, local = Store.open(report.folders[name]), Store.open(there.folders[name])
        assert remote.manifest == local.manifest
        assert np.array_equal(remote["a/b"], local["a/b"])
        assert check_shards(report.folders[name]) == (1, [])
    assert all(item.equal for item in recompute([clip], encoders, bucket, "set", 1))
    assert extract([clip], encoders, bucket, "set").n_present == 2
    assert (folder(bucket) / "set" / "claims").files() == []


def test_a_shard_is_fetched_once(bucket, clip, tmp_path, monkeypatch):
    report = extract([clip], [Loudness()], bucket, "once")
    first = Store.open(report.folders["audio_fake"])["a/b"]
    store = Store.open(report.folders["audio_fake"])
    monkeypatch.setattr(type(store.folder), "read", lambda *_: pytest.fail("fetched again"))
    assert np.array_equal(store["a/b"], first)
    assert len(list((tmp_path / "cache" / "shards").iterdir())) == 1


def test_a_claim_in_an_object_store_is_held_once(bucket):
    place = folder(bucket) / "claims"
    with held(place, "ab") as first, held(place, "ab") as second:
        assert (isinstance(first, Claim), isinstance(second, Busy)) == (True, True)
        first.check()
    assert place.files() == []


def test_imported_features_may_lie_there_too(bucket, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 128), np.float32))
    stream = Stream("audio_vggish", (128,))
    report = import_features(tmp_path, stream, [Clip("a", None, 4.0)], bucket, "theirs")
    assert Store.open(report.folder)["a"].shape == (4, 128)
