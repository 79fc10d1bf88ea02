"""Gemini's requests as values, and what becomes of them on the way to Gemini: nothing is lost."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermly.catalog import Model, Price, ProviderRow, Target
from thermly.dialects import Bounds
from thermly.dialects.gemini import read_count_request, read_request
from thermly.dialects.gemini_types import camel
from thermly.errors import InvalidRequest
from thermly.exchange import ChatRequest, Message, ResponseFormat, Text, Tool, ToolChoice, Tuning
from thermly.providers import anthropic_request, gemini_request, openai_like_request

JSON = dict[str, Any]
FREE = Bounds(max_tools=128)
HI = [{"role": "user", "parts": [{"text": "hi"}]}]
F = [{"functionDeclarations": [{"name": "f"}, {"name": "g.h"}]}]
ASKED = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
READ = {"type": "object", "properties": {"a": {"type": "string"}}}


def read(bounds: Bounds = FREE, stream: bool = False, **fields: Any) -> ChatRequest:
    return read_request(json.dumps({"contents": HI, **fields}).encode(), bounds, "m", stream)


def config(**fields: Any) -> ChatRequest:
    return read(generationConfig=fields)


def test_the_least_request():
    assert read() == ChatRequest("m", (Message("user", (Text("hi"),)),))
    assert read(stream=True).stream


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"maxOutputTokens": 5}, "max_output_tokens", 5),
    ({"max_output_tokens": 5}, "max_output_tokens", 5),
    ({"stopSequences": ["x", "y"]}, "stop", ("x", "y")),
    ({"candidateCount": 3}, "n", 3),
    ({"responseLogprobs": True, "logprobs": 4}, "logprobs", True),
    ({"responseLogprobs": True, "logprobs": 4}, "top_logprobs", 4),
    ({"responseMimeType": "text/plain"}, "response_format", None),
    ({"responseMimeType": ""}, "response_format", None),
    ({"responseMimeType": "application/json"}, "response_format", ResponseFormat("json_object")),
    ({"responseMimeType": "application/json", "responseSchema": ASKED}, "response_format",
     ResponseFormat("json_schema", READ, "response")),
    ({"response_mime_type": "application/json", "response_schema": ASKED}, "response_format",
     ResponseFormat("json_schema", READ, "response")),
    ({"responseMimeType": "application/json", "responseJsonSchema": READ}, "response_format",
     ResponseFormat("json_schema", READ, "response")),
    ({"responseMimeType": "application/json", "_responseJsonSchema": READ}, "response_format",
     ResponseFormat("json_schema", READ, "response")),
    ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}, "response_format",
     ResponseFormat("json_schema", {"type": "string", "enum": ["a"]}, "response")),
    ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}, "wishes",
     ("bare_enum",)),
    ({"temperature": 2, "topP": 0.5, "presencePenalty": 1, "frequencyPenalty": -1, "seed": -3}, "tuning",
     Tuning(temperature=2.0, top_p=0.5, presence_penalty=1.0, frequency_penalty=-1.0, seed=-3)),
    ({"thinkingConfig": {"includeThoughts": True}}, "wishes", ("thoughts",)),
    ({"thinkingConfig": {"includeThoughts": False}}, "wishes", ()),
    ({"topK": 40.0, "imageConfig": {"aspectRatio": "1:1"}}, "extras",
     {"gemini": {"generationConfig": {"topK": 40.0, "imageConfig": {"aspectRatio": "1:1"}}}}),
    ({"responseModalities": ["TEXT"]}, "extras", None),
    ({"responseModalities": ["TEXT", "IMAGE"]}, "extras",
     {"gemini": {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}}),
    ({"topK": None}, "extras", None),
])  # fmt: skip
def test_each_word_of_the_configuration_has_its_place(fields: JSON, name: str, value: Any):
    assert getattr(config(**fields), name) == value


@pytest.mark.parametrize(("thinking", "effort", "kept"), [
    ({"thinkingBudget": 0}, "none", None),
    ({"thinkingBudget": 1}, "minimal", True),
    ({"thinkingBudget": 512}, "minimal", True),
    ({"thinkingBudget": 1024}, "low", True),
    ({"thinkingBudget": 2048}, "medium", True),
    ({"thinkingBudget": 2049}, "high", True),
    ({"thinking_budget": 24576, "include_thoughts": True}, "high", True),
    ({"thinkingBudget": -1}, "medium", True),
    ({"thinkingLevel": "LOW"}, "low", None),
    ({"thinkingLevel": "high", "includeThoughts": True}, "high", None),
    ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None, None),
    ({"includeThoughts": True}, None, True),
    ({}, None, None),
])  # fmt: skip
def test_thinking(thinking: JSON, effort: str | None, kept: bool | None):
    request = config(thinkingConfig=thinking)
    assert request.tuning.reasoning_effort == effort
    assert bool(request.extras) == bool(kept)


@pytest.mark.parametrize(("fields", "name", "value"), [
    ({"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}}, "messages",
     (Message("system", (Text("a"), Text("b"))), Message("user", (Text("hi"),)))),
    ({"system_instruction": {"role": "user", "parts": [{"text": "a"}]}}, "messages",
     (Message("system", (Text("a"),)), Message("user", (Text("hi"),)))),
    ({"safetySettings": [{"category": "C", "threshold": "T"}]}, "extras",
     {"gemini": {"safetySettings": [{"category": "C", "threshold": "T"}]}}),
    ({"store": False}, "extras", {"gemini": {"store": False}}),
    ({"labels": {"a_b": "c"}, "model": "models/other", "serviceTier": "standard"}, "extras", None),
    ({"tools": [{"googleSearch": {}}, *F]}, "extras", {"gemini": {"tools": [{"googleSearch": {}}]}}),
    ({"tools": [{"google_search": {}}, *F]}, "web_search", {}),
    ({"tools": [{"codeExecution": {}, "functionDeclarations": []}]}, "extras",
     {"gemini": {"tools": [{"codeExecution": {}}]}}),
    ({"tools": [{"codeExecution": {}}]}, "web_search", None),
    ({"tools": F}, "tools", (Tool("f"), Tool("g.h"))),
    ({"tools": [{"function_declarations": [{"name": "f", "description": "d", "parameters": ASKED}]}]}, "tools",
     (Tool("f", "d", READ),)),
    ({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"x_y": 1}}]}]}, "tools",
     (Tool("f", None, {"x_y": 1}),)),
    ({"tools": [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING", "response": ASKED}]}]}, "tools",
     (Tool("f", extras={"gemini": {"behavior": "NON_BLOCKING", "response": ASKED}}),)),
    ({"toolConfig": {"retrievalConfig": {"languageCode": "de"}}}, "extras",
     {"gemini": {"toolConfig": {"retrievalConfig": {"languageCode": "de"}}}}),
])  # fmt: skip
def test_each_field_has_its_place(fields: JSON, name: str, value: Any):
    assert getattr(read(**fields), name) == value


@pytest.mark.parametrize(("calling", "wanted"), [
    ({}, None),
    ({"mode": "MODE_UNSPECIFIED"}, None),
    ({"mode": "AUTO"}, ToolChoice("auto")),
    ({"mode": "NONE"}, ToolChoice("none")),
    ({"mode": "ANY"}, ToolChoice("required")),
    ({"mode": "ANY", "allowed_function_names": ["f"]}, ToolChoice("required", ("f",))),
    ({"mode": "VALIDATED"}, None),
    ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("auto", ("f",))),
])  # fmt: skip
def test_a_choice_of_functions(calling: JSON, wanted: ToolChoice | None):
    assert read(tools=F, toolConfig={"functionCallingConfig": calling}).tool_choice == wanted
    assert read(toolConfig={"functionCallingConfig": {"mode": "AUTO"}}).tool_choice is None


def test_the_surfaces_bound_goes_with_the_request():
    assert read(Bounds(64, max_output_tokens=100)).output_bound == 100 and read().output_bound is None


# ---- refusals

G, CALLING = "generationConfig", "toolConfig.functionCallingConfig"


@pytest.mark.parametrize(("fields", "param"), [
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "1"}, "temperature"),
    ({"topP": -0.1}, "topP"),
    ({"candidateCount": 0}, "candidateCount"),
    ({"candidateCount": 9}, "candidateCount"),
    ({"maxOutputTokens": 0}, "maxOutputTokens"),
    ({"maxOutputTokens": 101}, "maxOutputTokens"),
    ({"stopSequences": ["x"] * 6}, "stopSequences"),
    ({"stopSequences": [""]}, "stopSequences[0]"),
    ({"responseMimeType": "application/xml"}, "responseMimeType"),
    ({"responseMimeType": "text/x.enum"}, "responseMimeType"),
    ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}, "responseMimeType"),
    ({"responseSchema": ASKED}, "responseSchema"),
    ({"responseJsonSchema": READ}, "responseJsonSchema"),
    ({"responseMimeType": "application/json", "responseSchema": ASKED, "responseJsonSchema": READ},
     "responseJsonSchema"),
    ({"responseMimeType": "application/json", "responseSchema": {"type": "X"}}, "responseSchema.type"),
    ({"responseFormat": []}, "responseFormat"),
    ({"routingConfig": {}}, "routingConfig"),
    ({"modelSelectionConfig": {}}, "modelSelectionConfig"),
    ({"news": 1}, "news"),
    ({"logprobs": 5}, "logprobs"),
    ({"responseLogprobs": True, "logprobs": 21}, "logprobs"),
    ({"responseModalities": ["AUDIO"]}, "responseModalities"),
    ({"responseModalities": ["SMELL"]}, "responseModalities[0]"),
    ({"seed": 1 << 31}, "seed"),
    ({"presencePenalty": 3}, "presencePenalty"),
    ({"thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "LOW"}}, "thinkingConfig"),
    ({"thinkingConfig": {"thinkingLevel": "DEEP"}}, "thinkingConfig.thinkingLevel"),
    ({"thinkingConfig": {"thinkingBudget": -2}}, "thinkingConfig.thinkingBudget"),
    ({"thinkingConfig": {"thinking_depth": 1}}, "thinkingConfig.thinkingDepth"),
    ({"topK": 1, "top_k": 1}, "topK"),
])  # fmt: skip
def test_a_configuration_is_refused_by_name(fields: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(Bounds(128, max_output_tokens=100), generationConfig=fields)
    assert caught.value.param == f"{G}.{param}"


@pytest.mark.parametrize(("fields", "param"), [
    ({"contents": None}, "contents"),
    ({"contents": []}, "contents"),
    ({"contents": "hi"}, "contents"),
    ({"contents": {}}, "contents[0].parts"),
    ({"messages": []}, "messages"),
    ({"api_base": "http://x"}, "apiBase"),
    ({"cachedContent": "cachedContents/x"}, "cachedContent"),
    ({"service_tier": "priority"}, "serviceTier"),
    ({"systemInstruction": "be kind"}, "systemInstruction"),
    ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0].text"),
    ({"system_instruction": None, "systemInstruction": None}, "systemInstruction"),
    ({"tools": "f"}, "tools"),
    ({"tools": [{"functionDeclarations": [{"name": "1 f"}]}]}, "tools[0].functionDeclarations[0].name"),
    ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"a": {"type": "X"}}}}]}]},
     "tools[0].functionDeclarations[0].parameters.properties.a.type"),
    ({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": {}}]}]},
     "tools[0].functionDeclarations[0].parametersJsonSchema"),
    ({"tools": [*F, *F]}, "tools"),
    ({"tools": [{"functionDeclarations": [{"name": f"f{i}"} for i in range(129)]}]}, "tools"),
    ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, f"{CALLING}.mode"),
    ({"tools": F, "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, f"{CALLING}.mode"),
    ({"tools": F, "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}}},
     f"{CALLING}.allowedFunctionNames"),
    ({"tools": F, "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "x"]}}},
     f"{CALLING}.allowedFunctionNames[1]"),
    ({"safetySettings": {}}, "safetySettings"),
    ({"systemInstruction": {"parts": [{"text": "a", "fileData": {"fileUri": "files/x"}}]}},
     "systemInstruction.parts[0].fileData"),
    ({"tools": [{"googleMaps": {}}]}, "tools[0].googleMaps"),
    ({"tools": [{"urlContext": {}}, {"google_maps": {}}]}, "tools[1].googleMaps"),
    ({"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/x"]}}]}, "tools[0].fileSearch"),
    ({"tools": [{"functionDeclarations": [], "retrieval": {}}]}, "tools[0].retrieval"),
    ({"tools": [{"mcpServers": []}]}, "tools[0].mcpServers"),
    ({"tools": [{"news": {}}]}, "tools[0].news"),
    ({"toolConfig": {"news": {}}}, "toolConfig.news"),
])  # fmt: skip
def test_a_field_is_refused_by_name(fields: JSON, param: str):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"contents": [NaN]}', b'{"contents": ' + b"[" * 99_999])
def test_bodies_that_are_none(body: bytes):
    for reader in (lambda: read_request(body, FREE, "m", False), lambda: read_count_request(body, FREE, "m")):
        with pytest.raises(InvalidRequest):
            reader()


def test_depth_is_refused():
    for depth in (300, 900):
        deep = b'{"items":' * depth + b"{}" + b"}" * depth
        body = b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"responseMimeType":"application/json",'
        try:
            read_request(body + b'"responseSchema":' + deep + b"}}", FREE, "m", False)
        except InvalidRequest:
            assert depth == 900


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("text", "parts", "role", "functionCall", "name", "type")), inner)
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(("contents", "system_instruction", "tools", "toolConfig", "generationConfig", "store")),
        ANYTHING,
    )
)
def test_whatever_is_sent_is_read_or_refused(fields: JSON):
    try:
        read(**fields)
    except InvalidRequest:
        pass


# ---- counting


def test_what_to_count():
    whole = {"contents": HI, "model": "models/m", "systemInstruction": {"parts": [{"text": "s"}]}}

    def count(**body: Any) -> ChatRequest:
        return read_count_request(json.dumps(body).encode(), FREE, "m")

    assert count(contents=HI) == read()
    assert count(generateContentRequest=whole) == count(generate_content_request=whole) == read(**whole)
    for body, param in (
        ({}, "contents"),
        ({"contents": HI, "generateContentRequest": whole}, "contents"),
        ({"contents": HI, "tools": []}, "tools"),
        ({"generateContentRequest": {"contents": [{}]}}, "generateContentRequest.contents[0].parts"),
        ({"generateContentRequest": {}}, "generateContentRequest.contents"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            count(**body)
        assert caught.value.param == param
        assert f"'{param}'" in caught.value.message or "both" in caught.value.message


# ---- from Gemini to Gemini

PRICE = Price(0, 0, 0, 0, 0)
WORDS = frozenset(("tools", "forced_tools", "json_schema", "reasoning", "sampling", "vision", "files", "n"))


def target(kind: str, upstream: str) -> Target:
    model = Model("m", kind, upstream, 200_000, 8_000, PRICE, WORDS)
    return Target(model, ProviderRow(kind, kind, "http://x", "k"), PRICE)  # type: ignore[arg-type]


def through(**fields: Any) -> JSON:
    """What Gemini is asked; as JSON, where a null is nothing."""
    written = gemini_request.write_request(read(**fields), target("gemini", "gemini-2.5-flash"), 8_000)
    found: JSON = json.loads(
        json.dumps(written), object_hook=lambda o: {k: v for k, v in o.items() if v is not None}
    )
    return found


IMAGE = {"mimeType": "image/png", "data": "AAAA"}
TALK = [
    {"role": "user", "parts": [
        {"text": "look"},
        {"inlineData": {**IMAGE, "displayName": "d"}, "mediaResolution": {"level": "L"}},
        {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        {"fileData": {"fileUri": "https://x/v", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 3}},
        {"inlineData": IMAGE},
    ]},
    {"role": "model", "parts": [
        {"text": "hm", "thought": True, "thoughtSignature": "A"},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "B"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"text": "so", "thoughtSignature": "C"},
        {"functionCall": {"id": "1", "name": "f", "args": {"a": [1, 2.5, None, {"b_c": "d"}]}},
         "thoughtSignature": "D"},
        {"functionCall": {"id": "2", "name": "g.h", "args": {}}},
        {"functionCall": {"id": "3", "name": "f", "args": {}}},
    ]},
    {"role": "user", "parts": [
        {"functionResponse": {"id": "2", "name": "g.h", "response": {"result": [1]}}},
        {"functionResponse": {"id": "1", "name": "f", "response": {"error": "no"}}},
        {"functionResponse": {"id": "3", "name": "f", "response": {"x_y": 1}, "scheduling": "SILENT"}},
        {"text": "and now?"},
    ]},
]  # fmt: skip
WHOLE: JSON = {
    "contents": TALK,
    "systemInstruction": {"parts": [{"text": "be kind"}, {"text": "be brief"}]},
    "tools": [
        {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}},
        {"urlContext": {}},
        {"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": READ, "behavior": "BLOCKING"},
            {"name": "g.h", "responseJsonSchema": READ},
        ]},
    ],
    "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]},
        "retrievalConfig": {"latLng": {"latitude": 1.5, "longitude": 2}},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "store": False,
    "generationConfig": {
        "temperature": 0.5,
        "topP": 0.25,
        "topK": 7,
        "candidateCount": 2,
        "maxOutputTokens": 8_000,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "presencePenalty": 0.5,
        "frequencyPenalty": -0.5,
        "seed": 5,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "speechConfig": {"languageCode": "de"},
        "imageConfig": {"aspectRatio": "1:1"},
        "responseModalities": ["TEXT", "IMAGE"],
        "thinkingConfig": {"thinkingBudget": 777, "includeThoughts": False},
    },
}  # fmt: skip


@pytest.mark.parametrize("field", WHOLE)
def test_gemini_is_asked_what_was_asked(field: str):
    assert through(**WHOLE)[field] == WHOLE[field]


def test_one_object_stands_for_a_list_of_one():
    image = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    response = {"name": "f", "response": {"parts": {"tools": {}}}, "parts": image}
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": {"parts": {"type": "STRING"}}}}
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"contents": {}}}}]}
    alone = {
        "contents": [call, {"parts": {"functionResponse": response}}],
        "system_instruction": {"parts": {"text": "be"}},
        "tools": {"function_declarations": declared},
    }
    listed = {
        "contents": [call, {"parts": [{"functionResponse": {**response, "parts": [image]}}]}],
        "systemInstruction": {"parts": [{"text": "be"}]},
        "tools": [{"functionDeclarations": [declared]}],
    }
    assert read(**alone) == read(**listed)
    hi = {"parts": {"text": "hi"}}
    assert read(contents=hi) == read(contents=[{"parts": [{"text": "hi"}]}])
    for body in ({"contents": hi}, {"generateContentRequest": {"contents": hi}}):
        assert read_count_request(json.dumps(body).encode(), FREE, "m") == read(contents=hi)
    with pytest.raises(InvalidRequest) as caught:
        read(contents={"parts": {"text": 5}})
    assert caught.value.param == "contents[0].parts[0].text"


def test_gemini_is_asked_nothing_else():
    assert through(**WHOLE).keys() == WHOLE.keys()
    assert through() == {"contents": HI}


@pytest.mark.parametrize(("asked", "wanted"), [
    ({"responseMimeType": "application/json", "responseJsonSchema": READ}, None),
    ({"responseMimeType": "application/json"}, None),
    ({"responseMimeType": "application/json", "responseSchema": ASKED},
     {"responseMimeType": "application/json", "responseJsonSchema": READ}),
    ({"thinkingConfig": {"thinkingBudget": -1}}, None),
    ({"thinkingConfig": {"includeThoughts": True}}, None),
    ({"thinkingConfig": {"thinkingBudget": 0}}, None),
])  # fmt: skip
def test_gemini_is_asked_for_the_same_form(asked: JSON, wanted: JSON | None):
    assert through(generationConfig=asked)["generationConfig"] == (wanted or asked)


def test_a_level_reaches_the_third_generation_as_it_was():
    for level in ("low", "medium", "high"):
        asked = config(thinkingConfig={"thinkingLevel": level.upper(), "includeThoughts": True})
        written = gemini_request.write_request(asked, target("gemini", "gemini-3.8-flash"), 8_000)
        assert written["generationConfig"]["thinkingConfig"] == {"thinkingLevel": level, "includeThoughts": True}


def test_a_mode_that_has_no_word_reaches_gemini():
    calling = {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert through(tools=F, toolConfig=calling)["toolConfig"] == calling


def test_snake_case_asks_the_same():
    def snake(value: Any) -> Any:
        if isinstance(value, list):
            return [snake(item) for item in value]
        if not isinstance(value, dict):
            return value
        free = ("args", "response", "parametersJsonSchema", "responseJsonSchema")
        name = {k: "".join("_" + c.lower() if c.isupper() else c for c in k) for k in value}
        return {name[k]: child if k in free else snake(child) for k, child in value.items()}

    assert snake(WHOLE)["system_instruction"] and read(**snake(WHOLE)) == read(**WHOLE)


def test_other_vendors_are_asked_in_their_words():
    fields = {**WHOLE, "contents": TALK[1:], "tools": WHOLE["tools"][2:], "generationConfig": {"topK": 5}}
    rows = openai_like_request.write_request(read(**fields), target("openai_like", "o"), 100)["messages"]
    assert [row["role"] for row in rows] == ["system", "assistant", "tool", "tool", "tool", "user"]
    assert [call["id"] for call in rows[1]["tool_calls"]] == ["1", "2", "3"]
    assert [row.get("tool_call_id") for row in rows[2:5]] == ["2", "1", "3"]
    turns = anthropic_request.write_request(read(**fields), target("anthropic", "a"), 100)["messages"]
    assert [block["type"] for block in turns[-1]["content"]] == [*["tool_result"] * 3, "text"]
    assert [block.get("is_error") for block in turns[-1]["content"][:3]] == [None, True, None]


READ_AT_ONCE = """
import json, threading
from thermly.dialects import Bounds, gemini
talk = [{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}, {"parts": [{"text": "a"}]}]
body = json.dumps({"contents": talk, "generationConfig": {"thinkingConfig": {"thinkingBudget": 1}}}).encode()
text = json.dumps({"requests": [{"content": {"parts": [{"text": "a"}]}}]}).encode()
gate = threading.Barrier(16)
def run():
    gate.wait()
    for _ in range(200):
        gemini.read_request(body, Bounds(1), "m", False)
        gemini.read_batch_embed_request(text, "m")
threads = [threading.Thread(target=run) for _ in range(16)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
"""


def test_the_first_requests_may_come_at_once():
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", READ_AT_ONCE], timeout=60).returncode == 0


def test_a_long_name_is_not_written_once_for_each_thing_under_it():
    began = time.process_time()
    camel({"k" * 1_000_000: [{}] * 20_000})
    assert time.process_time() - began < 0.5
