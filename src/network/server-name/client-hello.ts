import { shownName } from "./name.ts";

/** What a TLS client says about its server in its first message. */
export interface ClientHello {
  readonly serverName: string | null;
  readonly isEncrypted: boolean;
}

const alertRecord = 0x15;
const handshakeRecord = 0x16;
const clientHelloMessage = 0x01;
const tlsMajorVersion = 3;
const recordHeaderLength = 5;
const messageHeaderLength = 4;
/** RFC 8446, section 5.1 */
const maxRecordLength = 2 ** 14;
const randomLength = 32;
const maxSessionIdLength = 32;
const serverNameExtension = 0;
const protocolsExtension = 16;
const encryptedHelloExtension = 0xfe0d;
const outerHello = 0;
const hostName = 0;

/**
 * Reads the first message of a TLS client (RFC 8446, section 4.1.2), in any number of records.
 * "ambiguous": it is TLS, in a form that servers reject or may read in different ways.
 */
export function readClientHello(bytes: Buffer): ClientHello | "incomplete" | "ambiguous" | "other" {
  const [type = 0, major] = bytes;
  if (type >= 0x80) return readOldHello(bytes);
  if (major === undefined) return "incomplete";
  if (major !== tlsMajorVersion) return otherVersion(bytes);
  // Some servers pass over an alert that comes before the hello.
  if (type !== handshakeRecord) return "ambiguous";
  const message = firstMessage(bytes);
  return Buffer.isBuffer(message) ? readMessage(message) : message;
}

/** A hello in the form of SSL 2.0, which some servers of TLS 1.2 take, has no place for a name. */
function readOldHello(bytes: Buffer): ClientHello | "incomplete" | "other" {
  const [, , type, major] = bytes;
  if (type === undefined) return "incomplete";
  if (type !== clientHelloMessage) return "other";
  if (major === undefined) return "incomplete";
  return major === tlsMajorVersion ? { serverName: null, isEncrypted: false } : "other";
}

/**
 * Servers are to ignore the version of a record, so one that no client sends may still be TLS. Both
 * a hello and an alert that is only a warning begin with 1.
 */
function otherVersion(bytes: Buffer): "incomplete" | "ambiguous" | "other" {
  const [type] = bytes;
  if (type !== handshakeRecord && type !== alertRecord) return "other";
  const content = bytes[recordHeaderLength];
  if (content === undefined) return "incomplete";
  return content === clientHelloMessage ? "ambiguous" : "other";
}

/**
 * The first handshake message, without its header. Clients may spread it over records of one byte,
 * so nothing is copied until it is whole.
 */
function firstMessage(bytes: Buffer): Buffer | "incomplete" | "ambiguous" {
  const header: number[] = [];
  let gathered = 0;
  for (let at = 0; ; ) {
    const length = recordLength(bytes, at);
    if (typeof length === "string") return length;
    at += recordHeaderLength;
    const present = Math.min(length, bytes.length - at);
    for (let next = at; next < at + present && header.length < messageHeaderLength; next += 1) {
      header.push(bytes[next] ?? 0);
    }
    if (header.length > 0 && header[0] !== clientHelloMessage) return "ambiguous";
    gathered += present;
    const [, high = 0, middle = 0, low = 0] = header;
    const end = messageHeaderLength + high * 2 ** 16 + middle * 2 ** 8 + low;
    if (header.length === messageHeaderLength && gathered >= end) {
      return contentOfRecords(bytes.subarray(0, at + present)).subarray(messageHeaderLength, end);
    }
    if (present < length) return "incomplete";
    at += length;
  }
}

/** Length of the content of the handshake record that starts at `at`. */
function recordLength(bytes: Buffer, at: number): number | "incomplete" | "ambiguous" {
  if (at < bytes.length && bytes[at] !== handshakeRecord) return "ambiguous";
  if (at + 1 < bytes.length && bytes[at + 1] !== tlsMajorVersion) return "ambiguous";
  if (at + recordHeaderLength > bytes.length) return "incomplete";
  const length = bytes.readUInt16BE(at + 3);
  return length > maxRecordLength ? "ambiguous" : length;
}

