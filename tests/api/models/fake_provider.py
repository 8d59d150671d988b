"""A provider of files, batches, audio and images."""

import asyncio
import threading

from aiohttp import web

KEY = "sk-fake-0123456789abcdef"
SOUND = b"RIFF\x00\x01" + bytes(range(256)) * 40
PICTURE = {"created": 1, "data": [{"b64_json": "A" * 300_000}]}
WRITTEN = {"total_tokens": 60, "input_tokens": 10, "output_tokens": 50}
HEARD = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}


class FakeProvider:
    """Keeps files, and answers the rest as the provider's reference shows it."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.files: dict[str, bytes] = {}
        self.left = threading.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        named = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, request.path_qs, named, body))
        path = request.path.removeprefix("/v1")
        if path.startswith("/files"):
            return await self._files(request, path, body)
        if path == "/images/generations":
            return web.json_response(PICTURE | {"usage": WRITTEN})
        if path == "/images/edits":
            details = {"image_tokens": 4, "text_tokens": 6}
            return web.json_response(
                PICTURE | {"usage": WRITTEN | {"input_tokens_details": details}}
            )
        if path == "/audio/transcriptions":
            details = {"text_tokens": 0, "audio_tokens": 14}
            return web.json_response(
                {"text": "Hi", "usage": HEARD | {"input_token_details": details}}
            )
        if path == "/audio/speech":
            return web.Response(body=SOUND, content_type="audio/wav")
        if path == "/batches/silent":
            response = web.StreamResponse(status=500)
            await response.prepare(request)
            await asyncio.sleep(30)
        if path == "/batches/page":
            return web.Response(text="<script>1</script>", content_type="text/html")
        if path == "/batches/slow":
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                for _ in range(600):
                    await response.write(b" " * 1000)
                    await asyncio.sleep(0.05)
            except (ConnectionError, asyncio.CancelledError):
                self.left.set()
                raise
            return response
        if path.startswith("/batches"):
            return web.json_response({"id": "batch_1", "object": "batch", "status": "validating"})
        said = {"error": {"message": f"no such thing; your key is {KEY}", "code": "nope"}}
        return web.json_response(said, status=404)

    async def _files(self, request: web.Request, path: str, body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            self.files["file-1"] = body
        if path.endswith("/content"):
            return web.Response(body=self.files["file-1"], content_type="application/octet-stream")
        one = {"id": "file-1", "object": "file", "bytes": len(body), "filename": "b.jsonl"}
        one |= {"purpose": "batch", "created_at": 1, "status": "processed", "deleted": True}
        if request.method == "GET" and path == "/files":
            return web.json_response({"object": "list", "data": [one], "has_more": False})
        return web.json_response(one)
