"""Further pages, by the Link header."""

from typing import Any
from urllib.parse import quote, urlencode

from litestar import Request


def link_to_next(request: Request[Any, Any, Any], before: int | None) -> dict[str, str]:
    """The header that has the address of the next page, the same question from `before` on."""
    if before is None:
        return {}
    query = {**request.query_params.dict(), "before": before}
    path = request.scope["path"]
    root_path = request.scope.get("root_path", "")
    if not path.startswith(f"{root_path}/"):
        path = root_path + path
    return {"Link": f'<{quote(path)}?{urlencode(query, doseq=True)}>; rel="next"'}
