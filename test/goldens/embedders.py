"""Vectors of transformers and sentence-transformers for the folders that scripts/makeEmbedderGoldens.ts writes.

  embedders.py FOLDER CLASS TOKENS TEXTS    JSON lists of token ids and of texts; prints {hidden, embeddings, ids} or {scores}
"""

import json
import os
import sys

import torch
import transformers

folder, class_name, tokens, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
loaded, info = getattr(transformers, class_name).from_pretrained(
    folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
)
pooler = [name for name in info["missing_keys"] if not name.startswith("pooler.")]
if pooler or info["unexpected_keys"] or info["mismatched_keys"]:
    sys.exit(f"{folder}: {info}")
model = loaded.eval()
answer = dict(scores=[], hidden=[])
with torch.no_grad():
    for ids in tokens:
        output = model(torch.tensor([ids]))
        if "logits" in output:
            answer["scores"].append(output.logits[0].tolist())
        else:
            answer["hidden"].append(output.last_hidden_state[0].mean(0).tolist())
if os.path.exists(os.path.join(folder, "modules.json")):
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(folder, device="cpu")
    answer["embeddings"] = [encoder.encode(text).tolist() for text in texts]
    answer["ids"] = [encoder.tokenizer(text)["input_ids"] for text in texts]
print(json.dumps(answer))
