"""Explicit SQL, one module per table group. Must not know: Flask, prices, vendor words.

Every function takes the transaction first. A change of money is one conditional statement.
"""
