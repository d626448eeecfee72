from fastapi import FastAPI

from shop import settings


def create_app() -> FastAPI:
    app = FastAPI(title="shop")

    @app.get("/")
    def index() -> dict[str, str]:
        return {"message": settings.GREETING}

    return app


app = create_app()
