import os

from waitress import serve


def answer(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello from a script\n"]


def main() -> None:
    serve(answer, host="0.0.0.0", port=int(os.environ.get("PORT", "8080")))
