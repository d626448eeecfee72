import psycopg2


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"hello from libpq {psycopg2.extensions.libpq_version()}\n".encode()]
