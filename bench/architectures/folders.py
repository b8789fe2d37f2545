"""Random tiny Hugging Face folders of many model types, and their float32 logits by transformers.

  folders.py make DIR SEED [PATTERN]   writes a folder for each model type, several for those with knobs
  folders.py run                       reads JSON lines {model, tokens}, writes {rows, logits}: float32 in base64
"""

import base64
import json
import os
import re
import sys

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers import logging as transformers_logging

transformers_logging.set_verbosity_error()
torch.set_num_threads(1)

VOCABULARY = 128
# sizes under the names that most configs have, and under the older ones
COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4,
    max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)
GROUPED = dict(num_key_value_heads=2)
HEADS = dict(head_dim=16)
GPT = dict(vocab_size=VOCABULARY, n_embd=64, n_layer=4, n_head=4, n_positions=256, bos_token_id=1, eos_token_id=2)
WINDOW = dict(sliding_window=8)
EXPERTS = dict(num_experts_per_tok=2, moe_intermediate_size=32)
DELTA = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=16, linear_value_head_dim=16)
MAMBA = dict(mamba_n_heads=8, mamba_d_head=16, mamba_n_groups=2, mamba_d_state=16, mamba_expand=2)

CASES = {
    "llama": [GROUPED, dict(**GROUPED, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, hidden_act="gelu")],
    "mistral": [dict(**GROUPED, sliding_window=None), dict(**GROUPED, **WINDOW, head_dim=32)],
    "ministral": [dict(**GROUPED, **WINDOW, head_dim=16, layer_types=["full_attention", "sliding_attention"] * 2)],
    "ministral3": [dict(**GROUPED, **HEADS, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3))],
    "cwm": [dict(**GROUPED, **HEADS, **WINDOW)],
    "internlm3": [dict(**GROUPED, **HEADS), dict(**GROUPED, **HEADS, attention_bias=True, mlp_bias=True)],
    "qwen2": [GROUPED, dict(**GROUPED, use_sliding_window=True, max_window_layers=2, **WINDOW, tie_word_embeddings=True)],
    "qwen3": [dict(**GROUPED, head_dim=32), dict(**GROUPED, head_dim=32, attention_bias=True)],
    "gemma": [dict(num_key_value_heads=1, head_dim=32)],
    "gemma2": [dict(**GROUPED, head_dim=32, **WINDOW, query_pre_attn_scalar=24), dict(**GROUPED, head_dim=32, **WINDOW, attn_logit_softcapping=2.0, final_logit_softcapping=1.0)],
    "gemma3_text": [dict(**GROUPED, head_dim=32, **WINDOW, num_hidden_layers=7, query_pre_attn_scalar=24)],
    "vaultgemma": [dict(**GROUPED, head_dim=32, **WINDOW)],
    "phi": [dict(partial_rotary_factor=0.5), dict(qk_layernorm=True, **GROUPED)],
    "phi3": [dict(**GROUPED), dict(**GROUPED, partial_rotary_factor=0.75, **WINDOW)],
    "gpt2": [GPT, dict(GPT, scale_attn_by_inverse_layer_idx=True, activation_function="relu")],
    "gpt_neo": [dict(num_layers=4, num_heads=4, window_size=8, attention_types=[[["global", "local"], 2]])],
    "gpt_neox": [dict(rotary_pct=0.5), dict(use_parallel_residual=False, hidden_act="gelu_new")],
    "gpt_bigcode": [GPT, dict(GPT, multi_query=False)],
    "gptj": [dict(GPT, rotary_dim=8)],
    "codegen": [dict(GPT, rotary_dim=8)],
    "opt": [dict(ffn_dim=96, word_embed_proj_dim=64), dict(ffn_dim=96, word_embed_proj_dim=64, enable_bias=False)],
    "biogpt": [{}],
    "bloom": [dict(n_layer=4, n_head=4), dict(n_layer=2, n_head=6, hidden_size=96)],
    "mpt": [dict(d_model=64, n_heads=4, n_layers=4, max_seq_len=256, expansion_ratio=2, attn_config=dict(clip_qkv=0.5))],
    "falcon": [dict(multi_query=True), dict(new_decoder_architecture=True, num_kv_heads=2), dict(multi_query=False, parallel_attn=False, bias=True)],
    "persimmon": [{}],
    "stablelm": [GROUPED, dict(**GROUPED, use_qkv_bias=True, qk_layernorm=True), dict(**GROUPED, use_parallel_residual=True)],
    "starcoder2": [GROUPED, dict(**GROUPED, **WINDOW, use_bias=False)],
    "cohere": [dict(**GROUPED, logit_scale=0.5), dict(**GROUPED, logit_scale=0.5, use_qk_norm=True)],
    "cohere2": [dict(**GROUPED, **WINDOW, logit_scale=0.5)],
    "olmo": [GROUPED, dict(**GROUPED, clip_qkv=0.3)],
    "olmo2": [GROUPED],
    "olmo3": [dict(**GROUPED, **WINDOW)],
    "smollm3": [GROUPED, dict(**GROUPED, no_rope_layer_interval=2)],
    "granite": [dict(**GROUPED, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=2.0)],
    "nemotron": [dict(**GROUPED, head_dim=16), dict(**GROUPED, attention_bias=True, mlp_bias=True, partial_rotary_factor=0.25)],
    "arcee": [GROUPED],
    "exaone": [GROUPED],
    "exaone4": [dict(**GROUPED, **WINDOW), dict(**GROUPED, sliding_window=None)],
    "ernie4_5": [dict(**GROUPED, **HEADS), dict(**GROUPED, **HEADS, use_bias=True)],
    "glm": [dict(**GROUPED, **HEADS)],
    "glm4": [dict(**GROUPED, **HEADS)],
    "hunyuan_v1_dense": [dict(**GROUPED, head_dim=16)],
    "seed_oss": [dict(**GROUPED, head_dim=32), dict(**GROUPED, head_dim=32, attention_out_bias=True)],
    "helium": [dict(**GROUPED, head_dim=16)],
    "jais2": [GROUPED],
    "mixtral": [dict(**GROUPED, num_local_experts=6, num_experts_per_tok=2), dict(**GROUPED, **WINDOW, num_local_experts=4, num_experts_per_tok=3)],
    "qwen2_moe": [dict(**GROUPED, **EXPERTS, num_experts=6, shared_expert_intermediate_size=40), dict(**GROUPED, **EXPERTS, num_experts=6, shared_expert_intermediate_size=40, norm_topk_prob=True, decoder_sparse_step=2)],
    "qwen3_moe": [dict(**GROUPED, head_dim=32, **EXPERTS, num_experts=6, norm_topk_prob=True), dict(**GROUPED, head_dim=32, **EXPERTS, num_experts=6, mlp_only_layers=[1])],
    "olmoe": [dict(**GROUPED, num_experts=6, num_experts_per_tok=3), dict(**GROUPED, num_experts=6, num_experts_per_tok=3, norm_topk_prob=True, clip_qkv=0.5)],
    "granitemoe": [dict(**GROUPED, num_local_experts=6, num_experts_per_tok=2, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=2.0)],
    "granitemoeshared": [dict(**GROUPED, num_local_experts=6, num_experts_per_tok=2, shared_intermediate_size=40)],
    "gpt_oss": [dict(**GROUPED, **HEADS, num_local_experts=6, num_experts_per_tok=2, **WINDOW, layer_types=["sliding_attention", "full_attention"] * 2, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32, beta_fast=32.0, beta_slow=1.0, truncate=False))],
    "ernie4_5_moe": [dict(**GROUPED, moe_num_experts=6, moe_k=2, moe_num_shared_experts=2, moe_intermediate_size=32, moe_layer_start_index=1)],
    "dots1": [dict(**GROUPED, **HEADS, n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=1, moe_intermediate_size=32, first_k_dense_replace=1, routed_scaling_factor=1.5, norm_topk_prob=True)],
    "glm4_moe": [dict(**GROUPED, **HEADS, n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=1, moe_intermediate_size=32, first_k_dense_replace=1, routed_scaling_factor=1.5, use_qk_norm=True)],
    "hunyuan_v1_moe": [dict(**GROUPED, **HEADS, num_experts=6, moe_topk=2)],
    "lfm2": [dict(**GROUPED, layer_types=["conv", "full_attention"] * 2)],
    "lfm2_moe": [dict(**GROUPED, layer_types=["conv", "full_attention"] * 2, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=32, num_dense_layers=1)],
    "minimax_m2": [dict(**GROUPED, **HEADS, num_local_experts=6, num_experts_per_tok=2)],
    "afmoe": [dict(**GROUPED, **HEADS, **WINDOW, num_experts=6, num_experts_per_tok=2, num_shared_experts=1, moe_intermediate_size=32, num_dense_layers=1), dict(**GROUPED, **HEADS, **WINDOW, num_experts=6, num_experts_per_tok=2, num_shared_experts=2, moe_intermediate_size=32, num_dense_layers=2, mup_enabled=True, route_scale=1.5, num_hidden_layers=5, global_attn_every_n_layers=3)],
    "qwen3_next": [dict(**GROUPED, **HEADS, **EXPERTS, **DELTA, num_experts=6, shared_expert_intermediate_size=40), dict(**GROUPED, head_dim=32, **EXPERTS, **DELTA, num_experts=6, shared_expert_intermediate_size=40, norm_topk_prob=False, mlp_only_layers=[1], layer_types=["full_attention", "linear_attention"] * 2)],
    "qwen3_5_text": [dict(**GROUPED, head_dim=32, **DELTA), dict(**GROUPED, head_dim=32, **DELTA, attention_bias=True, tie_word_embeddings=True, layer_types=["full_attention", "linear_attention"] * 2)],
    "qwen3_5_moe_text": [dict(**GROUPED, head_dim=32, **DELTA, **EXPERTS, num_experts=6, shared_expert_intermediate_size=40)],
    "mamba": [dict(state_size=8, expand=2, conv_kernel=4, time_step_rank=6, use_mambapy=False), dict(state_size=8, expand=2, time_step_rank=6, use_bias=True, use_conv_bias=False)],
    "falcon_mamba": [dict(state_size=8, expand=2, conv_kernel=4, time_step_rank=6)],
    "mamba2": [dict(num_heads=8, head_dim=16, expand=2, n_groups=2, state_size=16), dict(num_heads=4, head_dim=32, expand=2, n_groups=1, state_size=24, use_bias=True)],
    "falcon_h1": [dict(**GROUPED, mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_n_groups=1, mamba_d_state=16, mamba_expand=2), dict(**GROUPED, mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_n_groups=2, mamba_d_state=16, mamba_expand=2, mamba_rms_norm=True, mamba_norm_before_gate=False, embedding_multiplier=2.0, lm_head_multiplier=0.5, ssm_in_multiplier=0.7, ssm_out_multiplier=1.2, ssm_multipliers=[0.5, 1.5, 0.7, 1.2, 0.8], attention_in_multiplier=0.9, attention_out_multiplier=1.1, key_multiplier=0.8, mlp_multipliers=[1.3, 0.6])],
    "granitemoehybrid": [dict(**GROUPED, **MAMBA, layer_types=["mamba", "attention"] * 2, num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=96, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=2.0), dict(**GROUPED, **MAMBA, layer_types=["mamba", "attention"] * 2, num_local_experts=6, num_experts_per_tok=2, shared_intermediate_size=40, position_embedding_type="rope")],
    "nemotron_h": [dict(**GROUPED, **HEADS, mamba_num_heads=8, mamba_head_dim=16, n_groups=2, ssm_state_size=16, expand=2, layers_block_type=["mamba", "attention", "mlp", "mamba"]), dict(**GROUPED, **HEADS, mamba_num_heads=8, mamba_head_dim=16, n_groups=2, ssm_state_size=16, expand=2, n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=1, moe_intermediate_size=32, moe_shared_expert_intermediate_size=40, routed_scaling_factor=1.5, layers_block_type=["mamba", "moe", "attention", "moe"])],
    "jamba": [dict(**GROUPED, mamba_d_state=8, mamba_dt_rank=6, attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1, num_experts=4, num_experts_per_tok=2, use_mamba_kernels=False)],
    "gemma4_text": [dict(**GROUPED, **WINDOW, head_dim=16, global_head_dim=32, hidden_size_per_layer_input=8, vocab_size_per_layer_input=128, num_hidden_layers=7, num_kv_shared_layers=3, use_double_wide_mlp=True, final_logit_softcapping=5.0, layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"]), dict(**GROUPED, **WINDOW, head_dim=32, global_head_dim=32, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1)],
    "bitnet": [GROUPED, dict(**GROUPED, hidden_act="silu", tie_word_embeddings=True)],
    # not supported: must be refused by name
    "phimoe": [dict(**GROUPED, num_local_experts=6, num_experts_per_tok=2)],
    "flex_olmo": [dict(**GROUPED, num_experts=6, num_experts_per_tok=2)],
    "diffllama": [GROUPED],
    "apertus": [GROUPED],
}
ROPE = {
    "linear": dict(rope_type="linear", factor=3.0),
    "dynamic": dict(rope_type="dynamic", factor=3.0),
    "llama3": dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
    "yarn": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
    "yarn-magnitude": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, attention_factor=0.7, beta_fast=16.0),
    "yarn-mscale": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, mscale=1.0, mscale_all_dim=0.5, truncate=False),
    "longrope": dict(rope_type="longrope", short_factor=[1.0 + 0.1 * i for i in range(8)], long_factor=[1.0 + i for i in range(8)], original_max_position_embeddings=64),
}
for kind, rope in ROPE.items():
    CASES[f"llama+{kind}"] = [dict(**GROUPED, rope_parameters=dict(rope, rope_theta=10000.0))]


