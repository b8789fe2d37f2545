"""Makes chatTemplates.golden.gz: what Jinja2 itself, set up as transformers does it, makes of the shared chat templates
and of the templates among huggingface.js's test cases (whose expected texts are JavaScript's in places).

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
VECTORS = "../shared/data/vectors/jinja"
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
    "calls without tools": {"messages": BASE + CALLS},
    "two calls": {
        "messages": [
            BASE[0],
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call1abcd", "type": "function", "function": CALL},
                    {
                        "id": "call2abcd",
                        "type": "function",
                        "function": {
                            "name": "set",
                            "arguments": {"on": True, "level": 0.5, "note": None, "list": ["a", {"b": "c\n\"d\""}]},
                        },
                    },
                ],
            },
            {"role": "tool", "name": "get_weather", "tool_call_id": "call1abcd", "content": "17 C"},
            {"role": "tool", "name": "set", "tool_call_id": "call2abcd", "content": '{"done": true}'},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks."},
        ],
        "tools": [TOOL, {"type": "function", "function": {"name": "set", "description": "", "parameters": {}}}],
    },
    "text arguments": {
        "messages": [
            BASE[0],
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "abcdefghi",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Lima"}'},
                    }
                ],
            },
            CALLS[1],
        ],
        "tools": [TOOL],
    },
    "unicode": {
        "messages": [
            {"role": "user", "content": " \u00a0Ça va\u2028? 👩‍👩‍👧 \ufeff\u0085"},
            {"role": "assistant", "content": "\n\n  Très bien,\r\n\tmerci 👍🏽\n"},
            {"role": "user", "content": "<|im_start|>{{ x }}{% if %}\x1c"},
        ]
    },
    "parts": {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]},
        ]
    },
    "thinking": {
        "messages": [
            BASE[0],
            {"role": "assistant", "content": "<think>\nWell\n</think>\n\n    Paris", "reasoning_content": "Hm"},
            BASE[2],
        ],
        "enable_thinking": True,
        "thinking": True,
        "reasoning_effort": "high",
    },
    "not thinking": {"messages": BASE, "enable_thinking": False, "thinking": False, "reasoning_effort": "low"},
    "documents": {
        "messages": BASE,
        "documents": [{"title": "Peru", "text": "Lima is its capital."}, {"title": "B", "text": "\"x\""}],
    },
    "long": {"messages": [BASE[i % 2] for i in range(41)]},
    "developer": {"messages": [{"role": "developer", "content": "Rules."}, BASE[0]]},
    "assistant last": {"messages": BASE[:2]},
    "none": {"messages": []},
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
                **{"tools": None, "documents": None, **conversation},
                add_generation_prompt=True,
                bos_token="<s>",
                eos_token="</s>",
            )
            results[f"{file} {name}"] = hashlib.sha256(text.encode()).hexdigest()
        except Exception as error:  # whatever a template does wrong
            results[f"{file} {name}"] = f"fails: {error}"

vectors = {}


def hashed(template, variables):
    try:
        return hashlib.sha256(environment.from_string(template).render(variables).encode()).hexdigest()
    except Exception as error:
        return f"fails: {error}"


with open(f"{VECTORS}/hfjs-chat-templates-e2e.json", encoding="utf-8") as file:
    for group in json.load(file).values():
        for name, case in group.items():
            vectors[f"conversation {name}"] = hashed(case["chat_template"], case["data"])
with open(f"{VECTORS}/hfjs-template-cases.json", encoding="utf-8") as file:
    for name, case in json.load(file).items():
        if "__function__" not in json.dumps(case["context"]):
            vectors[f"case {name}"] = hashed(case["template"], case["context"])

golden = {"oracle": f"Jinja2 {jinja2.__version__}", "conversations": CONVERSATIONS, "results": results, "vectors": vectors}
with open("test/tokenizers/chatTemplates.golden.gz", "wb") as file:
    file.write(gzip.compress(json.dumps(golden).encode(), mtime=0))
