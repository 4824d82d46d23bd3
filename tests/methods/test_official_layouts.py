"""LAVisH, DG-SCT, AVMoE: a whole official checkpoint at full size fits, by names and shapes.

The layouts are those of the released networks (GenjiB/LAVISH AVQA, haoyi-duan/DG-SCT AVQA,
yingchengy/AVMOE AVQA), of timm 0.6's Swin-V2-L at 192 pixels and of the original HTS-AT, encoders,
adapters and what reaches no answer included. Meta tensors have no memory.
"""

import pytest
import torch

from musicavqa.methods.conversion import official_model
from musicavqa.methods.registry import load_method

SWIN = {"widths": (192, 384, 768, 1536), "depths": (2, 2, 18, 2), "sides": (48, 24, 12, 6),
        "heads": (6, 12, 24, 48), "window": 12}  # fmt: skip
HTSAT = {"widths": (96, 192, 384, 768), "depths": (2, 2, 6, 2), "sides": (64, 32, 16, 8),
         "heads": (4, 8, 16, 32), "window": 8}  # fmt: skip
N_WORDS, N_ANSWERS = 93, 42


def layer(name, out, into, bias=True):
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if bias else {})}


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def tower(sizes, attention):
    """Blocks of a Swin; `attention` has the names that only one of the two kinds has."""
    found = {}
    stages = zip(*(sizes[key] for key in ("widths", "depths", "sides", "heads")), strict=True)
    for stage, (width, depth, side, heads) in enumerate(stages):
        window = min(side, sizes["window"])
        for block in range(depth):
            at = f"layers.{stage}.blocks.{block}."
            found |= norm(f"{at}norm1", width) | norm(f"{at}norm2", width)
            found |= layer(f"{at}attn.proj", width, width)
            found |= layer(f"{at}mlp.fc1", 4 * width, width) | layer(
                f"{at}mlp.fc2", width, 4 * width
            )
            found |= attention(f"{at}attn.", width, heads, window)
            found[f"{at}attn.relative_position_index"] = (window**2, window**2)
            if block % 2 and side > window:
                found[f"{at}attn_mask"] = ((side // window) ** 2, window**2, window**2)
        if stage < len(sizes["widths"]) - 1:
            found |= layer(f"layers.{stage}.downsample.reduction", 2 * width, 4 * width, bias=False)
            wide = 2 * width if sizes is SWIN else 4 * width  # norm behind, norm before
            found |= norm(f"layers.{stage}.downsample.norm", wide)
    first = sizes["widths"][0]
    colours = 3 if sizes is SWIN else 1
    found |= {"patch_embed.proj.weight": (first, colours, 4, 4), "patch_embed.proj.bias": (first,)}
    return found | norm("patch_embed.norm", first) | norm("norm", sizes["widths"][-1])


def swin():
    def attention(at, width, heads, window):
        return {
            f"{at}qkv.weight": (3 * width, width), f"{at}q_bias": (width,), f"{at}v_bias": (width,),
            f"{at}logit_scale": (heads, 1, 1), **layer(f"{at}cpb_mlp.0", 512, 2),
            f"{at}cpb_mlp.2.weight": (heads, 512),
        }  # fmt: skip

    return tower(SWIN, attention) | layer("head", 21841, 1536)


def htsat():
    def attention(at, width, heads, window):
        table = {f"{at}relative_position_bias_table": ((2 * window - 1) ** 2, heads)}
        return layer(f"{at}qkv", 3 * width, width) | table

    bn = norm("bn0", 64) | {"bn0.running_mean": (64,), "bn0.running_var": (64,)}
    front = {f"spectrogram_extractor.stft.conv_{part}.weight": (513, 1, 1024)
             for part in ("real", "imag")}  # fmt: skip
    tail = {"tscam_conv.weight": (527, 768, 2, 3), "tscam_conv.bias": (527,)}
    sizes = {**front, "logmel_extractor.melW": (513, 64), **bn, "bn0.num_batches_tracked": ()}
    return tower(HTSAT, attention) | sizes | tail | layer("head", 527, 527)


def bottleneck(at, width, reduction, groups, gated):
    inside = width // reduction
    return {
        f"{at}down_sampler.weight": (inside, width // groups, 1, 1),
        f"{at}up_sampler.weight": (width, inside // groups, 1, 1),
        **norm(f"{at}ln_before", width), **norm(f"{at}ln_post", width),
        **({f"{at}gate": (1,)} if gated else {}),
    }  # fmt: skip


def latents(at, width, n):
    return {f"{at}my_tokens": (n, width), f"{at}gate_av": (1,)}


def aligned(at, width, side, other, other_side):
    conv = {f"{at}conv_adapter.weight": (side**2, other_side**2, 1, 1),
            f"{at}conv_adapter.bias": (side**2,)}  # fmt: skip
    return conv | layer(f"{at}fc", width, other)


def guided(at, width):
    half, within = width // 2, f"{at}fc_affine_"
    return {
        **layer(f"{within}audio_1", width, width), **layer(f"{within}video_1", width, width),
        **layer(f"{within}bottleneck", half, width), **layer(f"{within}video_2", half, width),
        **layer(f"{within}audio_2", half, width), **layer(f"{within}v_s_att", 1, half),
        **layer(f"{within}v_c_att", width, half),
    }  # fmt: skip


def mixed(at, width, gated):
    found = latents(f"{at}multimodal_experts.0.", width, 2)
    found |= bottleneck(f"{at}multimodal_experts.0.", width, 8, 4, gated)
    for number in range(2):
        found |= bottleneck(f"{at}singlemodal_experts.{number}.", width, 8, 4, gated)
    router = (("0", 128, 2 * width), ("2", 32, 128), ("4", 3, 32))
    for number, out, into in router:
        found |= layer(f"{at}router.{number}", out, into)
    return found


def adapters(name):
    """Four lists: ear and eye, before and behind thinking."""
    found = {}
    for kind in ("audio", "vis"):
        for turn in ("p1", "p2"):
            lists = f"{kind}_adapter_blocks_{turn}."
            own, other = (HTSAT, SWIN) if kind == "audio" else (SWIN, HTSAT)
            if name == "lavish":
                widths = [w for w, n in zip(*(SWIN[k] for k in ("widths", "depths")), strict=True)
                          for _ in range(n)]  # fmt: skip
                for number, width in enumerate(widths):
                    at = f"{lists}{number}."
                    found |= latents(at, width, 32) | bottleneck(at, width, 16, 4, kind == "vis")
                continue
            stages = [s for s, depth in enumerate(HTSAT["depths"]) for _ in range(depth)]
            for number, stage in enumerate(stages):
                at, width = f"{lists}{number}.", own["widths"][stage]
                found |= aligned(at, width, own["sides"][stage], other["widths"][stage],
                                 other["sides"][stage])  # fmt: skip
                if name == "dg_sct":
                    found |= latents(at, width, 2) | guided(at, width)
                    found |= bottleneck(at, width, 8, 4, kind == "vis")
                else:
                    found |= mixed(at, width, kind == "vis")
    return found


def head(name):
    """AVST's answer, with what it carries along."""
    width, ear = (512, 128) if name == "lavish" else (1536, 768)
    found = {}
    for gate in ("ih", "hh"):
        found[f"question_encoder.lstm.weight_{gate}_l0"] = (4 * width, width)
        found[f"question_encoder.lstm.bias_{gate}_l0"] = (4 * width,)
    found["question_encoder.word2vec.weight"] = (N_WORDS, width)
    found |= layer("question_encoder.fc", width, 2 * width)
    for one in ("attn_a", "attn_v"):
        found |= {f"{one}.in_proj_weight": (3 * width, width), f"{one}.in_proj_bias": (3 * width,)}
        found |= layer(f"{one}.out_proj", width, width)
    for one in ("linear11", "linear12", "linear21", "linear22", "fc_a2", "fc_a2_pure"):
        found |= layer(one, width, width)
    for one in ("norm1", "norm2", "norm3"):
        found |= norm(one, width)
    for one, out, into in (
        ("fc_a1", width, ear), ("fc_a1_pure", width, ear), ("fc_fusion", width, 2 * width),
        ("fc_gl", width, 2 * width), ("fc_ans", N_ANSWERS, width), ("fc1", 512, 2 * width),
        ("fc2", 256, 512), ("fc3", 128, 256), ("fc4", 2, 128),
    ):  # fmt: skip
        found |= layer(one, out, into)
    if name == "lavish":
        for one, into in (("fc_v", 2048), ("fc", 1024), ("yb_fc_v", 1536), ("yb_fc_a", 1536)):
            found |= layer(one, width, into)
        for one in ("fc_st", "fc_aq", "fc_vq"):
            found |= layer(one, width, width)
    return found


def checkpoint(name):
    shapes = head(name) | adapters(name) | {f"swin.{key}": s for key, s in swin().items()}
    if name != "lavish":
        shapes |= {f"htsat.{key}": shape for key, shape in htsat().items()}
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@pytest.mark.parametrize("name", ["lavish", "dg_sct", "avmoe"])
def test_a_whole_official_checkpoint_has_a_place(name):
    method, official = load_method(name), checkpoint(name)
    model, _ = official_model(method, official)
    assert len(model.answer.weight) == N_ANSWERS
    left = {key for key in official if key.startswith(method.dead_keys(official))}
    assert {"norm3.weight", "fc_a1_pure.weight", "swin.head.weight"} <= left
    assert ("fc_a1.weight" in left) == (name == "lavish")  # whose ear is Swin


def test_fifty_answers_of_avmoes_training_script_are_refused():
    """Its script asks for 50 classes, its test script for 42: what the eight are is unknown."""
    official = checkpoint("avmoe")
    for key in ("fc_ans.weight", "fc_ans.bias"):
        official[key] = torch.empty((50, *official[key].shape[1:]), device="meta")
    with pytest.raises(ValueError, match=r"answer\.weight \(50, 1536\) instead of \(42, 1536\)"):
        official_model(load_method("avmoe"), official)
