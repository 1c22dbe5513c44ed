import { createHash, X509Certificate } from "node:crypto";

/** `JKS`, version 2, as the JDK's JavaKeyStore reads it */
const magic = 0xfeedfeed;
const version = 2;
const trustedEntry = 2;
/** Words that the JDK adds to a password before it hashes a store */
const whitener = "Mighty Aphrodite";

/** The usual password of a store without secrets */
export const storePassword = "changeit";

/** A Java key store of certificates in PEM. Java reads no other form of a list that it trusts. */
export function javaKeyStore(pems: readonly string[]): Buffer {
  const entries = pems.map((pem, index) => {
    const { raw } = new X509Certificate(pem);
    return Buffer.concat([
      ...[int(trustedEntry), utf(`pyro-${index}`), Buffer.alloc(8)],
      ...[utf("X.509"), int(raw.length), raw],
    ]);
  });
  const store = Buffer.concat([int(magic), int(version), int(entries.length), ...entries]);
  const secret = Buffer.from(storePassword, "utf16le").swap16();
  const digest = createHash("sha1").update(secret).update(whitener).update(store).digest();
  return Buffer.concat([store, digest]);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function utf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
