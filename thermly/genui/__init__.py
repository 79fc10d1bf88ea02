"""Generative UI: answers that are components, in the format of Thesys C1. Pure: values and functions.

Must not know: Flask, SQL, sockets, providers, any dialect's reading. The order in which a story uses it:

    ids.parse, ids.resolve        the name -> the catalogue's model and the format of the answer
    parameters.apply, custom.read the body -> one that the chat dialect reads, and the caller's own components
    prompting.prepare             the request with instructions, and its history as plain text
    framing.Framer                the model's events -> events whose text is a content element
    prompting.repair              what was wrong -> the one request that mends it
"""
