"""A FastAPI app without a word of telemetry: FastAPI itself sends it, as the environment says."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/cart/{id}")
async def cart(id: int) -> dict[str, int]:
    if id == 13:
        raise ValueError("no such cart")
    return {"id": id}
