#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model server that answers as each preset expects, and lies on demand.

usage: model-server.py [--unix PATH] [--tls CERT KEY CA] [--port N]

Prints its port. The path chooses the API, the query the lie: ?lie=duplicate,
with &times=N only for the first N requests of that very URL. A text T becomes
the vector [length of T, 0.5, 1]. GET /stats tells requests, connections open
at most and the last request's headers.
"""
import argparse
import asyncio
import json
import random
import ssl
import struct
import sys
from email.parser import BytesParser
from urllib.parse import parse_qs, urlsplit

stats = {"requests": 0, "open": 0, "open_max": 0, "headers": {}, "body": ""}
uses = {}


def vector(text):
    return [len(text), 0.5, 1]


class Lie(Exception):
    """Ends the connection."""


class Reply(Exception):
    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.headers = status, dict(headers)
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def bend(items, lie, key=None):
    """The results with the lie put in."""
    items = list(items)
    if lie == "count":
        items = items[:-1]
    elif lie == "extra":
        items.append(items[-1])
    elif lie == "shuffled":
        random.shuffle(items)
    elif lie in ("duplicate", "range", "mixed") and key:
        if lie == "duplicate":
            items[-1] = dict(items[-1], **{key: 0})
        elif lie == "range":
            items[-1] = dict(items[-1], **{key: len(items)})
        else:
            items[-1] = {k: v for k, v in items[-1].items() if k != key}
    return items


def bend_vectors(vectors, lie):
    vectors = [list(v) for v in vectors]
    if lie == "null":
        vectors[-1] = [None] * len(vectors[-1])
    elif lie == "nan":
        vectors[-1][0] = float("nan")
    elif lie == "short":
        vectors[-1] = vectors[-1][:-1]
    elif lie == "allnull":
        vectors = [[None] * len(v) for v in vectors]
    return vectors


def refuse(texts, lie):
    """Statuses that one of the texts, or the lie alone, brings about."""
    has_long = any("LONG" in str(t) for t in texts)
    if lie == "413long" and has_long:
        raise Reply(413, {"error": "one text is too long"})
    if lie == "500long" and has_long:
        raise Reply(500, {"error": "the input is too long"})
    if lie == "400bad" and any("BAD" in str(t) for t in texts):
        raise Reply(400, {"error": {"message": "a text is bad", "code": "bad"}})
    if lie == "kill" and any("KILL" in str(t) for t in texts):
        raise Lie()
    if lie == "quota":
        raise Reply(429, {"error": {"message": "you are out of money",
                                    "code": "insufficient_quota"}})
    if lie == "error200":
        raise Reply(200, {"error": {"message": "the backend is away"}})
    if lie.isdigit():
        raise Reply(int(lie), {"error": "refused"}, {"Retry-After": "1"})
    if lie == "redirect":
        raise Reply(302, {}, {"Location": "/elsewhere"})


def v2(request, body, lie):
    head_len = int(request["headers"].get("inference-header-content-length", 0))
    head = json.loads(body[:head_len] if head_len else body)
    first = head["inputs"][0]
    n = first["shape"][0]
    is_text = first["datatype"] == "BYTES"
    if head_len:
        data, at, rows = body[head_len:], 0, []
        if is_text:
            while at < len(data):
                size = struct.unpack_from("<I", data, at)[0]
                rows.append(data[at + 4:at + 4 + size])
                at += 4 + size
        else:
            width = len(data) // n
            rows = [data[i * width:(i + 1) * width] for i in range(n)]
        if is_text:
            out = b"".join(struct.pack("<I", len(r) + 3) + b"re:" + r for r in rows)
        else:
            out = b"".join(rows)
        size = [] if is_text else [len(rows[0]) // 4]
        reply = json.dumps({"model_name": "m", "outputs": [{
            "name": "y", "datatype": first["datatype"], "shape": [n] + size,
            "parameters": {"binary_data_size": len(out)}}]}).encode()
        raise Reply(200, reply + out, {"Inference-Header-Content-Length": len(reply)})
    flat = first["data"]
    if len(head["inputs"]) > 1:
        columns = [t["data"] for t in head["inputs"]]
        out, shape = [sum(c[i] for c in columns) for i in range(n)], [n, 1]
    elif is_text:
        out, shape = ["re:" + t for t in flat], [n]
    else:
        out = [x * 2 for row in flat for x in row]
        shape = [n, len(out) // n]
    if lie == "count":
        shape[0] -= 1
    return {"model_name": "m", "outputs": [{"name": "y", "datatype": first["datatype"],
                                            "shape": shape, "data": out}]}


def multipart(request, body):
    kind = request["headers"]["content-type"].encode()
    parsed = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    parts = [part.get_payload(decode=True) for part in parsed.get_payload()]
    out = b"".join(b"--xyz\r\nContent-Type: text/plain\r\n\r\nre:" + p + b"\r\n" for p in parts)
    raise Reply(200, out + b"--xyz--\r\n", {"Content-Type": "multipart/mixed; boundary=xyz"})


def answer(request, body):
    path, query = request["path"], request["query"]
    lie = request["lie"]
    if path == "/stats":
        return {k: v for k, v in stats.items()}
    if path == "/health" or path == "/v2/health/ready":
        refuse([], lie)
        return {}
    if path == "/info":
        return {"max_client_batch_size": 8, "max_input_length": 512}
    if path == "/v2/models/m":
        return {"name": "m", "inputs": [{"name": "x", "datatype": query.get("type", ["FP32"])[0],
                                         "shape": [-1, 2]}],
                "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]}
    if path == "/v2/models/m/config":
        return {"name": "m", "max_batch_size": 16}
    if path == "/token":
        if request["headers"].get("authorization") != "Bearer fresh-token":
            raise Reply(401, {"error": "the token Bearer %s is wrong" %
                              request["headers"].get("authorization")})
        path = "/array"
    if path == "/raw":
        refuse([body], lie)
        raise Reply(200, b"re:" + body, {"Content-Type": "application/octet-stream"})
    if path == "/multipart":
        multipart(request, body)
    if path == "/v2/models/m/infer":
        return v2(request, body, lie)
    if path == "/ndjson":
        lines = [json.loads(x) for x in body.splitlines()]
        out = [{"id": x["id"], "value": {"got": x["value"]}} for x in lines]
        for x, line in zip(out, lines):
            if line["value"] == "no":
                del x["value"]
                x["error"] = {"message": "said no", "retryable": False}
            if line["value"] == "later":
                del x["value"]
                x["error"] = {"message": "later", "retryable": True}
        refuse([x["value"] for x in lines], lie)
        random.shuffle(out)
        raise Reply(200, b"".join(json.dumps(x).encode() + b"\n" for x in bend(out, lie, "id")),
                    {"Content-Type": "application/x-ndjson"})
    sent = json.loads(body)
    if path == "/array":
        texts = sent if isinstance(sent, list) else list(zip(*sent.values()))
        refuse(texts, lie)
        out = [{"got": x} for x in texts]
        for i, x in enumerate(texts):
            if x == "no":
                out[i] = {"error": {"message": "said no", "retryable": False}}
        return bend(out, lie)
    if path == "/v1/embeddings":
        refuse(sent["input"], lie)
        if "" in sent["input"]:
            raise Reply(400, {"error": {"message": "empty input"}})
        vectors = bend_vectors(map(vector, sent["input"]), lie)
        if sent.get("encoding_format") == "base64":
            import base64
            vectors = [base64.b64encode(struct.pack("<3f", *v)).decode() for v in vectors]
        items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        return {"object": "list", "data": bend(items, lie, "index"), "usage": {"total_tokens": 1}}
    if path.startswith("/v1/chat/completions"):
        is_batch = path.endswith("/batch")
        talks = sent["messages"] if is_batch else [sent["messages"]]
        choices = []
        for i, talk in enumerate(talks):
            text = talk[0]["content"]
            choice = {"index": i, "message": {"content": "re:" + text}, "finish_reason": "stop"}
            if "NOTHING" in text:
                choice["message"]["content"] = None
            if "CUT" in text:
                choice["finish_reason"] = "length"
            choices.append(choice)
        refuse([t[0]["content"] for t in talks], lie)
        return {"choices": bend(choices, lie, "index")}
    if path == "/classify":
        return {"data": bend([{"index": i, "label": t[:1]} for i, t in enumerate(sent["input"])],
                             lie, "index")}
    if path == "/score":
        pairs = list(zip(sent["text_1"], sent["text_2"]))
        return {"data": bend([{"index": i, "score": len(a) + len(b) / 10}
                              for i, (a, b) in enumerate(pairs)], lie, "index")}
    if path == "/api/embed":
        assert sent["truncate"] is False
        return {"model": "m", "embeddings": bend(bend_vectors(map(vector, sent["input"]), lie), lie)}
    if path == "/embed":
        refuse(sent["inputs"], lie)
        return bend(bend_vectors(map(vector, sent["inputs"]), lie), lie)
    if path == "/predict":
        return [[{"label": t[0][:1], "score": 0.5}] for t in sent["inputs"]]
    if path == "/v2/embed":
        return {"embeddings": {"float": bend(map(vector, sent["texts"]), lie)}}
    if path == "/v1/models/m:predict":
        if "inputs" in sent:
            return {"outputs": [sum(row) for row in zip(*sent["inputs"].values())]}
        out = [{"s": sum(x) if isinstance(x, list) else x} for x in sent["instances"]]
        if lie == "nan":
            out[-1] = float("nan")
        return {"predictions": bend(out, lie)}
    if path == "/invocations":
        frame = sent["dataframe_split"]
        return {"predictions": [dict(zip(frame["columns"], row)) for row in frame["data"]]}
    raise Reply(404, {"error": "no such path"})


async def read_request(reader):
    line = await reader.readline()
    if not line:
        return None, None
    _, target, _ = line.decode().split()
    headers = {}
    while True:
        line = (await reader.readline()).decode().strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    lie = query.get("lie", [""])[0]
    uses[target] = uses.get(target, 0) + 1
    if "times" in query and uses[target] > int(query["times"][0]):
        lie = ""
    return {"path": parts.path, "query": query, "headers": headers, "lie": lie}, body


def encode(reply, lie):
    body = reply.body
    if lie == "truncated":
        body = body[:len(body) // 2]
    if lie == "garbage":
        body = reply.body = b"<html>no</html>"
    if lie == "big":
        body = reply.body = b"[" + b" " * 2000000 + b"]"
    headers = {"Content-Type": "application/json", "Content-Length": len(reply.body)}
    headers.update(reply.headers)
    head = "HTTP/1.1 %d X\r\n" % reply.status
    head += "".join("%s: %s\r\n" % pair for pair in headers.items())
    return head.encode() + b"\r\n" + body


async def serve(reader, writer):
    stats["open"] += 1
    stats["open_max"] = max(stats["open_max"], stats["open"])
    n_here = 0
    try:
        while True:
            request, body = await read_request(reader)
            if not request:
                break
            lie = request["lie"]
            n_here += 1
            if lie == "race" and n_here > 1:
                break
            if lie == "reset":
                writer.transport.abort()
                break
            if lie == "slow":
                await asyncio.sleep(30)
            if request["path"] != "/stats":
                stats["requests"] += 1
                stats["headers"] = request["headers"]
                stats["body"] = body.decode("latin-1")
            try:
                reply = Reply(200, answer(request, body))
            except Reply as made:
                reply = made
            except (KeyError, ValueError, TypeError, AssertionError) as error:
                reply = Reply(400, {"error": "cannot read: %r" % error})
            writer.write(encode(reply, lie))
            await writer.drain()
            if lie == "truncated":
                break
    except (Lie, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        stats["open"] -= 1
        writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--unix")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=3, metavar=("CERT", "KEY", "CA"))
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.tls[2])
        context.load_cert_chain(options.tls[0], options.tls[1])
        context.verify_mode = ssl.CERT_REQUIRED
    if options.unix:
        server = await asyncio.start_unix_server(serve, options.unix)
        print(0, flush=True)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", options.port, ssl=context)
        print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