def config_of(kind, own):
    base = {} if kind in ("gpt2", "gpt_bigcode", "gptj", "codegen") else dict(COMMON)
    if kind == "gpt_neo":
        base = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, max_position_embeddings=256, bos_token_id=1, eos_token_id=2)
    if kind in ("bloom", "mpt"):
        base = dict(vocab_size=VOCABULARY, hidden_size=64) if kind == "bloom" else dict(vocab_size=VOCABULARY)
    return CONFIG_MAPPING[kind](**{**base, **own})


def make(folder, seed, pattern):
    for name, variants in CASES.items():
        kind = name.split("+")[0]
        for index, own in enumerate(variants):
            target = os.path.join(folder, f"{name}.{index}")
            if not re.search(pattern, name):
                continue
            try:
                torch.manual_seed(seed * 100 + index)
                model = AutoModelForCausalLM.from_config(config_of(kind, own)).eval().float()
                with torch.no_grad():
                    for parameter_name, parameter in model.named_parameters():
                        # larger than at the start of a training, so that every part is felt
                        if parameter.dim() > 1:
                            parameter.normal_(0, 1.5 / parameter.shape[-1] ** 0.5)
                        elif "bias" in parameter_name:
                            parameter.normal_(0, 0.3)
                        else:
                            parameter.add_(torch.randn_like(parameter) * 0.2)
                model.save_pretrained(target)
            except Exception as error:  # noqa: BLE001
                print(f"transformers cannot make {name}.{index}: {str(error)[:160]}", flush=True)


def run():
    for line in sys.stdin:
        job = json.loads(line)
        try:
            model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32, attn_implementation="eager").eval()
            with torch.no_grad():
                logits = model(torch.tensor([job["tokens"]]), use_cache=False).logits[0].float().numpy()
            answer = dict(rows=len(logits), logits=base64.b64encode(logits.astype("<f4").tobytes()).decode())
        except Exception as error:  # noqa: BLE001
            answer = dict(error=str(error)[:300])
        print(json.dumps(answer), flush=True)


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "")
else:
    run()
