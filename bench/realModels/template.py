"""Renders chat templates as transformers does: reads a list of {template, messages, bos} from stdin, prints the texts as JSON."""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template


def text(job):
    texts, _ = render_jinja_template([job["messages"]], chat_template=job["template"], add_generation_prompt=True, bos_token=job["bos"])
    return texts[0]


print(json.dumps([text(job) for job in json.load(sys.stdin)]))
