"""Writes onnx/model.onnx, float32, into the Hugging Face folder of an encoder, as transformers.js reads it.

  exportOnnx.py FOLDER OUTPUT        needs torch, transformers, onnx, onnxscript; OUTPUT is a copy of the folder's small files
"""

import os
import shutil
import sys

import torch
from transformers import AutoModel

folder, output = sys.argv[1], sys.argv[2]
os.makedirs(os.path.join(output, "onnx"), exist_ok=True)
for name in os.listdir(folder):
    if name.endswith(".json") or name == "vocab.txt":
        shutil.copy(os.path.join(folder, name), output)
torch.set_num_threads(1)


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        inputs = dict(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return self.model(**inputs).last_hidden_state


example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in range(3))
batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=512)
names = ["input_ids", "attention_mask", "token_type_ids"]
with torch.no_grad():
    program = torch.onnx.export(
        Encoder(), example, input_names=names, output_names=["last_hidden_state"],
        dynamic_shapes=[{0: batch, 1: length}] * 3, dynamo=True,
    )
program.save(os.path.join(output, "onnx", "model.onnx"))
