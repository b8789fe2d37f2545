"""A Flower client that trains GPT-2 with PyTorch, on batches that the bench wrote. ESPALIER_TORCH names the folder."""
import json
import math
import os

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch.nn import functional as F

app = ClientApp()
folder = os.environ["ESPALIER_TORCH"]
with open(os.path.join(folder, "task.json")) as file:
    task = json.load(file)
torch.set_num_threads(1)


def batches(name):
    """[batches, 2, batch, sequence]: tokens, and targets or -1"""
    values = np.fromfile(os.path.join(folder, name), dtype=np.int32).astype(np.int64)
    return torch.from_numpy(values).reshape(-1, 2, task["batch"], task["sequence"])


def unpack(flat):
    weights, at = {}, 0
    for name, rows, columns in task["weights"]:
        shape = (columns,) if rows == 1 else (rows, columns)
        weights[name] = torch.from_numpy(flat[at : at + rows * columns].copy()).reshape(shape).requires_grad_()
        at += rows * columns
    return weights


def loss_of(w, batch):
    tokens, targets = batch[0], batch[1]
    count, length = tokens.shape
    width = task["width"]
    x = w["token_embd.weight"][tokens] + w["position_embd.weight"][:length]
    norm = lambda x, name: F.layer_norm(x, (width,), w[name + ".weight"], w[name + ".bias"], 1e-5)
    linear = lambda x, name: F.linear(x, w[name + ".weight"], w[name + ".bias"])
    for i in range(task["layers"]):
        block = f"blk.{i}."
        heads = lambda x: x.reshape(count, length, task["heads"], -1).transpose(1, 2)
        q, k, v = map(heads, linear(norm(x, block + "attn_norm"), block + "attn_qkv").split(width, 2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(mixed.transpose(1, 2).reshape(count, length, width), block + "attn_output")
        hidden = F.gelu(linear(norm(x, block + "ffn_norm"), block + "ffn_up"), approximate="tanh")
        x = x + linear(hidden, block + "ffn_down")
    head = w.get("output.weight", w["token_embd.weight"])
    logits = norm(x, "output_norm") @ head.T
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-1)


@app.train()
def train(message, context):
    weights = unpack(message.content["arrays"]["weights"].numpy())
    matrices = [w for w in weights.values() if w.dim() == 2]
    vectors = [w for w in weights.values() if w.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=task["rate"], betas=(0.9, 0.99), eps=1e-8)
    first = (int(message.content["config"]["server-round"]) - 1) * task["steps"]
    total = 0.0
    for batch in batches("train.i32")[first : first + task["steps"]]:
        optimizer.zero_grad()
        loss = loss_of(weights, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        total += loss.item()
    flat = np.concatenate([w.detach().numpy().reshape(-1) for w in weights.values()])
    metrics = {"train_loss": total / task["steps"], "num-examples": task["examples"]}
    content = RecordDict({"arrays": ArrayRecord({"weights": Array(flat)}), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message, context):
    weights = unpack(message.content["arrays"]["weights"].numpy())
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in batches("heldOut.i32"):
            learned = int((batch[1] >= 0).sum())
            total += loss_of(weights, batch).item() * learned
            count += learned
    loss = total / count
    metrics = {"loss": loss, "perplexity": math.exp(loss), "num-examples": task["examples"]}
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