function contentOfRecords(bytes: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + recordHeaderLength + bytes.readUInt16BE(at + 3);
    pieces.push(bytes.subarray(at + recordHeaderLength, end));
    at = end;
  }
  return Buffer.concat(pieces);
}

/**
 * The protocols that a client offers (RFC 7301), in its order. None if it offers none, or if this
 * is no whole hello.
 */
export function readOfferedProtocols(bytes: Buffer): readonly string[] {
  const message = bytes[0] === handshakeRecord ? firstMessage(bytes) : "ambiguous";
  const extensions = Buffer.isBuffer(message) ? extensionsOf(message) : undefined;
  const names: string[] = [];
  for (const reader = new Reader(extensions ?? Buffer.alloc(0)); !reader.isAtEnd; ) {
    const type = reader.number(2);
    const body = reader.take(reader.number(2));
    if (type !== protocolsExtension) continue;
    const list = new Reader(body.subarray(2));
    while (!list.isAtEnd) names.push(list.take(list.number(1)).toString("latin1"));
  }
  return names;
}

function readMessage(message: Buffer): ClientHello | "ambiguous" {
  const extensions = extensionsOf(message);
  if (extensions === undefined) return "ambiguous";
  // Clients of TLS 1.0 may send no extensions at all.
  return extensions.length === 0 ? { serverName: null, isEncrypted: false } : readExtensions(extensions);
}

/** The extensions of a hello; undefined if it has not the form of one. */
function extensionsOf(message: Buffer): Buffer | undefined {
  const reader = new Reader(message);
  reader.take(2 + randomLength);
  const sessionId = reader.take(reader.number(1));
  const cipherSuites = reader.take(reader.number(2));
  const compressionMethods = reader.take(reader.number(1));
  if (reader.isTorn || sessionId.length > maxSessionIdLength) return undefined;
  if (cipherSuites.length === 0 || compressionMethods.length === 0) return undefined;
  if (reader.isAtEnd) return Buffer.alloc(0);
  const extensions = reader.take(reader.number(2));
  return reader.isAtEnd && !reader.isTorn ? extensions : undefined;
}

function readExtensions(bytes: Buffer): ClientHello | "ambiguous" {
  let serverName: string | null = null;
  let isEncrypted = false;
  const reader = new Reader(bytes);
  while (!reader.isAtEnd) {
    const type = reader.number(2);
    const body = reader.take(reader.number(2));
    if (reader.isTorn) return "ambiguous";
    if (type === encryptedHelloExtension) isEncrypted = isOuterHello(body);
    if (type !== serverNameExtension) continue;
    const name = onlyHostName(body);
    if (serverName !== null || name === undefined) return "ambiguous";
    serverName = shownName(name);
  }
  return { serverName, isEncrypted };
}

/** The name of a list of server names (RFC 6066, section 3), if that has one entry of that type. */
function onlyHostName(body: Buffer): Buffer | undefined {
  const reader = new Reader(body);
  const listLength = reader.number(2);
  const type = reader.number(1);
  const name = reader.take(reader.number(2));
  const isWhole = reader.isAtEnd && !reader.isTorn && listLength === body.length - 2;
  return isWhole && type === hostName && name.length > 0 ? name : undefined;
}

/**
 * Whether an encrypted hello may be in this extension (RFC 9849, section 5). Random bytes of a
 * client that has nothing to hide look the same. An inner hello that comes in the clear is none.
 */
function isOuterHello(body: Buffer): boolean {
  const reader = new Reader(body);
  const type = reader.number(1);
  reader.take(2 + 2 + 1); // cipher suite and config_id
  reader.take(reader.number(2)); // enc
  const payload = reader.take(reader.number(2));
  return type === outerHello && payload.length > 0 && reader.isAtEnd && !reader.isTorn;
}

/** Reads numbers and vectors. Beyond the end it reads zeros, and it is torn from then on. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #isTorn = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get isTorn(): boolean {
    return this.#isTorn;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.#isTorn = true;
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(length: 1 | 2): number {
    const bytes = this.take(length);
    return bytes.length === length ? bytes.readUIntBE(0, length) : 0;
  }
}
