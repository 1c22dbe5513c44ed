import { once } from "node:events";
import { Duplex, PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { QmpClient } from "../../../../src/vm/qemu/qmp.ts";

/** A client, and QEMU's side of its stream. */
function connect(): {
  client: QmpClient;
  sent: PassThrough;
  answer: (message: object | string) => void;
  stream: Duplex;
} {
  const [toQemu, fromQemu] = [new PassThrough(), new PassThrough()];
  const stream = Duplex.from({ readable: fromQemu, writable: toQemu });
  const answer = (message: object | string) => {
    fromQemu.write(typeof message === "string" ? message : `${JSON.stringify(message)}\r\n`);
  };
  return { client: new QmpClient(stream), sent: toQemu, answer, stream };
}

const greeting = { QMP: { version: {}, capabilities: [] } };

test("matches replies to commands by id, in whatever pieces they come", async () => {
  const { client, answer, sent } = connect();
  const commands = Promise.all([client.execute("qmp_capabilities"), client.execute("stop")]);
  expect(String((await once(sent, "data"))[0])).toBe('{"execute":"qmp_capabilities","id":1}\n');
  answer(greeting);
  answer('{"return": {}, "i');
  answer('d": 2}\r\n{"return": {}, "id": 1}\r\n');
  await commands;
});

test("reports what QEMU refused, and why", async () => {
  const { client, answer } = connect();
  const command = client.execute("migrate", { uri: "unix:x" });
  answer({ id: 1, error: { class: "GenericError", desc: "no such socket" } });
  await expect(command).rejects.toMatchObject({ message: "QEMU refused 'migrate': no such socket" });
});

test("waits for the end of a migration and tells a failed one", async () => {
  const { client, answer } = connect();
  const [first, second] = [client.migrationEnd(), client.migrationEnd()];
  answer({ event: "MIGRATION", data: { status: "active" } });
  answer({ event: "MIGRATION", data: { status: "failed" } });
  await expect(first).rejects.toMatchObject({ code: "internal" });
  await expect(second).rejects.toMatchObject({ code: "internal" });
});

test.each([
  ["is not JSON", "hello\n"],
  ["is JSON but not QMP", '{"id":"one"}\n'],
])("gives up on a line that %s", async (_what, line) => {
  const { client, answer } = connect();
  const command = client.execute("stop");
  answer(line);
  await expect(command).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("what is not QMP"),
  });
  await expect(client.execute("cont")).rejects.toMatchObject({ code: "unavailable" });
});

test("fails what is under way when the connection closes", async () => {
  const { client, stream } = connect();
  const waiting = [client.execute("stop"), client.migrationEnd()];
  stream.destroy();
  for (const work of waiting) await expect(work).rejects.toMatchObject({ code: "unavailable" });
});
