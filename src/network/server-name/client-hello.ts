/** What a TLS client says about its server in its first message. */
export interface ClientHello {
  /** null: it names none */
  readonly serverName: string | null;
  /** Whether the real name is encrypted (RFC 9849). Then `serverName` is that of the way to it */
  readonly isEncrypted: boolean;
}

const handshakeRecord = 0x16;
const clientHelloMessage = 0x01;
const recordHeaderLength = 5;
const messageHeaderLength = 4;
/** RFC 8446, section 5.1 */
const maxRecordLength = 2 ** 14;
const serverNameExtension = 0;
const encryptedHelloExtension = 0xfe0d;
const hostNameType = 0;

/**
 * Reads the first message of a TLS client (RFC 8446, section 4.1.2), in any number of records.
 * "incomplete": more bytes are needed to tell. undefined: it is none.
 */
export function readClientHello(bytes: Buffer): ClientHello | "incomplete" | undefined {
  const message = handshakeMessage(bytes);
  if (message === "incomplete" || message === undefined) return message;
  const reader = new Reader(message);
  reader.skip(2 + 32); // version and random
  reader.skip(reader.byte()); // session id
  reader.skip(reader.short()); // cipher suites
  reader.skip(reader.byte()); // compression methods
  const hello = { serverName: null as string | null, isEncrypted: false };
  if (reader.isAtEnd) return reader.isTorn ? undefined : hello;
  const extensions = new Reader(reader.take(reader.short()));
  while (!extensions.isAtEnd && !extensions.isTorn) {
    const type = extensions.short();
    const body = extensions.take(extensions.short());
    if (type === encryptedHelloExtension) hello.isEncrypted = true;
    if (type === serverNameExtension) hello.serverName = hostNameOf(body);
  }
  return reader.isTorn || extensions.isTorn ? undefined : hello;
}

/** The first handshake message without its header, which may be spread over records. */
function handshakeMessage(bytes: Buffer): Buffer | "incomplete" | undefined {
  const { content, isForeign } = handshakeContent(bytes);
  if (content.length > 0 && content[0] !== clientHelloMessage) return undefined;
  if (content.length >= messageHeaderLength) {
    const end = messageHeaderLength + content.readUIntBE(1, 3);
    if (content.length >= end) return content.subarray(messageHeaderLength, end);
  }
  return isForeign ? undefined : "incomplete";
}

/** What the records up to here carry, and whether something else than a handshake follows. */
function handshakeContent(bytes: Buffer): { readonly content: Buffer; readonly isForeign: boolean } {
  const pieces: Buffer[] = [];
  let isForeign = false;
  for (let at = 0; at < bytes.length && !isForeign; ) {
    const [type, major = 3] = bytes.subarray(at, at + 2);
    isForeign = type !== handshakeRecord || major !== 3;
    const start = at + recordHeaderLength;
    if (isForeign || start > bytes.length) break;
    const length = bytes.readUInt16BE(start - 2);
    isForeign = length === 0 || length > maxRecordLength;
    if (!isForeign) pieces.push(bytes.subarray(start, start + length));
    at = start + length;
  }
  return { content: Buffer.concat(pieces), isForeign };
}

/** The host name of a server_name extension (RFC 6066, section 3); empty if it makes no sense. */
function hostNameOf(body: Buffer): string {
  const names = new Reader(new Reader(body).list());
  while (!names.isAtEnd && !names.isTorn) {
    const type = names.byte();
    const name = names.take(names.short());
    if (type === hostNameType) return name.toString("latin1");
  }
  return "";
}

/** Reads numbers and vectors. Beyond the end it reads zeros and is torn. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  isTorn = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.isTorn = true;
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  skip(length: number): void {
    this.take(length);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  short(): number {
    return this.byte() * 256 + this.byte();
  }

  list(): Buffer {
    return this.take(this.short());
  }
}
