"""Processes, sweeps and batches, whose turn it is, the doctor, the log. Must not know: dialects, pages."""
