import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { findUser, loopback, userOfPeer } from "../../../src/host/peer-user.ts";

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0
   1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2 1 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0
`;

test("the user of a socket is found by both of its ends", () => {
  expect(findUser(table, loopback(0xd431), loopback(0x1f90))).toBe(1001);
  expect(findUser(table, loopback(0x1f90), loopback(0xd431))).toBe(1000);
  expect(findUser(table, loopback(0xd431), loopback(1))).toBeUndefined();
});

test("a socket that no process has any more has no user", () => {
  const orphan = table.replace("1001        0 2", "0        0 0");
  expect(findUser(orphan, loopback(0xd431), loopback(0x1f90))).toBeUndefined();
});

test("a connection from another loopback address has no user here", async () => {
  const from = { remoteAddress: "127.0.0.2", remotePort: 1, localPort: 2 } as Socket;
  expect(await userOfPeer(from)).toBeUndefined();
});

test("the other end of this process's own connection is this user's", async () => {
  const server = createServer().listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const address = server.address();
  const client = connect({ host: "127.0.0.1", port: typeof address === "object" ? (address?.port ?? 0) : 0 });
  const [accepted] = (await once(server, "connection")) as [Socket];
  expect(await userOfPeer(accepted)).toBe(process.getuid?.());
  client.destroy();
  accepted.destroy();
  server.close();
});
