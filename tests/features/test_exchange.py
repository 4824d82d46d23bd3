"""Features of others come in after checks, and ours go out as their programs read them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from musicavqa.features.encoders import list_encoders, load_spec
from musicavqa.features.exchange import exporting, layouts
from musicavqa.features.exchange.importing import Stream, fitted, import_features
from musicavqa.features.store import IMPORTED, Description, FeatureError, Store, Writer
from musicavqa.features.streams import open_streams
from musicavqa.records import Clip

VGGISH = Stream("audio_vggish", (128,))
MAP = Stream("visual_resnet18_map", (512, 14, 14), every_s=6)


def clips(*ids: str, seconds: float = 60.0) -> list[Clip]:
    return [Clip(clip_id, None, seconds) for clip_id in ids]


def rows(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def test_a_folder_of_arrays_becomes_a_store_that_claims_no_weights(tmp_path):
    source = tmp_path / "vggish"
    source.mkdir()
    for seed, name in enumerate(("00000001", "00000002", "elsewhere")):
        np.save(source / f"{name}.npy", rows(60, 128, seed=seed))
    np.save(source / "00000003.npy", rows(60, 64))
    np.save(source / "00000004.npy", np.full((60, 128), np.inf, np.float32))
    known = clips(*(f"0000000{i}" for i in range(1, 6)))
    report = import_features(source, VGGISH, known, tmp_path / "out", "music_avqa", "GeWu-Lab")
    assert (report.n_written, report.missing, report.unknown) == (2, ["00000005"], ["elsewhere"])
    refused = {note.clip: note.text for note in report.refused}
    assert "has (rows, 128)" in refused["00000003"]
    assert "not finite" in refused["00000004"]
    store = Store.open(report.folder)
    assert np.array_equal(store["00000002"], rows(60, 128, seed=1).astype(np.float16))
    facts = {name: store.manifest[name] for name in ("hash8", "weights", "imported_from")}
    assert facts == {"hash8": IMPORTED, "weights": {}, "imported_from": "GeWu-Lab"}
    assert set(store.manifest["skipped"]) == {"00000003", "00000004", "00000005"}
    again = import_features(source, VGGISH, known, tmp_path / "out", "music_avqa", "GeWu-Lab")
    assert (again.n_written, again.n_present) == (0, 2)
    with pytest.raises(FeatureError, match="imported_from"):
        import_features(source, VGGISH, known, tmp_path / "out", "music_avqa", "somebody else")


def test_imported_features_are_read_where_we_made_none(tmp_path):
    source = tmp_path / "vggish"
    source.mkdir()
    np.save(source / "a.npy", rows(60, 128))
    import_features(source, VGGISH, clips("a"), tmp_path / "out", "music_avqa")
    (store,) = open_streams(tmp_path / "out", ["audio_vggish"], "music_avqa").values()
    assert store.description.imported_from == "vggish"


def test_an_hdf5_file_is_read_too(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "vggish.h5", "w") as file:
        file["a"], file["b"] = rows(60, 128), rows(60, 128, seed=1)
    report = import_features(tmp_path / "vggish.h5", VGGISH, clips("a", "b"), tmp_path, "set")
    assert (report.n_written, report.refused) == (2, [])
    assert Store.open(report.folder)["b"].shape == (60, 128)


def test_rows_must_be_as_many_as_the_clip_owes():
    assert len(fitted(rows(60, 128), VGGISH, 60.0)) == 60
    assert len(fitted(rows(61, 128), VGGISH, 60.0)) == 60  # rounding
    assert len(fitted(rows(59, 128), VGGISH, 60.0)) == 59
    with pytest.raises(FeatureError, match=r"40 rows where 60\.0 s owe 60"):
        fitted(rows(40, 128), VGGISH, 60.0)
    with pytest.raises(FeatureError, match="--cut"):
        fitted(rows(60, 128), VGGISH, 41.5)
    assert len(fitted(rows(60, 128), VGGISH, 41.5, cut=True)) == 42
    assert len(fitted(rows(33, 128), VGGISH, None)) == 33


def test_maps_of_all_seconds_are_thinned_to_those_that_are_kept():
    every = rows(60, 512, 14, 14)
    assert np.array_equal(fitted(every, MAP, 60.0), every[::6])
    assert np.array_equal(fitted(every[::6], MAP, 60.0), every[::6])
    with pytest.raises(FeatureError, match="length is not known"):
        fitted(every, MAP, None)


def test_arrays_of_another_set_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", rows(60, 128))
    with pytest.raises(FeatureError, match="None of the 1 arrays"):
        import_features(tmp_path, VGGISH, clips("a"), tmp_path, "set")


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"code": 1}]), allow_pickle=True)
    report = import_features(tmp_path, VGGISH, clips("a"), tmp_path, "set")
    assert "Python objects" in report.refused[0].text


def npy_header(text: str, rest: bytes = b"") -> bytes:
    """An .npy file of version 1 with this text as its header."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + rest


