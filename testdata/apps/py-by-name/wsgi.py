import magic
import psycopg


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    kind = magic.from_buffer(b"%PDF-1.4", mime=True)
    return [f"found libpq {psycopg.pq.version()} and libmagic: {kind}\n".encode()]
