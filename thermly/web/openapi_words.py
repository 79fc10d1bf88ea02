"""What the document says of fields, statuses and errors, in a sentence each.

Knows: words. Must not know: types and bounds, which the schemas tell by themselves.
"""

Said = str | tuple[str, str | int | float | bool]
"""A sentence, or a sentence and the default."""

MESSAGE: dict[str, Said] = {
    "model": "`auto`, `fast`, `balanced`, `best`, or a model's name from `/v1/models`.",
    "messages": "The conversation so far, oldest first.",
    "max_tokens": "The most tokens that the answer may have, thoughts included.",
    "system": "What the model should know and keep to throughout, as a text or as blocks of text.",
    "stop_sequences": "Texts before which the answer ends.",
    "temperature": "Lower is more focused, higher more varied. Anthropic's own default is 1.",
    "top_p": "Only the likeliest tokens that together have this probability. Change this or `temperature`.",
    "top_k": "Only so many of the likeliest tokens. For Claude models only.",
    "tools": "Functions: `name`, `description`, `input_schema` of each. Claude models have tools of their own too.",
    "tool_choice": "Whether tools may or must be called, or which of them.",
    "thinking": "Whether and how much the model thinks before it answers.",
    "output_config": "How much effort to take, and the form of the answer.",
    "output_format": "The older form of `output_config.format`.",
    "service_tier": ("Anthropic's latency tier.", "auto"),
    "metadata": "Stands for your end user.",
    "inference_geo": "Only `global` is served.",
    "stream": ("Send the answer as server-sent events while it is made.", False),
}
"""The fields of a message's body, which may be counted too."""

ITEMS = (
    "items: `message`, `function_call`, `function_call_output`, `reasoning`, `item_reference`. "
    "A message is also one without its `type`."
)
LABELS = "Up to 16 labels."
NOT_SERVED = "Not served here: leave it out."
PASSED_OVER = "Accepted for compatibility."
GENERATED_MODEL = "`c1/{provider}/{model}/v-YYYYMMDD`, from `/models`; the version tells the form of the interface."