WHOLE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s, 128), }"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read"),
        (b"\x93NUMPY", "cannot be read"),
        (npy_header(WHOLE % 60, bytes(100)), "cannot be read"),
        (npy_header(WHOLE % 10**12), "cannot be read"),
        (npy_header(WHOLE % -3), "cannot be read"),
        (npy_header(WHOLE % 60 + "}"), "cannot be read"),
        (npy_header("{'descr': '<f4', 'fortran_order'"), "cannot be read"),
        (npy_header("[" * 9000), "cannot be read"),
        (npy_header("{'descr': 'nothing', 'fortran_order': False, 'shape': (1, 128), }"), "cannot"),
        (npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", bytes(4)), "()"),
        ("npz", "is an .npz archive"),
        ("folder", "cannot be read"),
        ("text", "holds"),
    ],
)
def test_a_damaged_array_is_refused_by_name_and_the_rest_goes_on(tmp_path, content, told):
    source = tmp_path / "arrays"
    source.mkdir()
    for name in ("a", "z"):
        np.save(source / f"{name}.npy", rows(60, 128))
    broken = source / "b.npy"
    if content == "npz":
        with broken.open("wb") as file:
            np.savez(file, rows=rows(60, 128))
    elif content == "folder":
        broken.mkdir()
    elif content == "text":
        np.save(broken, np.full((60, 128), "x"))
    else:
        broken.write_bytes(content)
    report = import_features(source, VGGISH, clips("a", "b", "z"), tmp_path / "out", "set")
    assert (report.n_written, [note.clip for note in report.refused]) == (2, ["b"])
    assert told in report.refused[0].text
    assert len(report.refused[0].text.splitlines()) == 1
    assert Store.open(report.folder).ids() == ["a", "z"]


