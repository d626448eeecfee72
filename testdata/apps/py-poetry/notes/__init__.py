from quart import Quart


def create_app(config: dict | None = None) -> Quart:
    app = Quart(__name__)
    app.config.update(config or {})

    @app.get("/")
    async def index() -> str:
        return "hello from poetry\n"

    return app