FIELDS: dict[str, dict[str, Said]] = {
    "ChatBody": {
        "model": "`auto`, `fast`, `balanced`, `best`, or a model's name from `/models`.",
        "messages": "The conversation so far, oldest first.",
        "store": ("Let OpenAI keep the completion for its dashboard.", False),
        "metadata": "Labels for OpenAI's dashboard, with `store`.",
        "frequency_penalty": ("Above 0, words become less likely the more often they were said.", 0),
        "presence_penalty": ("Above 0, words that were said at all become less likely.", 0),
        "logit_bias": "How much more or less likely tokens become, by token number; ±100 forces or bans one.",
        "logprobs": ("Tell the log probability of each token of the answer.", False),
        "top_logprobs": "So many likeliest tokens at each place; needs `logprobs`.",
        "max_tokens": "The older name of `max_completion_tokens`.",
        "max_completion_tokens": "The most tokens that the answer may have, reasoning included.",
        "n": ("How many answers to give; each is paid.", 1),
        "modalities": "What the answer consists of; `audio` needs the parameter `audio`.",
        "audio": "Voice and format of a spoken answer.",
        "prediction": "Text that the answer will mostly repeat, which makes it faster where a model can use it.",
        "response_format": "Plain text, some JSON object, or JSON that matches a schema.",
        "seed": "The same seed and request give the same answer where the model can promise it.",
        "service_tier": ("OpenAI's latency tier.", "auto"),
        "stop": "Up to four texts before which the answer ends.",
        "stream": ("Send the answer as server-sent events while it is made.", False),
        "stream_options": "Only with `stream`.",
        "temperature": "Lower is more focused, higher more varied. OpenAI's own default is 1.",
        "top_p": "Only the likeliest tokens that together have this probability. Change this or `temperature`.",
        "tools": "Functions that the model may call.",
        "tool_choice": "Whether tools may or must be called, or which of them.",
        "parallel_tool_calls": ("Allow several tool calls in one answer.", True),
        "functions": "The older form of `tools`.",
        "function_call": "The older form of `tool_choice`.",
        "reasoning_effort": "How much a reasoning model thinks before it answers.",
        "verbosity": "How long the answer should be, where a model knows this.",
        "web_search_options": "Let a search model look things up; `{}` is enough.",
        "prompt_cache_key": "Helps OpenAI find its cache of a prompt's beginning.",
        "safety_identifier": "Stands for your end user in OpenAI's abuse reports.",
        "user": "Stands for your end user.",
    },
    "ChatStreamOptions": {
        "include_usage": ("Tell the usage in one more chunk before the end.", False),
        "include_obfuscation": "Accepted for compatibility.",
    },
    "ChatImageUrl": {
        "url": "An http(s) address, or the image itself as a base64 data URL.",
        "detail": ("How closely to look.", "auto"),
    },
    "ChatInputAudio": {"data": "The sound in base64."},
    "ChatFileFacts": {
        "file_data": "The file as a base64 data URL, or a PDF in base64.",
        "file_id": "Not served here: send the file itself.",
        "filename": "The file's name.",
    },
    "ChatFunctionBody": {
        "name": "Letters, digits, `_` and `-`.",
        "description": "When to call it and what it does; the model reads this.",
        "parameters": "Its arguments as a JSON schema.",
        "strict": ("Let the arguments match the schema exactly.", False),
    },
    "ChatJsonSchema": {
        "name": "Letters, digits, `_` and `-`.",
        "schema": "The JSON schema of the answer.",
        "strict": ("Let the answer match the schema exactly.", False),
    },
    "ChatToolMessage": {"tool_call_id": "The call that this is the result of."},
    "EmbeddingBody": {
        "model": "An embedding model's name from `/models`.",
        "input": "A text, texts, a text as token numbers, or several of those.",
        "encoding_format": ("`base64` is a third of the size of numbers.", "float"),
        "dimensions": "The length of the vectors, for models that can shorten them.",
        "user": "Stands for your end user.",
    },
    "FeedbackBody": {
        "response_id": "The `id` of any answer, or what `x-request-id` said.",
        "rating": "From 1 (useless) to 5 (just right); `good` is 5, `bad` is 1.",
        "comment": "Why, in words.",
    },
    "ImageBody": {
        "model": "An image model's name from `/models`.",
        "prompt": "What to draw.",
        "n": ("How many images to make; each is paid.", 1),
        "size": "`WIDTHxHEIGHT` in pixels, or `auto`; a model's sizes are in `/models`.",
        "quality": "A model's qualities are in `/models`.",
        "response_format": ("An address that lives for a while, or the image itself.", "url"),
        "user": "Stands for your end user.",
        "stream": "Images are not streamed: leave it out or say false.",
        "partial_images": "Images are not streamed: leave it out.",
        "style": "DALL·E 3: dramatic or natural.",
        "background": "GPT image models: whether the background is transparent.",
        "moderation": "GPT image models: how strict their filter is.",
        "output_format": "GPT image models: the file's format.",
        "output_compression": "GPT image models: percent, for `jpeg` and `webp`.",
    },
    "GeminiBody": {
        "contents": "The conversation so far, oldest first.",
        "systemInstruction": "What the model should know and keep to throughout.",
        "tools": "Functions that the model may call; Gemini models also have tools of their own.",
        "toolConfig": "Whether functions may or must be called, or which of them.",
        "safetySettings": "For Gemini models only.",
        "generationConfig": "How to answer.",
        "cachedContent": "Not served here: leave it out.",
        "labels": "Accepted for compatibility.",
        "model": "The path tells the model; what is said here does not count.",
        "serviceTier": ("Only the standard tier is served.", "STANDARD"),
        "store": "For Gemini models only.",
    },
    "GeminiConfig": {
        "temperature": "Lower is more focused, higher more varied.",
        "topP": "Only the likeliest tokens that together have this probability.",
        "candidateCount": ("How many answers to give; each is paid.", 1),
        "maxOutputTokens": "The most tokens that the answer may have, thoughts included.",
        "stopSequences": "Up to five texts before which the answer ends.",
        "responseMimeType": ("`application/json` for JSON, `text/x.enum` for a word of an enum.", "text/plain"),
        "responseSchema": "Gemini's schema of the answer, with a `responseMimeType`.",
        "responseJsonSchema": "The same as a JSON schema.",
        "presencePenalty": ("Above 0, words that were said at all become less likely.", 0),
        "frequencyPenalty": ("Above 0, words become less likely the more often they were said.", 0),
        "seed": "The same seed and request give the same answer where the model can promise it.",
        "responseLogprobs": ("Tell the log probability of each token of the answer.", False),
        "logprobs": "So many likeliest tokens at each place; needs `responseLogprobs`.",
        "thinkingConfig": "How much the model thinks before it answers, and whether it shows that.",
        "responseModalities": "What the answer consists of. Sound is not served here.",
    },
    "GeminiThinking": {
        "includeThoughts": ("Show the thoughts.", False),
        "thinkingBudget": "The most tokens of thoughts; -1: as many as the model thinks right.",
        "thinkingLevel": "`MINIMAL`, `LOW`, `MEDIUM`, `HIGH` or `XHIGH`, in place of a budget.",
    },
    "GeminiDeclaration": {
        "description": "When to call it and what it does; the model reads this.",
        "parameters": "Its arguments as Gemini's schema.",
        "parametersJsonSchema": "The same as a JSON schema.",
    },
    "GeminiCalling": {
        "mode": ("`ANY`: a function must be called.", "AUTO"),
        "allowedFunctionNames": "The functions among which to choose, with `ANY` or `VALIDATED`.",
    },
    "GeminiBlob": {"mimeType": "As in `image/png`.", "data": "In base64, of either alphabet."},
    "GeminiCountBody": {
        "contents": "A conversation by itself,",
        "generateContentRequest": "or a whole request. Give one of the two.",
    },
    "GeminiEmbedBody": {
        "content": "The text; several parts are put together.",
        "model": "The path tells the model; if it is said here, it must be the same.",
        "taskType": "What the vector is for. For Gemini models only.",
        "title": "The text's title. For Gemini models only.",
        "outputDimensionality": "The length of the vector, for models that can shorten it.",
    },
    "GeminiEmbedBatchBody": {"requests": "One for each text, up to 100."},
    "AnthropicBody": MESSAGE,
    "AnthropicCountBody": MESSAGE,
    "AnthropicMessage": {
        "content": "A text, or blocks: `text`, `image`, `document`, `tool_use`, `tool_result`, `thinking` and more."
    },
    "AnthropicToolChoice": {
        "name": "The tool, with the type `tool`.",
        "disable_parallel_tool_use": ("At most one call in an answer.", False),
    },
    "AnthropicThinkingConfig": {
        "type": "`enabled`, `adaptive` or `disabled`.",
        "budget_tokens": "The most tokens of thoughts; needed with `enabled`.",
    },
    "AnthropicMetadata": {"user_id": "An id that tells nothing about them."},
    "ResponsesBody": {
        "model": "`auto`, `fast`, `balanced`, `best`, or a model's name from `/models`.",
        "input": f"A text, or {ITEMS}",
        "instructions": "What the model should know and keep to, for this response only.",
        "previous_response_id": "The response to go on from, whichever model made it.",
        "conversation": "The conversation to go on with, which then has the input and the output too.",
        "store": ("Keep the response, so that it can be asked for and gone on from.", True),
        "background": ("Answer at once, and make the response afterwards.", False),
        "stream": ("Send the response as server-sent events while it is made.", False),
        "stream_options": "Only with `stream`.",
        "include": "What else to show: `reasoning.encrypted_content`, `message.output_text.logprobs`.",
        "tools": "Functions, each with `name`, `description` and `parameters`; or `web_search`.",
        "tool_choice": ("Whether functions may or must be called, or which of them.", "auto"),
        "parallel_tool_calls": ("Allow several calls in one response.", True),
        "max_tool_calls": "Has no effect on functions; refused with a search.",
        "text": "Plain text, some JSON object, or JSON that matches a schema; and how long it should be.",
        "reasoning": "How much a reasoning model thinks before it answers.",
        "max_output_tokens": "The most tokens that the answer may have, reasoning included.",
        "temperature": "Lower is more focused, higher more varied. OpenAI's own default is 1.",
        "top_p": "Only the likeliest tokens that together have this probability. Change this or `temperature`.",
        "presence_penalty": ("Above 0, words that were said at all become less likely.", 0),
        "frequency_penalty": ("Above 0, words become less likely the more often they were said.", 0),
        "top_logprobs": "So many likeliest tokens at each place.",
        "truncation": ("Input is never cut here.", "disabled"),
        "metadata": LABELS,
        "service_tier": ("OpenAI's latency tier.", "auto"),
        "prompt_cache_key": "Helps OpenAI find its cache of a prompt's beginning.",
        "prompt_cache_retention": "How long OpenAI keeps it.",
        "safety_identifier": "Stands for your end user in OpenAI's abuse reports.",
        "user": "Stands for your end user.",
        **dict.fromkeys(("prompt", "context_management", "moderation"), NOT_SERVED),
        **dict.fromkeys(("access_programs", "image", "prompt_cache_options", "client_metadata"), PASSED_OVER),
    },
    "ResponsesNewConversation": {"metadata": LABELS, "items": f"What was said before: {ITEMS}"},
    "ResponsesNewItems": {"items": ITEMS[0].upper() + ITEMS[1:]},
    "ResponsesUpdate": {"metadata": "The labels from now on."},
}

