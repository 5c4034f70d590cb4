"""A page that shows how far a task is, through a backend of one's own: the browser never holds a token.

    pip install aiohttp
    CARILLON_URL=http://127.0.0.1:8674 CARILLON_TOKEN=crl_… TASK=app.tasks.render python backend.py

The token is made by `carillon token add render-page --role nobody --results`: it sends tasks, and knows of those it sent.
"""

import os

import aiohttp
from aiohttp import web

CARILLON, TOKEN = os.environ["CARILLON_URL"], os.environ["CARILLON_TOKEN"]
TASK, ARGS = os.environ["TASK"], [int(os.environ.get("STEPS", "20"))]
PAGE = """<!doctype html><meta charset="utf-8"><title>Progress</title>
<button id="start">Start</button> <progress id="bar" max="100" value="0"></progress> <output id="words"></output>
<script>
  start.onclick = async () => {
    const { id } = await (await fetch("/jobs", { method: "POST" })).json();
    follow(id);
  };
  function follow(id) {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/jobs/${id}`);
    socket.onmessage = (event) => {
      const { type, data } = JSON.parse(event.data);
      bar.value = data.progress ?? 0;
      words.value = type === "complete" ? `${data.state}: ${JSON.stringify(data.result ?? data.error)}` : data.status;
    };
    socket.onclose = (event) => { if (event.code !== 1000) setTimeout(follow, 1000, id); };
  }
</script>"""


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def start(request: web.Request) -> web.Response:
    async with request.app["carillon"].post(f"/api/tasks/{TASK}", json={"args": ARGS}) as answer:
        body = await answer.json(content_type=None)
        return web.json_response({"id": body.get("task_id"), "hint": body.get("hint")}, status=answer.status)


async def follow(request: web.Request) -> web.WebSocketResponse:
    """Hand each frame on. Here an application asks whether this user may see this job."""
    browser = web.WebSocketResponse(heartbeat=20)
    await browser.prepare(request)
    async with request.app["carillon"].ws_connect(f"/api/ws/tasks/{request.match_info['id']}") as daemon:
        async for frame in daemon:
            await browser.send_str(frame.data)
        await browser.close(code=daemon.close_code or 1012)
    return browser


async def to_carillon(app: web.Application):
    async with aiohttp.ClientSession(CARILLON, headers={"Authorization": f"Bearer {TOKEN}"}) as app["carillon"]:
        yield


def main() -> None:
    app = web.Application()
    app.cleanup_ctx.append(to_carillon)
    app.add_routes([web.get("/", page), web.post("/jobs", start), web.get("/jobs/{id}", follow)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))


if __name__ == "__main__":
    main()
