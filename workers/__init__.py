"""Shallow jobs: load by id, call one domain function. The workers run them; nothing else imports them."""