TYPES = {
    "ChatBody": "A conversation and how to answer it.",
    "EmbeddingBody": "What to turn into vectors.",
    "ImageBody": "What to draw.",
    "GeminiBody": "A conversation and how to answer it.",
    "GeminiCountBody": "What to count: one of the two.",
    "AnthropicBody": "A conversation and how to answer it.",
    "AnthropicCountBody": "A conversation, of which only what is read counts.",
    "ResponsesBody": "What to answer, and how.",
}
"""What types are, where the code has words of its own for those who write it."""

STATUSES = {
    200: "Done.",
    202: "Accepted: ask for the job until it is finished.",
    304: "Not changed since the ETag that was sent.",
    400: "The request breaks a rule; `param` names the field.",
    401: "The key is missing or wrong.",
    402: "The credit does not pay for this request.",
    403: "The account is disabled, or the key may not do this.",
    404: "There is no such model or thing for this key.",
    405: "The path exists, with another method.",
    413: "The body is too large.",
    422: "The body breaks a rule; `param` names the field.",
    429: "Too many requests within a minute; `Retry-After` says when to come back.",
    500: "A fault of the gateway.",
    502: "A provider broke off while it answered.",
    503: "No provider is able to answer just now; `Retry-After` says when to come back.",
}
"""An answer's description by its status, where an operation has no words of its own."""

