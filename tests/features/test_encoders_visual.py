"""Published picture encoders: seeded weights in the official layouts, against reference runs.

goldens/encoders_visual.json says how its numbers were made. Swin V2 is compared with transformers'
own class, resizing with Pillow; CLIP is in test_clip.py.
"""

import dataclasses
import inspect
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from musicavqa.backbones.merging import match, merge, n_merged
from musicavqa.backbones.transformer import Attention
from musicavqa.features.encoders import (
    list_encoders,
    load_encoder,
    load_spec,
    residual,
    swin,
    visual_r2plus1d,
    visual_resnet18_map,
    visual_tome14,
)
from musicavqa.features.encoders.checkpoints import load_into, read_state
from musicavqa.features.encoders.vision import (
    HALF,
    IMAGENET,
    PictureEncoder,
    asked,
    centre,
    normalised,
)
from musicavqa.features.encoders.weights import OFFICIAL, WeightError, add
from musicavqa.media import Media, Pictures, read
from seeded_weights import seeded

GOLDEN = json.loads((Path(__file__).parents[1] / "goldens" / "encoders_visual.json").read_text())
OFFICIAL_ENCODERS = [
    name for name in list_encoders() if set(load_spec(name).weights) & set(OFFICIAL)
]
VISUAL = [name for name in OFFICIAL_ENCODERS if name.startswith(("visual_", "text_clip"))]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache of weights for each test."""
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path / "cache"))


def official_residual(network, classes):
    """torchvision's file for this network: its own tensors and the classifier."""
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    shapes |= {"fc.weight": (classes, 8 * network.width), "fc.bias": (classes,)}
    return shapes, seeded(shapes)


