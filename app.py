"""For any WSGI server: `gunicorn app:app`, `waitress-serve app:app`."""

from thermly import create_app

app = create_app()