REFUSED = "The provider's safety system refused what was asked."
"""In place of a status's own words, where nothing else leads to it."""

KINDS = {
    "internal": "Internal error.",
    "invalid_request": "Expected `int`, got `str` at 'n'.",
    "unsupported_content": "The model 'gpt-4' takes no images.",
    "content_refused": "The model's provider refused the request for its content.",
    "too_large": "The body is too large.",
    "unauthenticated": "Invalid API key provided.",
    "insufficient_funds": "The credit does not pay for this request.",
    "permission_denied": "API access is disabled for this account.",
    "not_found": "There is nothing at this path.",
    "unknown_model": "The model 'gpt-0' does not exist on this server.",
    "method_not_allowed": "GET is not allowed at this path.",
    "rate_limited": "Rate limit exceeded: 60 requests per minute for this API key. Try again in 12 s.",
    "upstream_failed": "The model's provider ended its answer early.",
    "unavailable": "No model is able to answer just now.",
    "shutting_down": "The gateway is shutting down.",
}
"""What an error of each kind may say."""

HEADERS = {
    "x-request-id": ("Names this request in logs; its number is the `id` of its row in the usage table.", "string"),
    "request-id": ("The same, where Anthropic's clients look for it.", "string"),
    "X-RateLimit-Limit-Requests": ("Requests a minute that this key may make; absent without a limit.", "integer"),
    "X-RateLimit-Remaining-Requests": ("How many of them are left.", "integer"),
    "X-RateLimit-Reset-Requests": ("When they are all there again, in seconds since 1970, UTC.", "integer"),
    "x-escalated-from": ("A whole answer to `auto`: the model that was asked before, and is paid too.", "string"),
    "x-escalated-because": ("What was visibly wrong with its answer.", "string"),
    "Retry-After": ("Seconds to wait.", "integer"),
    "WWW-Authenticate": ("How to say the key.", "string"),
    "Allow": ("The methods that the path has.", "string"),
    "Location": ("Where to ask for the job.", "string"),
    "Preference-Applied": ("`respond-async`.", "string"),
    "ETag": ("Stands for the image.", "string"),
    "Cache-Control": ("How long it may be kept.", "string"),
}

SCHEMES = {
    "x-api-key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "`x-api-key: sk-thermo-…`",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer sk-thermo-…`"},
    "x-goog-api-key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-goog-api-key",
        "description": "`x-goog-api-key: sk-thermo-…`",
    },
    "key": {
        "type": "apiKey",
        "in": "query",
        "name": "key",
        "description": "`?key=sk-thermo-…` in the address, where logs may keep it",
    },
}

SURFACES = {
    "v1": "OpenAI's API, with bounds of its own.",
    "messages": "Anthropic's API in front of any model, whoever made it.",
    "embed": "Thesys' C1 API: OpenAI's, with generated interfaces as answers.",
    "root": "Conversations at the root of the host, where clients of C1 look for them; the same as under `/v1`.",
    "api-v1": "OpenAI's API, with no bounds but the models' own.",
    "api-v1beta": "Gemini's API in front of any model, whoever made it.",
    "": "What needs no key.",
}

ABOUT = """\
A gateway in front of many models. Ask for `auto` and the cheapest model that can do the job answers, or ask for a
model by its name. Answers carry `x-request-id`; every error says what went wrong in `message`, and why for
programs in `code` or `type`. Requests are counted per key and minute."""
