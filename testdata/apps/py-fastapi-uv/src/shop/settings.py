import os

GREETING = os.environ.get("GREETING", "hello from fastapi")
