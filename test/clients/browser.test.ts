import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { capture } from "../../src/host/process.ts";
import type { Json } from "../helpers/surfaces.ts";
import { Workbench } from "../helpers/workbench.ts";
import { describeWithBrowser } from "./requirements.ts";

/** It loads until what it has heard is on it, and then is complete. */
const page = `<!DOCTYPE html><title>shop</title><p id="fetched"></p><p id="echoed"></p><script>
fetch("/data").then((response) => response.text()).then((text) => {
  fetched.textContent = text;
  const socket = new WebSocket("ws://" + location.host + "/socket");
  socket.onopen = () => socket.send("over a socket, to " + location.hostname);
  socket.onmessage = ({ data }) => {
    echoed.textContent = data;
    fetch("/seen");
  };
});
</script><img src="/when-seen">`;

/** A server for development: pages, and a WebSocket that echoes (RFC 6455, short texts alone) */
const server = `
import base64, hashlib, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
page = open("index.html", "rb").read()
seen = threading.Event()
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/socket": return self.echo()
        if self.path == "/seen": seen.set()
        if self.path == "/when-seen": seen.wait(60)
        body = {"/": page, "/data": b"over http"}.get(self.path, b"")
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def echo(self):
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        size = self.rfile.read(2)[1] & 127
        mask = self.rfile.read(4)
        text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(size)))
        self.wfile.write(bytes([0x81, size]) + text)
        self.wfile.flush()
        seen.wait(60)
        self.close_connection = True
listener = ThreadingHTTPServer(("127.0.0.1", 3000), Handler)
print("listening", flush=True)
listener.serve_forever()
`;

describeWithBrowser("a browser of this host, at a published port of a guest without a way out", () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.create();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  test("shows a page, and what it hears over a WebSocket", async () => {
    const workspaceId = await bench.create({ name: "shop", networkPolicy: "published-ports" });
    const call = (operation: string, input: object): Promise<Json> =>
      bench.sdk.call(`workspace.${operation}`, { workspaceId, ...input });
    await call("file.write", { path: "index.html", text: page });
    await call("file.write", { path: "serve.py", text: server });
    await bench.sh(workspaceId, "python3 serve.py > out 2>&1 & until grep -q listening out; do sleep 0.1; done");
    const { url } = await call("port.publish", { port: "3000" });
    const profile = bench.hostPath("profile");
    const options = ["--no-sandbox", `--user-data-dir=${profile}`, "--timeout=60000", "--dump-dom"];
    const { stdout, stderr } = await capture([inject("clientPaths").browser, ...options, url], { timeoutMs: 100_000 });
    expect(stdout, stderr).toContain('<p id="fetched">over http</p>');
    const { hostname } = new URL(url);
    expect(hostname).toMatch(/^shop-.*\.localhost$/);
    expect(stdout, stderr).toContain(`<p id="echoed">over a socket, to ${hostname}</p>`);
  });
});