def noise(n, height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def media(spec, pictures, duration_s):
    return Media({asked(spec): pictures}, duration_s, pictures is not None, False)


# ResNet-18 and R(2+1)D against torchvision.


@pytest.fixture
def resnet_file(tmp_path):
    _, state = official_residual(residual.ResNet18(), 1000)
    torch.save(state, tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


@pytest.mark.parametrize(
    ("name", "network", "classes"),
    [("resnet18", residual.ResNet18, 1000), ("r2plus1d_18", residual.R2Plus1D, 400)],
)
def test_residual_networks_have_torchvisions_tensors(name, network, classes):
    shapes, _ = official_residual(network(), classes)
    assert len(shapes) == GOLDEN[name]["keys"]
    lines = "\n".join(f"{key} {shape}" for key, shape in sorted(shapes.items()))
    assert zlib.crc32(lines.encode()) == GOLDEN[name]["crc"]


def test_resnet18_matches_torchvision_with_and_without_the_last_stride(resnet_file):
    golden = GOLDEN["resnet18"]
    pixels = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(100)) * 4 - 2
    with torch.inference_mode():
        row = residual.load_resnet18(resnet_file).eval()(pixels).mean(dim=(2, 3))[1]
        maps = residual.load_resnet18(resnet_file, last_stride=1).eval()(pixels)
    np.testing.assert_allclose(row[:6], golden["row"], atol=1e-4)
    assert list(maps.shape) == golden["map_shape"]
    np.testing.assert_allclose(maps[0, :3, 1, 2], golden["map"], atol=1e-4)
    assert float(maps.mean()) == pytest.approx(golden["map_mean"], abs=1e-4)


def test_r2plus1d_matches_torchvision(tmp_path):
    _, state = official_residual(residual.R2Plus1D(), 400)
    torch.save(state, tmp_path / "r2plus1d.pth")
    pixels = torch.rand((2, 3, 4, 32, 32), generator=torch.Generator().manual_seed(101)) * 4 - 2
    with torch.inference_mode():
        rows = residual.load_r2plus1d(tmp_path / "r2plus1d.pth").eval()(pixels)
    np.testing.assert_allclose(rows[1, :6], GOLDEN["r2plus1d_18"]["row"], atol=1e-4)
    assert float(rows.mean()) == pytest.approx(GOLDEN["r2plus1d_18"]["mean"], abs=1e-4)


# Reading weight files.


def test_a_file_must_fit_key_by_key(tmp_path):
    network = nn.Linear(3, 2)
    fitting = network.state_dict()
    load_into(network, {**fitting, "fc.weight": torch.zeros(1)}, tmp_path / "a.pth", ("fc.",))
    for state, says in (
        ({**fitting, "extra": torch.zeros(1)}, "unknown: extra"),
        ({"weight": fitting["weight"]}, "missing: bias"),
        ({**fitting, "bias": torch.zeros(5)}, "of another shape: bias"),
    ):
        with pytest.raises(WeightError, match=f"a.pth does not fit Linear: {says}"):
            load_into(network, state, tmp_path / "a.pth")


class Evil:
    """What a pickle must not be able to do."""

    def __reduce__(self):
        return (open, ("evil", "w"))


@pytest.mark.parametrize("content", [{"x": Evil()}, {"model": {"x": torch.zeros(1)}}, None])
def test_a_file_that_is_no_plain_state_dict_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if content is None:
        path.write_bytes(b"not a file of torch")
    else:
        torch.save(content, path)
    with pytest.raises(WeightError, match=r"weights\.pth"):
        read_state(path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", VISUAL)
def test_without_weights_the_encoder_says_how_to_get_them(name):
    with pytest.raises(WeightError, match=r"doctor --fetch .*doctor --add"):
        load_encoder(name)


# Token merging.


@settings(max_examples=60, deadline=None)
@given(n_tokens=st.integers(2, 40), r=st.integers(0, 30), seed=st.integers(0, 2**16))
def test_merging_keeps_the_weighted_mean_and_counts_every_patch(n_tokens, r, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn((2, n_tokens, 5), generator=generator, dtype=torch.float64)
    sizes = torch.randint(1, 9, (2, n_tokens), generator=generator).double()
    r = n_merged(n_tokens, r)
    merged, counts = merge(tokens, sizes, match(tokens, r))
    assert merged.shape == (2, n_tokens - r, 5)
    assert (counts.sum(1) == sizes.sum(1)).all()
    before = (tokens * sizes[..., None]).sum(1)
    torch.testing.assert_close((merged * counts[..., None]).sum(1), before)
    assert torch.equal(counts[:, 0], sizes[:, 0])  # the class token is in front, untouched
    torch.testing.assert_close(merged[:, 0], tokens[:, 0])


def test_merging_takes_the_strongest_edges_one_by_one():
    generator = torch.Generator().manual_seed(3)
    keys = torch.randn((1, 12, 4), generator=generator)
    tokens = torch.randn((1, 12, 3), generator=generator)
    merged, counts = merge(tokens, torch.ones(1, 12), match(keys, 4))
    first, second = list(range(0, 12, 2)), list(range(1, 12, 2))  # section 3 by hand
    edges = []
    for a in first[1:]:
        likeness = {b: float(torch.cosine_similarity(keys[0, a], keys[0, b], 0)) for b in second}
        best = max(likeness, key=likeness.get)
        edges.append((likeness[best], a, best))
    gone = sorted(edges, reverse=True)[:4]
    groups = {b: [b] + [a for _, a, onto in gone if onto == b] for b in second}
    stay = [a for a in first if a not in {a for _, a, _ in gone}]
    expected = [tokens[0, a] for a in stay] + [tokens[0, groups[b]].mean(0) for b in second]
    torch.testing.assert_close(merged[0], torch.stack(expected))
    assert counts[0].tolist() == [1.0] * len(stay) + [float(len(groups[b])) for b in second]


def test_a_token_of_two_patches_weighs_as_two_equal_tokens():
    torch.manual_seed(0)
    attention = Attention(16, 2).eval()
    x = torch.randn(1, 5, 16)
    twice = torch.cat([x, x[:, -1:]], dim=1)
    with torch.inference_mode():
        alone, _ = attention(x, sizes=torch.tensor([[1.0, 1, 1, 1, 2]]))
        doubled, _ = attention(twice)
    torch.testing.assert_close(alone, doubled[:, :5])


@pytest.fixture
def vit_file(tmp_path):
    torch.save(seeded(GOLDEN["vit"]["shapes"]), tmp_path / "vit.pth")
    return tmp_path / "vit.pth"


def test_vision_transformer_matches_timm(vit_file):
    pixels = torch.rand((2, 3, 48, 48), generator=torch.Generator().manual_seed(102)) * 2 - 1
    tower = visual_tome14.load_tower(vit_file).eval()
    with torch.inference_mode():
        tokens = tower(pixels)
        same, sizes = tower.merged(pixels, (0, 0, 0))
        fewer, counts = tower.merged(pixels, (10, 10, 0))
    assert list(tokens.shape) == GOLDEN["vit"]["tokens_shape"]
    np.testing.assert_allclose(tokens[1, 5, :6], GOLDEN["vit"]["row"], atol=1e-4)
    assert float(tokens.abs().mean()) == pytest.approx(GOLDEN["vit"]["mean_abs"], abs=1e-5)
    torch.testing.assert_close(same, tokens)
    assert (sizes == 1).all()
    assert fewer.shape == (2, 17, 128)
    assert (counts.sum(1) == 37).all()


def test_schedule_of_the_published_stream_leaves_fourteen_tokens():
    n_tokens = 1 + (384 // 16) ** 2
    for r in visual_tome14.schedule(24):
        n_tokens -= n_merged(n_tokens, r)
    assert n_tokens == visual_tome14.SPEC.shape[0] == 14


def test_merged_patches_of_weights_of_another_size_are_refused(vit_file):
    add("vit_l16_384", vit_file)
    with pytest.raises(WeightError, match="weights of another size"):
        load_encoder("visual_tome14")


# Swin V2 against transformers.


def test_swin_v2_matches_transformers(tmp_path):
    from transformers import Swinv2Config, Swinv2ForImageClassification

    config = Swinv2Config(
        image_size=64, embed_dim=16, depths=[1, 2], num_heads=[1, 2], window_size=4, num_labels=3
    )
    model = Swinv2ForImageClassification(config).eval()
    model.load_state_dict(seeded({k: tuple(v.shape) for k, v in model.state_dict().items()}))
    folder = tmp_path / "swin"
    model.save_pretrained(folder)
    network = swin.load_swin(folder / "model.safetensors").eval()
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        tokens = model.swinv2(pixels).last_hidden_state
        own = network.swinv2(pixels).last_hidden_state
    torch.testing.assert_close(own, tokens)


def test_swin_map_puts_tokens_back_in_their_places(tmp_path):
    from transformers import Swinv2Config, Swinv2Model

    config = Swinv2Config(
        image_size=256, embed_dim=96, depths=[1, 1, 1, 1], num_heads=[3, 6, 12, 24], window_size=8
    )
    model = Swinv2Model(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path / "swin")
    add("swin_v2_t", tmp_path / "swin")
    pictures = noise(1, 256, 256)
    rows = load_encoder("visual_swin_v2_tiny").picture_rows(pictures)
    assert rows.shape == (1, 768, 8, 8)
    with torch.inference_mode():
        tokens = model(normalised(pictures, IMAGENET)).last_hidden_state[0].numpy()
    np.testing.assert_allclose(rows[0, :, 2, 5], tokens[2 * 8 + 5], atol=2e-3, rtol=2e-3)
    with pytest.raises(WeightError, match=r"config\.json"):
        swin.load_swin(_alone(tmp_path))


def _alone(tmp_path):
    (tmp_path / "alone").mkdir()
    source = tmp_path / "swin" / "model.safetensors"
    return source.rename(tmp_path / "alone" / "model.safetensors")


# Which seconds, which pixels.


@dataclasses.dataclass
class Means:
    """Stands in for a network: the mean colour of a picture."""

    calls: int = 0

    def __call__(self, pixels):
        self.calls += 1
        return pixels.mean(dim=(2, 3))


def painted(n):
    """Picture i has the grey level i, 8 x 8."""
    return np.repeat(np.arange(n, dtype=np.uint8), 8 * 8 * 3).reshape(n, 8, 8, 3)


def mean_encoder(every_s=1, **options):
    request = Pictures(size=(8, 8))
    spec = dataclasses.replace(
        load_spec("visual_resnet18"), shape=(3,), reads=(request,), every_s=every_s
    )
    return PictureEncoder(spec, Means(), HALF, **options)


def levels(rows):
    """Grey level of the picture behind each row."""
    return np.round((rows[:, 0].astype(float) * 0.5 + 0.5) * 255).astype(int).tolist()


@pytest.mark.parametrize(
    ("every_s", "duration_s", "n_pictures", "expected"),
    [
        (1, 3.0, 3, [0, 1, 2]),
        (1, 4.4, 3, [0, 1, 2, 2, 2]),  # the last picture is held
        (6, 60.0, 60, [0, 6, 12, 18, 24, 30, 36, 42, 48, 54]),
        (6, 61.0, 61, [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60]),
        (6, 5.0, 5, [0]),
        (6, 13.0, 8, [0, 6, 6]),
        (1, 2.0, 5, [0, 1]),  # more pictures than seconds
    ],
)
def test_row_i_is_second_i_times_every_s(every_s, duration_s, n_pictures, expected):
    encoder = mean_encoder(every_s)
    rows = encoder.encode(media(encoder.spec, painted(n_pictures), duration_s))
    assert levels(rows) == expected


def test_missing_pictures_give_zeros_for_the_kept_seconds():
    encoder = mean_encoder(6)
    rows = encoder.encode(media(encoder.spec, None, 13.0))
    assert rows.shape == (3, 3)
    assert rows.dtype == np.float16
    assert not rows.any()
    assert encoder.network.calls == 0


def test_rows_do_not_depend_on_the_batch():
    pictures = noise(7, 8, 8)
    together = mean_encoder(batch=16).picture_rows(pictures)
    assert (mean_encoder(batch=3).picture_rows(pictures) == together).all()
    assert mean_encoder().picture_rows(pictures[:0]).shape == (0, 3)


def test_every_s_below_one_is_refused(resnet_file):
    add("resnet18", resnet_file)
    with pytest.raises(ValueError, match="every_s is 0"):
        visual_resnet18_map.load(every_s=0)


def test_middle_is_cut_as_torchvision_does():
    picture = np.arange(9 * 6 * 3).reshape(9, 6, 3)
    assert (centre(picture, 4, 4) == picture[2:6, 1:5]).all()


def test_resnet_encoders_give_the_published_shapes(resnet_file):
    add("resnet18", resnet_file)
    pictures = noise(2, 256, 256)
    row = load_encoder("visual_resnet18").picture_rows(pictures[:1])
    assert row.shape == (1, 512)
    with torch.inference_mode():
        network = residual.load_resnet18(resnet_file).eval()
        pixels = normalised(pictures[:1, 16:240, 16:240], IMAGENET)
        expected = network(pixels).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(row, expected, rtol=2e-3, atol=2e-3)
    maps = load_encoder("visual_resnet18_map")
    rows = maps.encode(media(maps.spec, noise(8, 224, 224), 8.0))
    assert rows.shape == (2, 512, 14, 14)
    assert rows.dtype == np.float16
    assert visual_resnet18_map.load(every_s=1).spec.hash8 != maps.spec.hash8


class LastPicture(nn.Module):
    """Stands in for R(2+1)D: grey level of the last picture of a clip."""

    def forward(self, clips):
        return clips[:, 0, -1, 0, 0, None]


def test_motion_rows_see_the_pictures_of_their_own_second():
    spec = dataclasses.replace(visual_r2plus1d.SPEC, shape=(1,))
    encoder = visual_r2plus1d.MotionEncoder(spec, LastPicture())
    pictures = (
        np.zeros((40, 128, 171, 3), np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None, None]
    )
    rows = encoder.encode(media(spec, pictures, 2.5))
    red = rows[:, 0].astype(float) * 0.22803 + 0.43216
    assert np.round(red * 255).tolist() == [15, 31, 39]  # the last one held to the end
    assert not encoder.encode(media(spec, None, 2.5)).any()


def test_raw_frames_are_the_pictures_themselves():
    encoder = load_encoder("visual_frames")
    pictures = noise(8, 192, 192)
    rows = encoder.encode(media(encoder.spec, pictures, 8.0))
    assert rows.shape == (2, 3, 192, 192)
    assert rows.dtype == np.uint8
    assert (rows[1].transpose(1, 2, 0) == pictures[6]).all()
    assert not encoder.encode(media(encoder.spec, None, 8.0)).any()


@pytest.mark.parametrize("name", VISUAL)
def test_every_network_can_be_put_on_a_device(name):
    module = __import__(f"musicavqa.features.encoders.{name}", fromlist=["load"])
    assert inspect.signature(module.load).parameters["device"].default == "cpu"


def test_pictures_go_to_the_device_of_their_network():
    encoder = mean_encoder(device="meta")
    with pytest.raises(NotImplementedError, match="meta"):  # only the way back fails there
        encoder.picture_rows(noise(1, 8, 8))
    assert encoder.network.calls == 1


# The front end against Pillow.


def scene(height=180, width=320):
    """Fine stripes, an edge and a gradient: what a filter gets wrong."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1)
    picture[(x // 3) % 2 == 0] //= 2
    picture[(x - 90) ** 2 + (y - 90) ** 2 < 1600] = (240, 30, 20)
    return picture.astype(np.uint8)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(
    ("size", "fit", "how"),
    [
        ((112, 112), "crop", "bicubic"),
        ((64, 64), "stretch", "bilinear"),
        ((270, 270), "crop", "bicubic"),
    ],
)
def test_pictures_are_resized_as_pillow_does(make_media, tmp_path, rotation, size, fit, how):
    image = pytest.importorskip("PIL.Image")
    path = make_media(tmp_path / "a.mp4", [scene()] * 10, rotation=rotation)
    item = Pictures(size=size, fit=fit, filter=f"pil_{how}")
    own = read(path, [item], require="video")[item][0]
    full = read(
        path, [whole := Pictures(size=(180, 320)[:: -1 if rotation else 1])], require="video"
    )
    upright = full[whole][0]
    height, width = upright.shape[:2]
    shape = (size[1], size[0])
    if fit == "crop":
        scale = max(size[0] / height, size[1] / width)
        shape = (int(width * scale + 1e-6), int(height * scale + 1e-6))
    filters = {"bicubic": image.BICUBIC, "bilinear": image.BILINEAR}
    reference = np.asarray(image.fromarray(upright).resize(shape, filters[how]))
    difference = np.abs(own.astype(int) - centre(reference, *size))
    assert difference.max() <= 2  # grey levels; both round between their two passes
    assert difference.mean() < 0.2
