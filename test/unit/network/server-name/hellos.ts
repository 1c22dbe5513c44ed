import { once } from "node:events";
import { Duplex } from "node:stream";
import tls from "node:tls";

export interface HelloParts {
  readonly sessionId?: Buffer;
  readonly cipherSuites?: Buffer;
  /** undefined: not even their length */
  readonly extensions?: readonly Buffer[] | undefined;
  readonly trailing?: Buffer;
}

const random = Buffer.alloc(32, 0xab);

/** A number of a fixed length. */
export function number(value: number, length: 1 | 2 | 3): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

/** A vector: its length, and what is in it. */
export function vector(lengthBytes: 1 | 2 | 3, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([number(bytes.length, lengthBytes), bytes]);
}

export function extension(type: number, ...content: readonly Buffer[]): Buffer {
  return Buffer.concat([number(type, 2), vector(2, ...content)]);
}

export function serverNameEntry(name: string | Buffer, type = 0): Buffer {
  return Buffer.concat([number(type, 1), vector(2, Buffer.from(name))]);
}

export function serverName(...entries: readonly (string | Buffer)[]): Buffer {
  const list = entries.map((entry) => (typeof entry === "string" ? serverNameEntry(entry) : entry));
  return extension(0, vector(2, ...list));
}

/** ECHClientHello (RFC 9849, section 5): type, cipher suite, config_id, enc, payload. */
export function encryptedHello(type = 0, payload = Buffer.alloc(144, 0xcd)): Buffer {
  const cipherSuite = Buffer.from([0, 1, 0, 1]);
  return extension(0xfe0d, number(type, 1), cipherSuite, number(7, 1), vector(2, random), vector(2, payload));
}

/** A ClientHello message with its header, without a record. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const {
    sessionId = random,
    cipherSuites = Buffer.from([0x0a, 0x0a, 0x13, 0x01]),
    trailing = Buffer.alloc(0),
  } = parts;
  const extensions = "extensions" in parts ? parts.extensions : [serverName("example.com")];
  const body = Buffer.concat([
    number(0x0303, 2),
    random,
    vector(1, sessionId),
    vector(2, cipherSuites),
    vector(1, number(0, 1)),
    extensions === undefined ? Buffer.alloc(0) : vector(2, ...extensions),
    trailing,
  ]);
  return Buffer.concat([number(1, 1), vector(3, body)]);
}

/** Content in records of up to `size` bytes. */
export function records(content: Buffer, size = 2 ** 14, type = 0x16): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    pieces.push(Buffer.from([type, 3, 1]), vector(2, content.subarray(at, at + size)));
  }
  return Buffer.concat(pieces);
}

export function hello(parts?: HelloParts): Buffer {
  return records(helloMessage(parts));
}

/** The content of records. */
export function contentOf(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    pieces.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return Buffer.concat(pieces);
}

/** A connection in memory: what is written to it goes to `onWrite`. */
export function connection(onWrite: (bytes: Buffer) => void = () => {}): Duplex {
  return new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      onWrite(bytes);
      done();
    },
  });
}

/** What a client of node:tls sends first. No socket is needed for it. */
export async function realHello(options: tls.ConnectionOptions): Promise<Buffer> {
  let sent = Buffer.alloc(0);
  const socket = connection((bytes) => {
    sent = Buffer.concat([sent, bytes]);
    socket.emit("sent");
  });
  const client = tls.connect({ ...options, socket });
  client.on("error", () => {});
  while (!isWholeMessage(contentOf(sent))) await once(socket, "sent");
  client.destroy();
  return sent;
}

function isWholeMessage(content: Buffer): boolean {
  return content.length >= 4 && content.length === 4 + content.readUIntBE(1, 3);
}
