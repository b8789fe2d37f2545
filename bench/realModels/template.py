"""Renders a chat template as transformers does: reads {template, messages, bos} from stdin, prints the text as JSON."""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template

job = json.load(sys.stdin)
texts, _ = render_jinja_template([job["messages"]], chat_template=job["template"], add_generation_prompt=True, bos_token=job["bos"])
print(json.dumps(texts[0]))
