"""What is told to those who did not ask just now, and how it gets there. Must not know: Flask, RQ."""
