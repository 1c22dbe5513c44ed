import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../helpers/surfaces.ts";
import type { WorkspaceUnderTest } from "./workspace.ts";

/** A server that says how much it has heard, once its client has ended its direction. */
const countingServer = `
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(200)
def serve(c):
    heard = 0
    c.sendall(b"ready\\n")
    while True:
        piece = c.recv(65536)
        if not piece: break
        heard += len(piece)
    c.sendall(b"heard %d\\n" % heard)
    c.close()
print("listening", flush=True)
while True:
    c, _ = listener.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
`;

/** What published ports do, in a VM and without one. */
export function describePorts(open: () => Promise<WorkspaceUnderTest>): void {
  let subject: WorkspaceUnderTest;
  beforeAll(async () => {
    subject = await open();
  });
  afterAll(async () => {
    await subject[Symbol.asyncDispose]();
  });
  const call = (operation: string, input: Record<string, unknown> = {}) =>
    subject.bench.sdk.call(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const refusal = (operation: string, input: Record<string, unknown> = {}) =>
    subject.bench.sdk.refusal(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const published = async (guestPort: number): Promise<Json> => {
    const { ports } = await call("port.list");
    return ports.find((port: Json) => port.guest_port === guestPort);
  };
  const serve = async (address: string, port: number) => {
    await call("file.write", { path: "serve.py", text: countingServer });
    const script = `python3 serve.py ${address} ${port} > out-${port} 2>&1 & until grep -q listening out-${port}; do sleep 0.05; done`;
    await call("exec", { command: ["sh", "-c", script] });
  };

  test("are refused without a policy that has them", async () => {
    await call("update", { networkPolicy: "egress" });
    expect(await refusal("port.publish", { port: "3000" })).toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("published ports require workspace network_policy 'egress+published-ports'"),
    });
    await call("update", { networkPolicy: "published-ports" });
  });

  test("lead to a server on the loopback address of either family", async () => {
    for (const [address, guestPort] of [
      ["127.0.0.1", 3100],
      ["::1", 3101],
    ] as const) {
      await serve(address, guestPort);
      const { host_port: hostPort } = await call("port.publish", { port: String(guestPort) });
      expect(await talk(hostPort, "x".repeat(300_000))).toBe("ready\nheard 300000\n");
    }
  });

  test("carry a hundred connections at once", async () => {
    const { host_port: hostPort } = await published(3100);
    const all = await Promise.all(Array.from({ length: 100 }, (_, index) => talk(hostPort, "y".repeat(index))));
    expect(all).toEqual(all.map((_, index) => `ready\nheard ${index}\n`));
    expect(await published(3100)).toMatchObject({ connection_count: 101, last_refusal: null, problem: null });
  });

  test("say why a connection did not come about", async () => {
    const { host_port: hostPort } = await call("port.publish", { port: "3102" });
    await expect(talk(hostPort, "")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect((await published(3102)).last_refusal.reason).toContain("connection refused");
  });

  test("are refused twice, on a port in use, and if they are none", async () => {
    expect(await refusal("port.publish", { port: "3100" })).toMatchObject({ code: "already_exists" });
    const { host_port: taken } = await published(3100);
    expect(await refusal("port.publish", { port: `4000:${taken}` })).toMatchObject({
      code: "port_in_use",
      message: `cannot publish on port ${taken} of this host: this workspace has it`,
    });
    for (const port of ["0", "65536", "a", "1:2:3", "-1", ""]) {
      expect(await refusal("port.publish", { port })).toMatchObject({ code: "invalid_argument" });
    }
    expect(await refusal("port.close", { guestPort: 4999 })).toMatchObject({ code: "not_found" });
  });

  test("listen on 127.0.0.1 alone, and end when they are closed", async () => {
    const { host_port: hostPort } = await published(3100);
    for (const host of ["127.0.0.2", "::1"]) {
      await expect(talk(hostPort, "", host)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    }
    const open = connect({ host: "127.0.0.1", port: hostPort });
    open.on("error", () => {});
    const reset = new Promise((resolve) => open.once("close", resolve));
    await once(open, "data");
    await call("port.close", { guestPort: 3100 });
    await reset;
    // The command line has numbers as text.
    expect(await subject.bench.output(["port", "close", subject.workspaceId, "3102"])).toBe("Closed: 3102/tcp\n");
    await expect(talk(hostPort, "")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
}

/** Says something, ends its direction, and returns the answer. */
function talk(port: number, text: string, host = "127.0.0.1"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true }, () => socket.end(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.once("end", () => resolve(answer));
    socket.once("error", reject);
  });
}
