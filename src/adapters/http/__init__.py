"""HTTP in and out: the middleware for any ASGI app, and opsboard's own routes on Litestar."""
