"""How each operation is asked, as a line for the shell and as Python with the vendors' own clients.

Knows: clients. Must not know: routes, surfaces. `{base}` is the server's address, `{prefix}` the surface's; the
key is in the environment, so that nothing that is copied has a secret in it.
"""

import json
from typing import Any, Literal

from msgspec import Struct

BASE = "https://thermly.invalid"
"""Stands for the address under which the server is called, in a document that is made once for all callers."""
UNKNOWN = "ID"
"""Stands for a name that only an answer can tell."""

HELLO = {"role": "user", "content": "Hello!"}

PREFACES = {
    "openai": """\
import os
from openai import OpenAI

client = OpenAI(
    base_url="{base}{prefix}",
    api_key=os.environ["THERMLY_KEY"],
)
""",
    "anthropic": """\
import os
from anthropic import Anthropic

client = Anthropic(
    base_url="{base}",
    api_key=os.environ["THERMLY_KEY"],
)
""",
    "genai": """\
import os
from google import genai

client = genai.Client(
    api_key=os.environ["THERMLY_KEY"],
    http_options={"base_url": "{base}{parent}", "api_version": "{version}"},
)
""",
    "requests": """\
import os
import requests

headers = {"Authorization": "Bearer " + os.environ["THERMLY_KEY"]}
""",
    "plain": """\
import requests

""",
}


class Sample(Struct, frozen=True):
    """Python after the preface of its client; `header`: what curl sends beside the key."""

    client: Literal["openai", "anthropic", "genai", "requests", "plain"]
    lines: str
    query: str = ""
    streams: bool = False


def python(sample: Sample, prefix: str) -> str:
    parent, _, version = prefix.rpartition("/")
    text = PREFACES[sample.client] + sample.lines
    for word, value in {"base": BASE, "prefix": prefix, "parent": parent, "version": version}.items():
        text = text.replace("{" + word + "}", value)
    return text.strip() + "\n"


def curl(sample: Sample, method: str, path: str, key_header: str | None, body: dict[str, Any] | None) -> str:
    how = "-N " if sample.streams else ""
    if method != ("get" if body is None else "post"):  # which curl takes by itself
        how += f"-X {method.upper()} "
    lines = [f"curl {how}'{BASE}{path}{sample.query}'"]
    if key_header is not None:
        value = "Bearer $THERMLY_KEY" if key_header == "Authorization" else "$THERMLY_KEY"
        lines.append(f'  -H "{key_header}: {value}"')
    if body is not None:
        text = json.dumps(body, ensure_ascii=False, indent=2).replace("'", r"'\''")
        lines += ["  -H 'Content-Type: application/json'", f"  -d '{text}'"]
    return " \\\n".join(lines) + "\n"


