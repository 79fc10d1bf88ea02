"""Which models are served now: as configured, as changed while serving, as their targets fail, as they are listed.

Must not know: the request being served, pages, dialects.
"""
