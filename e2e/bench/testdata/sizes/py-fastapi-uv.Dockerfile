# build: python uv
FROM build
USER root
WORKDIR /app
COPY . .
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
RUN uv venv -q && uv pip install -q --no-cache -r pyproject.toml --compile-bytecode
CMD ["/app/.venv/bin/uvicorn", "main:app", "--host", "0.0.0.0"]
