import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GuestConnection } from "../../../src/guest/connection.ts";
import { connectionType, encodeFrame, framesOf } from "../../../src/guest/frames.ts";

const firstCredit = 256 * 1024;

let server: http2.Http2Server;
let session: http2.ClientHttp2Session;
let serve: (stream: http2.ServerHttp2Stream) => void | Promise<void>;

beforeEach(async () => {
  server = http2.createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    // A stream that is reset fails its reader.
    void Promise.resolve(serve(stream)).catch(() => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => {});
});
afterEach(async () => {
  session.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function connect(): GuestConnection {
  return new GuestConnection(session.request({ ":method": "POST", ":path": "/" }, { endStream: false }));
}

const data = (bytes: Buffer | string) => encodeFrame(connectionType.data, Buffer.from(bytes));
const end = encodeFrame(connectionType.dataEnd, Buffer.alloc(0));
const credit = (bytes: number) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(connectionType.credit, payload);
};

/** All that the guest says. An async loop would end the other direction too. */
function textOf(connection: GuestConnection): Promise<string> {
  let text = "";
  connection.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    connection.once("end", () => resolve(text));
    connection.once("error", reject);
  });
}

test("each direction ends on its own, whichever is first", async () => {
  const heard: string[] = [];
  serve = async (stream) => {
    stream.respond();
    stream.write(Buffer.concat([data("guest "), data("first"), end]));
    for await (const { type, payload } of framesOf(stream)) {
      heard.push(type === connectionType.dataEnd ? "end" : payload.toString());
    }
    stream.end();
  };
  const connection = connect();
  expect(await textOf(connection)).toBe("guest first");
  connection.write("host ");
  connection.end("later");
  await once(connection, "close");
  await expect.poll(() => heard.join("")).toBe("host laterend");
});

test("it sends no more than the guest has taken", async () => {
  let received = 0;
  let stream: http2.ServerHttp2Stream | undefined;
  serve = async (opened) => {
    stream = opened;
    opened.respond();
    for await (const { payload } of framesOf(opened)) received += payload.length;
  };
  const connection = connect();
  connection.on("error", () => {});
  connection.write(Buffer.alloc(4 * firstCredit));
  await expect.poll(() => received).toBe(firstCredit);
  stream?.write(credit(1000));
  await expect.poll(() => received).toBe(firstCredit + 1000);
  expect(received).toBe(firstCredit + 1000);
  connection.destroy();
});

test("it gives credit for what its reader takes, and ends a guest that sends more", async () => {
  let given = 0;
  let stream: http2.ServerHttp2Stream | undefined;
  serve = async (opened) => {
    stream = opened;
    opened.respond();
    for (let sent = 0; sent < firstCredit; sent += 64 * 1024) opened.write(data(Buffer.alloc(64 * 1024)));
    for await (const { type, payload } of framesOf(opened)) {
      if (type === connectionType.credit) given += payload.readUInt32BE(0);
    }
  };
  const connection = connect();
  const closed = new Promise<Error>((resolve) => connection.once("error", resolve));
  let read = 0;
  connection.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  await expect.poll(() => given).toBe(firstCredit);
  expect(read).toBe(firstCredit);
  connection.pause();
  for (let sent = 0; sent <= 2 * firstCredit; sent += 64 * 1024) stream?.write(data(Buffer.alloc(64 * 1024)));
  expect((await closed).message).toBe("the guest sent more than it had credit for");
});

test("a reset by the guest is an error of the connection", async () => {
  serve = (stream) => {
    stream.respond();
    stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  };
  await expect(textOf(connect())).rejects.toThrow();
});

test("to destroy the connection is to reset it", async () => {
  const closed = new Promise<number>((resolve) => {
    serve = (stream) => {
      stream.respond();
      stream.resume();
      stream.once("close", () => resolve(stream.rstCode));
      stream.write(data("on"));
    };
  });
  const connection = connect();
  connection.on("error", () => {});
  await once(connection, "data");
  connection.destroy();
  expect(await closed).toBe(http2.constants.NGHTTP2_CANCEL);
});

test("a guest that ends its stream in the middle has reset the connection", async () => {
  serve = (stream) => {
    stream.respond();
    stream.end(data("half"));
  };
  await expect(textOf(connect())).rejects.toThrow("the guest reset the connection");
});

test("a refusal has the guest's reason", async () => {
  serve = (stream) => {
    stream.respond({ ":status": 409 });
    stream.end(JSON.stringify({ error: { code: "failed_precondition", message: "nothing listens on port 9" } }));
  };
  await expect(textOf(connect())).rejects.toThrow("the guest refused the connection: nothing listens on port 9");
});
