import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createMcpHandler } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { composeEngineContext } from "../../src/compose.ts";
import { capture } from "../../src/host/process.ts";
import { createServer } from "../../src/mcp/server.ts";
import { toolsetOf } from "../../src/operations/toolsets.ts";
import { TestCache } from "../helpers/cli.ts";
import { describeWithConformance } from "./requirements.ts";

/**
 * Of the suite's scenarios those that look at any server. The others call tools, prompts and
 * resources that only its own example server has (`test_simple_text`, `test://static-text`), or are
 * about what pyro does not offer: logging, completion, sampling, elicitation, resource
 * subscriptions, and HTTP itself (SSE polling, DNS rebinding), which is here for the suite only.
 */
const scenarios = ["server-initialize", "ping", "tools-list", "resources-list", "prompts-list"];

describeWithConformance("the MCP conformance suite", () => {
  let cache: TestCache;
  let server: Server;
  beforeAll(async () => {
    cache = await TestCache.create();
    const engine = composeEngineContext({ ...process.env, ...cache.env });
    const start = Promise.resolve({ kind: "none", reason: undefined } as const);
    const toolset = toolsetOf({ mode: "repro-fix" });
    server = await serveOverHttp(createMcpHandler(() => createServer({ engine, toolset, start }).server));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await cache[Symbol.asyncDispose]();
  });

  test.each(scenarios)("is content with %s", async (scenario) => {
    const binDir = join(inject("clientPaths").conformance, "node_modules/.bin");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    const words = [join(binDir, "conformance"), "server", "--url", url, "--scenario", scenario] as const;
    const env = { ...process.env, PATH: [binDir, process.env["PATH"]].join(delimiter) } as Record<string, string>;
    const { exitCode, stdout, stderr } = await capture([...words], { timeoutMs: 60_000, cwd: cache.dir, env });
    expect(exitCode, `${stdout}\n${stderr}`).toBe(0);
    expect(stdout).toMatch(/Passed: [1-9]\d*\/\d+, 0 failed/);
  });
});

async function serveOverHttp(handler: { fetch(request: Request): Promise<Response> }): Promise<Server> {
  const server = createHttpServer(async (request, response) => {
    const { method = "GET", url = "/", headers } = request;
    const body = await buffer(request);
    const answer = await handler.fetch(
      new Request(new URL(url, `http://${headers.host}`), {
        method,
        headers: headers as Record<string, string>,
        ...(body.length === 0 ? {} : { body }),
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
