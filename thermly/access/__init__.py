"""How a person proves who it is, and what people and accounts may be called.

Must not know: cookies, pages, API keys.
"""
