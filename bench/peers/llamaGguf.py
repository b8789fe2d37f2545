"""Float GGUFs of llama's architecture for peers in Python: read with all that transformers' reader leaves out (biases, factors of rope), and
written with other matrices. Needs torch, transformers and gguf from PyPI."""

from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MATRICES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def reordered(values, heads, to_gguf):
    """Rows of queries and keys: GGUF has the pairs of a rotation side by side, transformers has the halves of a head."""
    pairs = (2, -1) if to_gguf else (-1, 2)
    split = values.reshape(heads, *[values.shape[0] // heads // 2 if n == -1 else n for n in pairs], *values.shape[1:])
    return split.swapaxes(1, 2).reshape(values.shape)


def heads_of(config, part):
    return {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(part)


def load(source, folder):
    """Returns the tokenizer and the model of a GGUF, which are also saved in the folder."""
    origin = {"pretrained_model_name_or_path": str(Path(source).parent), "gguf_file": Path(source).name}
    tokenizer = AutoTokenizer.from_pretrained(**origin)
    plain = AutoModelForCausalLM.from_pretrained(**origin, dtype=torch.float32)
    del plain.config.quantization_config
    plain.hf_quantizer = None
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(source).tensors}
    plain.config.attention_bias = "blk.0.attn_q.bias" in tensors
    plain.config.mlp_bias = "blk.0.ffn_up.bias" in tensors
    model = AutoModelForCausalLM.from_config(plain.config, dtype=torch.float32)
    model.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        for name, data in tensors.items():
            if not name.startswith("blk.") or not name.endswith(".bias"):
                continue
            _, layer, part, _ = name.split(".")
            heads = heads_of(plain.config, part)
            bias = reordered(np.array(data), heads, False) if heads else np.array(data)
            model.get_submodule(f"model.layers.{layer}.{MATRICES[part]}").bias.copy_(torch.from_numpy(bias))
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if "rope_freqs.weight" in tensors:
        factors = torch.from_numpy(np.array(tensors["rope_freqs.weight"]))
        model.model.rotary_emb.inv_freq /= factors
        model.model.rotary_emb.original_inv_freq = model.model.rotary_emb.inv_freq
    return tokenizer, model.eval()


def windows(tokenizer, text, size, count):
    """The first tokens of a text file, [count][1, size]."""
    ids = tokenizer(Path(text).read_text())["input_ids"][: size * count]
    return [torch.tensor([ids[i : i + size]]) for i in range(0, len(ids) - size + 1, size)]


@torch.no_grad()
def loss(model, samples):
    """Mean loss in nats per token: a check that the model is the GGUF's."""
    return sum(float(model(ids, labels=ids).loss) for ids in samples) / len(samples)


def matrices(model):
    """The matrices of a model's blocks, by their names in GGUF."""
    found = {}
    for layer, block in enumerate(model.model.layers):
        for part, path in MATRICES.items():
            weight = block.get_submodule(path).weight.detach().float().cpu().numpy()
            heads = heads_of(model.config, part)
            found[f"blk.{layer}.{part}.weight"] = reordered(weight, heads, True) if heads else weight
    return found


def write(source, output, replaced):
    """Writes the source with other matrices: arrays of floats, or tensors of another GGUF with their formats."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(output, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind, sub = field.types[0], field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)
    for tensor in reader.tensors:
        other = replaced.get(tensor.name)
        if other is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        elif isinstance(other, np.ndarray):
            writer.add_tensor(tensor.name, np.ascontiguousarray(other, dtype=np.float32))
        else:
            writer.add_tensor(tensor.name, other.data, raw_dtype=other.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