CHAT = Sample(
    "openai",
    """
reply = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(reply.choices[0].message.content)
print(reply.x_thermostat)
""",
)
MODELS = Sample(
    "openai",
    """
for model in client.models.list():
    print(model.id, model.owned_by)
""",
)
MODEL = Sample(
    "openai",
    """
print(client.models.retrieve("gpt-4o"))
""",
)
EMBEDDINGS = Sample(
    "openai",
    """
reply = client.embeddings.create(
    model="text-embedding-3-small",
    input="The food was delicious.",
)
print(reply.data[0].embedding[:3])
""",
)
FEEDBACK = Sample(
    "openai",
    """
reply = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": "Hello!"}],
)
kept = client.post(
    "/feedback",
    body={"response_id": reply.id, "rating": "good"},
    cast_to=object,
)
print(kept)
""",
)
IMAGES = Sample(
    "openai",
    """
reply = client.images.generate(
    model="dall-e-3",
    prompt="A lighthouse in the fog",
)
print(reply.data[0].url)
""",
)
JOB = Sample(
    "requests",
    """
job = requests.get("{base}{prefix}/images/generations/ID", headers=headers).json()
print(job["status"], job["progress"])
""",
)
RESPONSE = Sample(
    "openai",
    """
response = client.responses.create(
    model="auto",
    input="Hello!",
)
print(response.output_text)
""",
)
GET_RESPONSE = Sample(
    "openai",
    """
print(client.responses.retrieve("ID").status)
""",
)
DELETE_RESPONSE = Sample(
    "openai",
    """
client.responses.delete("ID")
""",
)
CANCEL_RESPONSE = Sample(
    "openai",
    """
print(client.responses.cancel("ID").status)
""",
)
INPUT_ITEMS = Sample(
    "openai",
    """
for item in client.responses.input_items.list("ID"):
    print(item.type)
""",
)
CONVERSATION = Sample(
    "openai",
    """
conversation = client.conversations.create(
    metadata={"topic": "greetings"},
    items=[{"role": "user", "content": "Hello!"}],
)
print(conversation.id)
""",
)
GET_CONVERSATION = Sample(
    "openai",
    """
print(client.conversations.retrieve("ID").metadata)
""",
)
UPDATE_CONVERSATION = Sample(
    "openai",
    """
client.conversations.update("ID", metadata={"topic": "farewells"})
""",
)
DELETE_CONVERSATION = Sample(
    "openai",
    """
client.conversations.delete("ID")
""",
)
ITEMS = Sample(
    "openai",
    """
for item in client.conversations.items.list("ID", order="asc"):
    print(item.type)
""",
)
ADD_ITEMS = Sample(
    "openai",
    """
client.conversations.items.create(
    "ID",
    items=[{"role": "user", "content": "Hello!"}],
)
""",
)
ITEM = Sample(
    "openai",
    """
print(client.conversations.items.retrieve(conversation_id="ID", item_id="ID").type)
""",
)
DELETE_ITEM = Sample(
    "openai",
    """
client.conversations.items.delete(conversation_id="ID", item_id="ID")
""",
)
MESSAGE = Sample(
    "anthropic",
    """
message = client.messages.create(
    model="auto",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello!"}],
)
print(message.content[0].text)
""",
)
COUNT_MESSAGE = Sample(
    "anthropic",
    """
print(client.messages.count_tokens(
    model="auto",
    messages=[{"role": "user", "content": "Hello!"}],
).input_tokens)
""",
)
GENERATED_CHAT = Sample(
    "openai",
    """
reply = client.chat.completions.create(
    model="c1/anthropic/claude-sonnet-4/v-20260331",
    messages=[{"role": "user", "content": "Compare tea and coffee."}],
)
print(reply.choices[0].message.content)
""",
)
GENERATED_RESPONSE = Sample(
    "openai",
    """
response = client.responses.create(
    model="c1/anthropic/claude-sonnet-4/v-20260331",
    input="Compare tea and coffee.",
)
print(response.output_text)
""",
)
GENERATED_MODEL = Sample(
    "openai",
    """
print(client.models.retrieve("c1/anthropic/claude-sonnet-4/v-20260331"))
""",
)
GENERATE = Sample(
    "genai",
    """
reply = client.models.generate_content(
    model="gemini-2.5-flash",
    contents="Hello!",
)
print(reply.text)
""",
)
STREAM_GENERATE = Sample(
    "genai",
    """
for chunk in client.models.generate_content_stream(
    model="gemini-2.5-flash",
    contents="Hello!",
):
    print(chunk.text, end="")
""",
    "?alt=sse",
    True,
)
COUNT = Sample(
    "genai",
    """
print(client.models.count_tokens(
    model="gemini-2.5-flash",
    contents="Hello!",
).total_tokens)
""",
)
EMBED = Sample(
    "genai",
    """
reply = client.models.embed_content(
    model="gemini-embedding-2",
    contents="The food was delicious.",
)
print(reply.embeddings[0].values[:3])
""",
)
EMBED_BATCH = Sample(
    "genai",
    """
reply = client.models.embed_content(
    model="gemini-embedding-2",
    contents=["The food was delicious.", "The waiter was kind."],
)
print(len(reply.embeddings))
""",
)
GEMINI_MODELS = Sample(
    "genai",
    """
for model in client.models.list():
    print(model.name)
""",
)
GEMINI_MODEL = Sample(
    "genai",
    """
print(client.models.get(model="gemini-2.5-flash").input_token_limit)
""",
)
IMAGE = Sample(
    "plain",
    """
answer = requests.get("{base}/images/ID")
with open("image.png", "wb") as file:
    file.write(answer.content)
""",
)
LIVENESS = Sample(
    "plain",
    """
print(requests.get("{base}/health/liveness").json()["status"])
""",
)
READINESS = Sample(
    "plain",
    """
print(requests.get("{base}/health/readiness").json())
""",
)
METRICS = Sample(
    "plain",
    """
print(requests.get("{base}/metrics").text)
""",
)
OPENAPI = Sample(
    "plain",
    """
document = requests.get("{base}/openapi.json").json()
print(document["info"]["title"], len(document["paths"]))
""",
)
DOCS = Sample(
    "plain",
    """
print(len(requests.get("{base}/docs").text))
""",
)
