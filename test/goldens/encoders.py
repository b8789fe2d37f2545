"""Makes encoders.golden.gz: tiny random encoders by transformers, their weights and what it computes of them.

    python test/goldens/encoders.py test/goldens/encoders.golden.gz
"""
import base64
import gzip
import json
import os
import sys
os.environ['HF_HUB_OFFLINE'] = '1'
import numpy as np
import torch
from transformers import (BertConfig, BertForSequenceClassification, BertModel, XLMRobertaConfig,
                          XLMRobertaForSequenceClassification)

torch.manual_seed(1)
sizes = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
             max_position_embeddings=34, initializer_range=0.3)
models = {
    'bert': BertModel(BertConfig(**sizes), add_pooling_layer=False),
    'bert cross-encoder': BertForSequenceClassification(BertConfig(**sizes, num_labels=1)),
    'xlm-roberta cross-encoder': XLMRobertaForSequenceClassification(
        XLMRobertaConfig(**sizes, type_vocab_size=1, num_labels=1, pad_token_id=1)),
}
ids = [[2, 7, 19, 33, 3], [2, 5, 3, 9, 11, 30, 3], [2, 3], [2] + [4 + i % 30 for i in range(28)] + [3]]
out = {}
for name, model in models.items():
    model.eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, parameter.mean().item(), 0.1)
    base = getattr(model, 'bert', None) or getattr(model, 'roberta', None) or model
    cases = []
    for row in ids:
        x = torch.tensor([row])
        with torch.no_grad():
            case = {'ids': row, 'hidden': base(x).last_hidden_state[0].mean(0).tolist()}
            if model is not base:
                types = [0] * 2 + [1] * (len(row) - 2) if 'roberta' not in name else [0] * len(row)
                case['types'] = types
                case['score'] = model(x, token_type_ids=torch.tensor([types])).logits[0].tolist()
        cases.append(case)
    weights = {key: {'shape': list(value.shape), 'data': base64.b64encode(value.numpy().astype(np.float32).tobytes()).decode()}
               for key, value in model.state_dict().items() if value.dtype == torch.float32}
    config = json.loads(model.config.to_json_string())
    config.pop('transformers_version', None)
    out[name] = {'config': config, 'weights': weights, 'cases': cases}
with gzip.GzipFile(sys.argv[1], 'wb', 9, mtime=0) as file:
    file.write(json.dumps(out).encode())
