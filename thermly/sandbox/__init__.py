"""The sandbox: an offline upstream that speaks the vendors' own wire formats.

It stands where OpenAI, Anthropic, Google or DeepSeek would stand, so that the real provider adapters
have something to call on a first run, in tests and in demos. It is a stranger to the gateway: it
imports nothing from the rest of Thermly, and only the standard library.
"""
