"""A stub of the Hub's API on loopback: repositories in a dict, every request written down."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Stub:
    """Repositories by name; each revision of one is a dict, file -> bytes."""

    def __init__(self):
        self.repos, self.private, self.asked = {}, {}, []
        self.refuse = None  # a status for every request

    def commit(self, repo):
        files = self.repos[repo]
        text = json.dumps({k: hashlib.sha256(v).hexdigest() for k, v in sorted(files.items())})
        return hashlib.sha1(text.encode()).hexdigest()


def handler(stub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, value, status=200, headers=()):
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for key, word in headers:
                self.send_header(key, word)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def body(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline().strip(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def missing(self, what):
            self.answer({"error": what}, 404, [("X-Error-Code", what)])

        def do_POST(self):
            path, content = unquote(urlsplit(self.path).path), self.body()
            stub.asked.append(("POST", path))
            if stub.refuse:
                return self.answer({"error": "no"}, stub.refuse)
            if path == "/api/repos/create":
                told = json.loads(content)
                name = f"{told['organization']}/{told['name']}" if told.get("organization") else told["name"]
                old = "private" if told.get("private") else "public"  # before there were three kinds
                stub.private.setdefault(name, told.get("visibility") or old)
                stub.repos.setdefault(name, {})
                return self.answer({"url": f"http://{self.headers['Host']}/{name}"})
            if path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            repo, what = path.removeprefix("/api/models/").rsplit("/", 2)[:2]
            files = stub.repos[repo]
            if what == "preupload":
                modes = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for f in json.loads(content)["files"]
                ]
                return self.answer({"files": modes})
            assert what == "commit", path
            for line in content.splitlines():
                told = json.loads(line)
                if told["key"] == "file":
                    files[told["value"]["path"]] = base64.b64decode(told["value"]["content"])
                elif told["key"] == "deletedFile":
                    del files[told["value"]["path"]]
            oid = stub.commit(repo)
            host = self.headers["Host"]
            return self.answer({"commitUrl": f"http://{host}/{repo}/commit/{oid}", "commitOid": oid})

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            stub.asked.append((self.command, path))
            if stub.refuse:
                return self.answer({"error": "no"}, stub.refuse)
            if path.startswith("/api/models/"):
                words = path.removeprefix("/api/models/").split("/")
                repo, rest = "/".join(words[:2]), words[2:]
                if repo not in stub.repos:
                    return self.missing("RepoNotFound")
                files = stub.repos[repo]
                if rest[:1] == ["tree"]:
                    tree = [
                        {"type": "file", "path": k, "size": len(v), "oid": hashlib.sha1(v).hexdigest()}
                        for k, v in files.items()
                    ]
                    return self.answer(tree)
                if rest[:1] == ["revision"] and rest[1] not in ("main", stub.commit(repo)):
                    return self.missing("RevisionNotFound")
                siblings = [{"rfilename": name} for name in files]
                told = {"id": repo, "sha": stub.commit(repo), "siblings": siblings, "private": False}
                return self.answer({**told, "tags": [], "downloads": 0, "likes": 0})
            words = path.strip("/").split("/")
            repo, name = "/".join(words[:2]), "/".join(words[4:])
            content = stub.repos.get(repo, {}).get(name)
            if content is None:
                return self.missing("EntryNotFound")
            etag = hashlib.sha1(content).hexdigest()
            return self.answer(content, headers=[("ETag", f'"{etag}"'), ("X-Repo-Commit", stub.commit(repo))])

        do_HEAD = do_GET

    return Handler


@contextmanager
def hub(monkeypatch, cache):
    """Serve a stub, and point huggingface_hub to it and to an empty cache."""
    from huggingface_hub import constants

    stub = Stub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(stub))
    stub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    template = stub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", stub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("HF_TOKEN", "stub")
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
