"""AutoRound as a peer: quantizes a float GGUF of llama's architecture with the calibration text that Espalier gets, on the processor.

python autoRound.py SOURCE.gguf TEXT OUTPUT.gguf TYPE WINDOW WINDOWS ITERATIONS; TYPE as AutoRound names it, such as q4_0, q4_k_m, q2_k_s.
The output has the source's metadata. Needs auto-round, gguf and transformers from PyPI.
"""

import sys
import tempfile
from pathlib import Path

import gguf
from auto_round import AutoRound
from auto_round.export.export_to_gguf import llama_cpp_conversion

import llamaGguf

source, text, output, kind = sys.argv[1:5]
window, windows, iterations = map(int, sys.argv[5:8])

# it knows published tokenizers by a hash; here only the matrices are taken from its file
import_conversion = llama_cpp_conversion._import_conversion_from


def import_patched(*which):
    context = import_conversion(*which)
    sys.modules["conversion.base"].TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
    return context


llama_cpp_conversion._import_conversion_from = import_patched

with tempfile.TemporaryDirectory() as scratch:
    folder, made = Path(scratch, "model"), Path(scratch, "made")
    tokenizer, model = llamaGguf.load(source, str(folder))
    samples = llamaGguf.windows(tokenizer, text, window, windows)
    print("loss of the first windows", llamaGguf.loss(model, samples[:8]), file=sys.stderr)
    rounding = AutoRound(
        model,
        tokenizer,
        scheme=f"gguf:{kind}",
        dataset=samples,
        seqlen=window,
        nsamples=len(samples),
        iters=iterations,
        enable_alg_ext=iterations > 0,
        device_map="cpu",
    )
    rounding.quantize_and_save(str(made), format=f"gguf:{kind}")
    [file] = made.rglob("*.gguf")
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors if len(tensor.shape) == 2}
    llamaGguf.write(source, output, found)
