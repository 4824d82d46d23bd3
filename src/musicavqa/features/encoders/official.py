"""Official weights: which there are, where their authors keep them, and which layout we read.

These are never downloaded silently. A person fetches them (`musicavqa doctor --fetch NAME`) or adds
a file or folder of their own (`musicavqa doctor --add NAME=PATH`); `supply.py` does both.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Official:
    """One set of weights that a person supplies."""

    source: str
    """Hub id ('openai/clip-vit-base-patch32'), or the address of the one file (with ://)."""
    files: tuple[str, ...]
    """Names at the source, the weights first; 'a|b' takes a, or b where the source has no a."""
    licence: str
    layout: str
    """What the loader accepts, in one sentence."""
    revision: str = "main"
    """Of the hub repository."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File -> published digest, or as many of its first digits as are published."""
    by_hand: bool = False
    """The authors keep it where no program can take it: `source` is a page for people."""

    @property
    def on_hub(self) -> bool:
        """Whether `source` is a hub id."""
        return "://" not in self.source


TORCHVISION = "https://download.pytorch.org/models"
TORCHVGGISH = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"
TRANSFORMERS = ("model.safetensors|pytorch_model.bin", "config.json")
CLIP_FILES = (*TRANSFORMERS, "tokenizer.json")
CLIP_LICENCE = "MIT (of the code)"
CLIP_LAYOUT = (
    "transformers' CLIPModel (folder: weights, config.json, tokenizer.json), or OpenAI's .pt "
    "(alone for pictures; in a folder with tokenizer.json for texts too)"
)

OFFICIAL: dict[str, Official] = {
    # Pictures
    "resnet18": Official(
        f"{TORCHVISION}/resnet18-f37072fd.pth",
        ("resnet18-f37072fd.pth",),
        "BSD-3-Clause",
        "torchvision's resnet18 state dict (.pth or .safetensors), with or without fc",
        sha256={"resnet18-f37072fd.pth": "f37072fd"},
    ),
    "r2plus1d_18": Official(
        f"{TORCHVISION}/r2plus1d_18-91a641e6.pth",
        ("r2plus1d_18-91a641e6.pth",),
        "BSD-3-Clause",
        "torchvision's r2plus1d_18 state dict (.pth or .safetensors), with or without fc",
        sha256={
            "r2plus1d_18-91a641e6.pth": (
                "91a641e6c2ab531d1aca5f4321b4d802ec5c3babc15df855cdb6e39c6a1107c8"
            )
        },
    ),
    "clip_b32": Official(
        "openai/clip-vit-base-patch32",
        CLIP_FILES,
        CLIP_LICENCE,
        CLIP_LAYOUT,
        sha256={"ViT-B-32.pt": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"},
    ),
    "clip_l14": Official(
        "openai/clip-vit-large-patch14",
        CLIP_FILES,
        CLIP_LICENCE,
        CLIP_LAYOUT,
        sha256={"ViT-L-14.pt": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"},
    ),
    "clip_l14_336": Official(
        "openai/clip-vit-large-patch14-336",
        CLIP_FILES,
        CLIP_LICENCE,
        CLIP_LAYOUT,
        sha256={
            "ViT-L-14-336px.pt": (
                "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"
            )
        },
    ),
    "vit_l16_384": Official(
        "timm/vit_large_patch16_384.augreg_in21k_ft_in1k",
        ("model.safetensors|pytorch_model.bin",),
        "Apache-2.0",
        "timm's vit_large_patch16_384 state dict, with or without head",
    ),
    "swin_v2_l": Official(
        "microsoft/swinv2-large-patch4-window12-192-22k",
        TRANSFORMERS,
        "Apache-2.0",
        "transformers' Swinv2ForImageClassification or Swinv2Model (folder)",
    ),
    "swin_v2_t": Official(
        "microsoft/swinv2-tiny-patch4-window8-256",
        TRANSFORMERS,
        "Apache-2.0",
        "transformers' Swinv2ForImageClassification or Swinv2Model (folder)",
    ),
    # Sound
    "vggish": Official(
        f"{TORCHVGGISH}/vggish-10086976.pth",
        ("vggish-10086976.pth",),
        "Apache-2.0",
        "the torch port's state dict (features.*, embeddings.*), with or without pproc.*",
        sha256={"vggish-10086976.pth": "10086976"},
    ),
    "vggish_pca": Official(
        f"{TORCHVGGISH}/vggish_pca_params-970ea276.pth",
        ("vggish_pca_params-970ea276.pth",),
        "Apache-2.0",
        "pca_eigen_vectors and pca_means, alone or as pproc.*",
        sha256={"vggish_pca_params-970ea276.pth": "970ea276"},
    ),
    "htsat": Official(
        "https://github.com/RetroCirce/HTS-Audio-Transformer",
        ("HTSAT_AudioSet_Saved_1.ckpt",),
        "MIT",
        "a checkpoint of HTS-AT's authors (Lightning's or plain), AudioSet",
        by_hand=True,
    ),
    "ast": Official(
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        TRANSFORMERS,
        "BSD-3-Clause",
        "transformers' ASTModel or ASTForAudioClassification (folder)",
    ),
    "beats": Official(
        "https://github.com/microsoft/unilm/tree/master/beats",
        ("BEATs_iter3_plus_AS2M.pt",),
        "MIT",
        "Microsoft's .pt with cfg and model, pre-trained or fine-tuned",
        by_hand=True,
    ),
    "imagebind": Official(
        "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
        ("imagebind_huge.pth", "tokenizer.json"),
        "CC-BY-NC-SA-4.0 (no commercial use)",
        "Meta's imagebind_huge.pth; for texts in a folder with CLIP's tokenizer.json",
    ),
    # Texts
    "bert": Official(
        "google-bert/bert-base-uncased",
        (*TRANSFORMERS, "tokenizer.json"),
        "Apache-2.0",
        "transformers' BertModel, with any head or none (folder with tokenizer.json)",
    ),
    "glove": Official(
        "https://nlp.stanford.edu/projects/glove/",
        ("glove.6B.300d.txt",),
        "PDDL 1.0",
        "text, a word and 300 numbers in each line, UTF-8",
        by_hand=True,
    ),
}
