import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Authority } from "../../src/network/broker/authority.ts";
import { LoopbackServer } from "../helpers/loopback-server.ts";
import { tracesBelow } from "../helpers/secret-traces.ts";
import { type Json, sdkSurface } from "../helpers/surfaces.ts";
import { describeWithVm } from "../helpers/vm.ts";
import { Workbench } from "../helpers/workbench.ts";

const token = "ghp_theTokenThatNoGuestMayHave0123456789";

describeWithVm("brokered secrets of a workspace", () => {
  const outside = new Authority(["test"]);
  const heads: string[] = [];
  let bench: Workbench;
  let server: LoopbackServer;
  /** Names of the test are reached through it, as through a company's proxy */
  let proxy: Server;
  let workspaceId: string;

  beforeAll(async () => {
    const tls = createTlsServer({ SNICallback: (name, done) => done(null, outside.contextFor(name)) }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        heads.push(chunk.toString());
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n");
      });
    });
    server = await LoopbackServer.listen((socket) => tls.emit("connection", socket));
    proxy = createServer().on("connect", (_, socket) => {
      const onward = connect({ host: "127.0.0.2", port: server.port }, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      for (const end of [socket, onward]) end.on("error", () => {});
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    bench = await Workbench.create();
    await writeFile(bench.hostPath("outside.pem"), outside.pem);
    await writeFile(bench.hostPath("token"), `${token}\n`);
    const secrets = [
      { name: "TOKEN", filePath: bench.hostPath("token"), hosts: ["api.test"] },
      { name: "OTHER", value: "value-of-the-other", hosts: ["other.test"] },
    ];
    const network = { networkPolicy: "egress", allowHosts: ["*.test"], hostCertificates: true };
    ({ workspace_id: workspaceId } = await sdk().call("workspace.create", {
      environment: "debian:12",
      ...network,
      secrets,
    }));
  });
  afterAll(async () => {
    proxy?.close();
    await server?.[Symbol.asyncDispose]();
    await bench?.[Symbol.asyncDispose]();
  });

  const sdk = () => {
    const { port } = proxy.address() as AddressInfo;
    return sdkSurface({
      ...bench.env,
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      NODE_EXTRA_CA_CERTS: bench.hostPath("outside.pem"),
    });
  };
  const call = (operation: string, input: object = {}): Promise<Json> =>
    sdk().call(`workspace.${operation}`, { workspaceId, ...input });
  const curl = (host: string) =>
    call("exec", {
      command: `curl -sS -H "Authorization: Bearer $TOKEN" https://${host}/; echo "$TOKEN"`,
      secretEnv: { TOKEN: "TOKEN" },
    });

  test("work for their hosts, are denied by name for others, and no command has the value", async () => {
    const { stdout, stderr, network } = await curl("api.test");
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^ok\nghp_\w+\n$/), ""]);
    expect(stdout).not.toContain(token);
    expect(heads.at(-1)).toContain(`Bearer ${token}`);
    expect(network.secrets).toEqual([{ name: "TOKEN", host: "api.test", count: 1 }]);
    const elsewhere = await curl("other.test");
    expect(elsewhere.stdout).toContain("secret 'TOKEN' is not for other.test");
    expect(elsewhere.network.denied).toMatchObject([
      { host: "other.test", rule: "secret 'TOKEN' is not for other.test" },
    ]);
    expect(heads).toHaveLength(1);
  });

  test("keep their placeholder, and take a new value, over a stop", async () => {
    const placeholder = (await call("exec", { command: "echo $T", secretEnv: { TOKEN: "T" } })).stdout;
    await call("stop");
    await writeFile(bench.hostPath("token"), `new-${token}`);
    await call("start");
    expect((await call("exec", { command: "echo $T", secretEnv: { TOKEN: "T" } })).stdout).toBe(placeholder);
    await curl("api.test");
    expect(heads.at(-1)).toContain(`Bearer new-${token}`);
    expect((await call("exec", { command: "ls /run/pyro-secrets | wc -l" })).stdout).toBe("0\n");
    expect(
      await sdk().refusal("workspace.start", {
        workspaceId,
        secrets: [{ name: "N", value: "123456", hosts: ["a.test"] }],
      }),
    ).toMatchObject({
      message: "cannot use secret 'N' for other hosts while the workspace runs",
    });
    expect(tracesBelow(bench.cache.dir, [token], /^(?:environments|templates|seeds|host)(?:\/|$)|seed\.ext4$/)).toEqual(
      [],
    );
  });
});
