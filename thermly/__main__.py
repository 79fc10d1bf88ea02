"""`python -m thermly` is `thermly`."""

from thermly.cli import main

main()
