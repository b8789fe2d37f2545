"""Wanda and SparseGPT by llm-compressor as a peer: half of the weights of the blocks of a float GGUF become zeros, on the processor.

python sparse.py SOURCE.gguf TEXT OUTPUT.gguf METHOD PATTERN WINDOW WINDOWS; METHOD wanda or sparsegpt, PATTERN 50% or 2:4. For llama's
architecture. Needs llmcompressor and gguf from PyPI.
"""

import sys
import tempfile

from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier

import llamaGguf

source, text, output, method, pattern = sys.argv[1:6]
window, windows = map(int, sys.argv[6:8])

with tempfile.TemporaryDirectory() as folder:
    tokenizer, model = llamaGguf.load(source, folder)
    samples = llamaGguf.windows(tokenizer, text, window, windows)
    modifier = {"wanda": WandaPruningModifier, "sparsegpt": SparseGPTModifier}[method]
    oneshot(
        model=model,
        tokenizer=tokenizer,
        dataset=Dataset.from_list([{"input_ids": ids[0].tolist(), "attention_mask": [1] * window} for ids in samples]),
        recipe=modifier(
            sparsity=0.5,
            mask_structure="0:0" if pattern == "50%" else pattern,
            targets=["Linear"],
            ignore=["re:.*lm_head"],
        ),
        max_seq_length=window,
        num_calibration_samples=len(samples),
    )
    llamaGguf.write(source, output, llamaGguf.matrices(model))
