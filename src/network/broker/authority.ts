import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

const hourMs = 3_600_000;
/** A guest's clock may be behind */
const backdatedMs = 24 * hourMs;
/** Longer than any supervisor lives */
const authorityMs = 365 * 24 * hourMs;
const leafMs = 48 * hourMs;
/** A leaf is used for this long, so that it is valid for a day after any handshake */
const leafUseMs = 24 * hourMs;
/** Limit for the names below a `*.NAME` that a guest makes up */
const maxLeaves = 256;
/** RFC 5280, upper bound of a common name */
const maxCommonName = 64;
const serialBytes = 16;
const commonName = "2.5.4.3";
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
const everyAddress = ["0.0.0.0/0.0.0.0", "0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"];

interface Leaf {
  readonly context: SecureContext;
  readonly madeAtMs: number;
}

interface Wanted {
  readonly subject: Name;
  readonly publicKey: KeyObject;
  readonly lifetimeMs: number;
  readonly extensions: readonly Extension[];
}

/**
 * A certificate authority whose key is in the memory of this process alone. It can vouch for the
 * given domains and the names below them, and for nothing else.
 */
export class Authority {
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #name: Name;
  readonly #leaves = new Map<string, Leaf>();
  /** Its own certificate */
  readonly pem: string;

  constructor(domains: readonly string[]) {
    const { privateKey, publicKey } = newKeyPair();
    this.#key = privateKey;
    this.#publicKey = publicKey;
    this.#name = nameOf(`pyro workspace ${randomBytes(4).toString("hex")}`);
    this.pem = this.#issue({
      subject: this.#name,
      publicKey,
      lifetimeMs: authorityMs,
      extensions: [
        extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
        extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
        extension(id_ce_nameConstraints, constraints(domains), true),
      ],
    });
  }

  /** What a TLS server needs that speaks for a host. */
  contextFor(host: string): SecureContext {
    const known = this.#leaves.get(host);
    if (known && Date.now() - known.madeAtMs < leafUseMs) return known.context;
    const { privateKey, publicKey } = newKeyPair();
    const certificate = this.#issue({
      subject: nameOf(host.length <= maxCommonName ? host : undefined),
      publicKey,
      lifetimeMs: leafMs,
      extensions: [
        extension(id_ce_basicConstraints, new BasicConstraints(), true),
        extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
        extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
        // It must be critical if there is no other name (RFC 5280, section 4.2.1.6).
        extension(
          id_ce_subjectAltName,
          new SubjectAlternativeName([new GeneralName({ dNSName: host })]),
          host.length > maxCommonName,
        ),
      ],
    });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    const context = createSecureContext({ key, cert: certificate });
    const oldest = this.#leaves.size >= maxLeaves ? this.#leaves.keys().next().value : undefined;
    if (oldest !== undefined) this.#leaves.delete(oldest);
    this.#leaves.set(host, { context, madeAtMs: Date.now() });
    return context;
  }

  #issue({ subject, publicKey, lifetimeMs, extensions }: Wanted): string {
    const signature = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
    const serial = randomBytes(serialBytes);
    // Positive, and of full length.
    serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
    const authorityKeyIdentifier = new AuthorityKeyIdentifier({ keyIdentifier: keyIdentifier(this.#publicKey) });
    const tbsCertificate = new TBSCertificate({
      version: Version.v3,
      serialNumber: toArrayBuffer(serial),
      signature,
      issuer: this.#name,
      validity: new Validity({
        notBefore: wholeSeconds(Date.now() - backdatedMs),
        notAfter: wholeSeconds(Date.now() + lifetimeMs),
      }),
      subject,
      subjectPublicKeyInfo: AsnConvert.parse(spkiOf(publicKey), SubjectPublicKeyInfo),
      extensions: new Extensions([
        ...extensions,
        extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(publicKey).buffer)),
        extension(id_ce_authorityKeyIdentifier, authorityKeyIdentifier),
      ]),
    });
    const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
    const signatureValue = toArrayBuffer(sign("sha256", signed, this.#key));
    const certificate = new Certificate({ tbsCertificate, signatureAlgorithm: signature, signatureValue });
    return new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))).toString();
  }
}

function newKeyPair(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}

/** Domains with the names below them, and no address. */
function constraints(domains: readonly string[]): NameConstraints {
  const subtree = (base: Partial<GeneralName>) => new GeneralSubtree({ base: new GeneralName(base) });
  return new NameConstraints({
    permittedSubtrees: new GeneralSubtrees(domains.map((dNSName) => subtree({ dNSName }))),
    excludedSubtrees: new GeneralSubtrees(everyAddress.map((iPAddress) => subtree({ iPAddress }))),
  });
}

function nameOf(text: string | undefined): Name {
  if (text === undefined) return new Name();
  const value = new AttributeValue({ utf8String: text });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonName, value })])]);
}

function extension(extnID: string, value: unknown, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** RFC 7093, section 2, first method. */
function keyIdentifier(publicKey: KeyObject): KeyIdentifier {
  return new KeyIdentifier(toArrayBuffer(createHash("sha256").update(spkiOf(publicKey)).digest().subarray(0, 20)));
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

function wholeSeconds(timeMs: number): Date {
  return new Date(Math.floor(timeMs / 1000) * 1000);
}

function toArrayBuffer(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
