"""The API edge: surfaces, callers, limits, respond. Must not know: SQL text, prices, vendor fields."""