def test_a_damaged_hdf5_file_is_one_line_and_a_group_is_refused_by_name(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(FeatureError, match="no readable HDF5 file"):
        import_features(tmp_path / "bad.h5", VGGISH, clips("a"), tmp_path, "set")
    with h5py.File(tmp_path / "few.h5", "w") as file:
        file["a"], file["b/inside"] = rows(60, 128), rows(60, 128)
        file.create_dataset("c", (10**11, 128), "f4", chunks=(1, 128))  # all but no bytes
    report = import_features(tmp_path / "few.h5", VGGISH, clips("a", "b", "c"), tmp_path, "set")
    assert report.n_written == 1
    assert [note.clip for note in report.refused] == ["b", "c"]


def test_the_command_line_names_the_refused_clip_and_imports_the_other(tmp_path, command_line):
    folder = tmp_path / "mine"
    folder.mkdir()
    rows_of = "".join(f"{name},Is there a cello sound?,yes\n" for name in ("one", "two"))
    (folder / "test.csv").write_text(f"clip,question,answer\n{rows_of}")
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    np.save(arrays / "one.npy", rows(60, 128))
    (arrays / "two.npy").touch()
    code, out, err = command_line(
        "features", "import", "folder", arrays, "--stream", "audio_vggish", "--data", folder,
        "--seconds", 60, "--out", tmp_path / "store",
    )  # fmt: skip
    assert (code, "1 clips imported" in out) == (1, True)
    assert "two: it cannot be read (EOFError" in err


def stored(root, stream: str, shape: tuple[int, ...], lengths: dict[str, int], every_s: int = 1):
    """A store with so many rows per clip."""
    facts = Description(stream, "01234567", shape, every_s=every_s)
    writer = Writer(root / facts.folder_name, facts)
    for seed, (clip, n) in enumerate(lengths.items()):
        writer.add(clip, rows(n, *shape, seed=seed))
    writer.close()
    return Store.open(root / facts.folder_name)


def test_avst_reads_what_we_export(tmp_path):
    """The loader takes <dir>/<video>.npy of both, every sixth row, and any row as a negative."""
    stores = {
        "audio_vggish": stored(tmp_path, "audio_vggish", (128,), {"00000001": 60, "short": 41}),
        "visual_resnet18_map": stored(
            tmp_path, "visual_resnet18_map", (512, 14, 14), {"00000001": 10, "short": 7}, every_s=6
        ),
    }
    done = exporting.export(layouts.layout("avst"), stores, tmp_path / "out")
    assert (done.n_clips, done.n_filled) == (2, 1)
    for clip in ("00000001", "short"):
        audio = np.load(tmp_path / "out/vggish" / f"{clip}.npy")
        maps = np.load(tmp_path / "out/res18_14x14" / f"{clip}.npy")
        assert (audio.shape, audio.dtype) == ((60, 128), np.float32)
        assert (maps.shape, maps.dtype) == ((60, 512, 14, 14), np.float32)
    positive = np.load(tmp_path / "out/res18_14x14/00000001.npy")[::6]
    assert np.array_equal(positive, stores["visual_resnet18_map"]["00000001"])
    filled = np.load(tmp_path / "out/vggish/short.npy")
    assert np.array_equal(filled[:41], stores["audio_vggish"]["short"])
    assert (filled[41:] == filled[40]).all()


def test_pstp_net_reads_frame_and_patches_from_one_array(tmp_path):
    """The loader takes [:60, 0] as the frame and [:60, 1:] as the patches."""
    shapes = {"audio_vggish": (128,), "visual_clip_b32_patches": (50, 512)}
    stores = {name: stored(tmp_path, name, shape, {"1": 60}) for name, shape in shapes.items()}
    exporting.export(layouts.layout("pstp_net"), stores, tmp_path / "out")
    tokens = np.load(tmp_path / "out/clip_patch-level_vit_b32/1.npy")
    frame, patches = tokens[:60, 0, :], tokens[:60, 1:, :]
    assert (frame.shape, patches.shape) == ((60, 512), (60, 49, 512))
    assert np.array_equal(frame, stores["visual_clip_b32_patches"]["1"][:, 0])


def test_tspm_and_qa_tiger_read_frames_and_merged_patches(tmp_path):
    shapes = {"audio_vggish": (128,), "visual_clip_l14_336": (768,), "visual_tome14": (14, 1024)}
    stores = {name: stored(tmp_path, name, shape, {"1": 60}) for name, shape in shapes.items()}
    for name in ("tspm", "qa_tiger"):
        done = exporting.export(layouts.layout(name), stores, tmp_path / name)
        found = [np.load(folder / "1.npy") for folder in done.options.values()]
        assert [array.shape for array in found] == [(60, 128), (60, 768), (60, 14, 1024)]
    assert (tmp_path / "tspm/clip_feats/frame_1fps_ViT-L14@336px/1.npy").is_file()


def test_layouts_and_our_encoders_agree_on_shapes():
    own = {name: load_spec(name).shape for name in list_encoders()}
    parts = [part for layout in layouts.LAYOUTS.values() for part in layout.parts]
    assert all(own.get(part.stream, part.shape) == part.shape for part in parts)


def test_hcrn_reads_clips_of_frames_by_whole_numbers(tmp_path):
    """The loader looks up str(number) of `ids`, then takes that row of both data sets."""
    h5py = pytest.importorskip("h5py")
    stores = {
        "visual_resnet18": stored(tmp_path, "visual_resnet18", (512,), {"0000093": 60, "7": 60}),
        "audio_vggish": stored(tmp_path, "audio_vggish", (128,), {"0000093": 60, "7": 60}),
    }
    done = exporting.export(layouts.layout("hcrn"), stores, tmp_path / "out")
    with h5py.File(done.options["appearance_feat"]) as file:
        row = {str(number): i for i, number in enumerate(file["ids"][()])}["93"]
        frames = file["resnet_features"][row]
    with h5py.File(done.options["motion_feat"]) as file:
        motion = file["resnext_features"][row]
    expected = stores["visual_resnet18"]["0000093"].astype(np.float32).reshape(5, 12, 512)
    assert np.array_equal(frames, expected)
    assert motion.shape == (5, 128)
    named = {
        n: stored(tmp_path / "named", n, s.description.shape, {"a": 60}) for n, s in stores.items()
    }
    with pytest.raises(FeatureError, match="whole numbers as ids; 'a'"):
        exporting.export(layouts.layout("hcrn"), named, tmp_path / "out")


def test_rows_of_another_shape_than_the_layout_wants_are_refused(tmp_path):
    stores = {
        "audio_vggish": stored(tmp_path, "audio_vggish", (64,), {"1": 60}),
        "visual_resnet18_map": stored(tmp_path, "visual_resnet18_map", (512, 7, 7), {"1": 2}),
    }
    with pytest.raises(FeatureError, match=r"the layout wants \(128,\) in vggish"):
        exporting.export(layouts.layout("avst"), stores, tmp_path / "out")


def test_what_is_exported_can_be_imported_again(tmp_path):
    store = stored(tmp_path, "audio_vggish", (128,), {"a": 60})
    maps = stored(tmp_path, "visual_resnet18_map", (512, 14, 14), {"a": 60})
    both = {"audio_vggish": store, "visual_resnet18_map": maps}
    exporting.export(layouts.layout("avst"), both, tmp_path / "out")
    report = import_features(tmp_path / "out/vggish", VGGISH, clips("a"), tmp_path / "in", "set")
    assert np.array_equal(Store.open(report.folder)["a"], store["a"])


def test_near_layouts_and_streams_are_named():
    with pytest.raises(ValueError, match="Did you mean avst"):
        layouts.layout("avts")
    with pytest.raises(ValueError, match="Did you mean"):
        Stream.of("audio_loudnes")


def test_streams_without_an_encoder_are_imported_by_the_published_shape(monkeypatch):
    monkeypatch.setattr("musicavqa.features.encoders.list_encoders", lambda: ["audio_yamnet"])
    assert Stream.of("visual_tome14").shape == (14, 1024)


def test_importing_and_exporting_from_the_command_line(command_line, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    row = {"clip": "1", "question": "Is there a voiceover?"}
    (data / "test.jsonl").write_text(json.dumps(row) + "\n")
    for name, shape in (("vggish", (128,)), ("maps", (512, 14, 14))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "1.npy", rows(60, *shape))
        np.save(tmp_path / name / "2.npy", rows(60, *shape))
    where = ("--data", data, "--out", tmp_path / "rows", "--seconds", 60)
    for name, stream in (("vggish", "audio_vggish"), ("maps", "visual_resnet18_map")):
        arguments = ("features", "import", "folder", tmp_path / name, "--stream", stream)
        code, out, err = command_line(*arguments, *where)
        assert (code, "1 clips imported" in out, "left out: 1" in err) == (0, True, True), err
    arguments = ("features", "export", "avst", "folder", tmp_path / "official")
    code, out, _ = command_line(*arguments, "--out", tmp_path / "rows")
    assert (code, "--video_res14x14_dir" in out) == (0, True)
    assert np.load(tmp_path / "official/res18_14x14/1.npy").shape == (60, 512, 14, 14)


@pytest.mark.parametrize(
    "clip_id", ["../../x", "/tmp/x", "a/b", "..", "C:\\x", "__metadata__", "%41"]
)
def test_any_id_is_exported_within_the_folder_and_comes_in_again(tmp_path, clip_id):
    place = tmp_path / "deep" / "out"
    shapes = {"audio_vggish": (128,), "visual_resnet18_map": (512, 14, 14)}
    stores = {
        name: stored(tmp_path / "ours", name, shape, {clip_id: 60, "00000001": 60})
        for name, shape in shapes.items()
    }
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    layout = layouts.layout("avst")
    exporting.export(layout, stores, place)
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert len(made) == 2 * len(stores)
    assert {path.parent.parent for path in made} == {place}
    folder = next(path.parent for path in made if np.load(path).shape == (60, 128))
    report = import_features(folder, VGGISH, clips(clip_id, "00000001"), tmp_path / "in", "set")
    assert (report.n_written, report.missing, report.unknown) == (2, [], [])
    assert np.array_equal(Store.open(report.folder)[clip_id], stores["audio_vggish"][clip_id])
