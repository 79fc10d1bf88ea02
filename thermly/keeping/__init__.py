"""What outlives an exchange: cached answers, conversations, transcripts, image files, the grounds of a choice.

Must not know: SQL text, any wire, who answers.
"""
