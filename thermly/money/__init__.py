"""Holds and how they end, redeem codes, cards, receipts. Must not know: which model, events, pages."""
