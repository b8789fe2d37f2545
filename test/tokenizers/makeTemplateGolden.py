"""Makes chatTemplates.golden.gz: what Jinja2 itself, set up as transformers does it, makes of the shared chat templates.

Kept are hashes, as the templates belong to their vendors. Needs `pip install jinja2` and the shared data; run
`python3 test/tokenizers/makeTemplateGolden.py` in the repository root.
"""

import datetime
import gzip
import hashlib
import json
import os

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

FOLDER = "../shared/data/vectors/chat-templates"
NOW = datetime.datetime(2025, 7, 10)

BASE = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris."},
    {"role": "user", "content": "And of Peru?"},
]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name"}},
            "required": ["city"],
        },
    },
}
CALL = {"name": "get_weather", "arguments": {"city": "Lima"}}
CALLS = [
    {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": CALL}]},
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "17 C"},
]
CONVERSATIONS = {
    "simple": {"messages": BASE},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, *BASE]},
    "tools": {"messages": BASE, "tools": [TOOL]},
    "calls": {"messages": BASE + CALLS, "tools": [TOOL]},
}


class Generation(Extension):
    """transformers' {% generation %} block, which marks what the assistant says."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = NOW.strftime

results = {}
for file in sorted(os.listdir(FOLDER)):
    with open(os.path.join(FOLDER, file), encoding="utf-8") as template_file:
        source = template_file.read()
    for name, conversation in CONVERSATIONS.items():
        try:
            text = environment.from_string(source).render(
                messages=conversation["messages"],
                tools=conversation.get("tools"),
                documents=None,
                add_generation_prompt=True,
                bos_token="<s>",
                eos_token="</s>",
            )
            results[f"{file} {name}"] = hashlib.sha256(text.encode()).hexdigest()
        except Exception as error:  # whatever a template does wrong
            results[f"{file} {name}"] = f"fails: {error}"

golden = {"oracle": f"Jinja2 {jinja2.__version__}", "conversations": CONVERSATIONS, "results": results}
with open("test/tokenizers/chatTemplates.golden.gz", "wb") as file:
    file.write(gzip.compress(json.dumps(golden).encode(), mtime=0))
