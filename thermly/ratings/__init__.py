"""How good answers were: seen at once, told by callers, looked back at, and what the router learns of it.

Must not know: SQL text, how it is shown, whom to ask next.
"""
