import fc from "fast-check";
import { expect, test } from "vitest";
import { formsOf } from "../../../../src/workspaces/secret/forms.ts";
import { SecretMatcher } from "../../../../src/workspaces/secret/matcher.ts";
import { StreamRedactor } from "../../../../src/workspaces/secret/redactor.ts";
import { writings } from "./writings.ts";

const value = 'p@ss/wörd "1"+2';

/** What comes out of a stream that is cut at these places. */
function redacted(values: readonly string[], bytes: Buffer, cuts: readonly number[] = []): string {
  const matcher = new SecretMatcher(values);
  const stream = new StreamRedactor(() => matcher);
  const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  const out = places.slice(1).map((end, index) => stream.push(bytes.subarray(places[index], end)));
  return Buffer.concat([...out, stream.end()]).toString("latin1");
}

/** The same by other means: each place in turn, each form as a regular expression. */
function expected(values: readonly string[], bytes: Buffer): string {
  const text = bytes.toString("latin1");
  const forms = values.flatMap(formsOf).map(({ bytes: form, skipsLineEnds }) => {
    const characters = [...form.toString("latin1")].map((one) => one.replace(/[^a-z0-9]/gi, "\\$&"));
    return new RegExp(characters.join(skipsLineEnds ? "[\\r\\n]*" : ""), "sy");
  });
  let [out, coveredUpTo] = ["", 0];
  for (let at = 0; at < text.length; at += 1) {
    const ends = forms.flatMap((form) => {
      form.lastIndex = at;
      return form.test(text) ? [form.lastIndex] : [];
    });
    const end = Math.max(...ends, 0);
    if (end > 0 && at >= coveredUpTo) out += "[REDACTED]";
    coveredUpTo = Math.max(coveredUpTo, end);
    if (at >= coveredUpTo) out += text[at];
  }
  return out;
}

test.each(Object.entries(writings(value)))(
  "a value is taken out of a stream as %s, wherever the stream is cut",
  (_, written) => {
    const bytes = Buffer.from(`before ${written} between ${written} behind`);
    const whole = redacted([value], bytes);
    expect(whole).toMatch(/^before .{0,4}\[REDACTED\].{0,4} between .{0,4}\[REDACTED\].{0,4} behind$/s);
    for (let cut = 0; cut <= bytes.length; cut += 1) expect(redacted([value], bytes, [cut])).toBe(whole);
    for (const size of [1, 2, 3, 5, 7, 64]) {
      const cuts = Array.from({ length: Math.floor(bytes.length / size) }, (_cut, index) => (index + 1) * size);
      expect(redacted([value], bytes, cuts)).toBe(whole);
    }
  },
);

/** Texts of few letters, so that values overlap, repeat and begin in each other. */
const letters = fc.string({ unit: fc.constantFrom("a", "b", "\n"), minLength: 0, maxLength: 60 });
const overlapping = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 6, maxLength: 9 }), {
  minLength: 1,
  maxLength: 3,
});

test("values that overlap are taken out as one, and no cut of the stream makes a difference", () => {
  fc.assert(
    fc.property(overlapping, letters, fc.array(fc.nat(60), { maxLength: 8 }), (values, text, cuts) => {
      const bytes = Buffer.from(text);
      const within = cuts.map((cut) => Math.min(cut, bytes.length));
      expect(redacted(values, bytes, within)).toBe(expected(values, bytes));
    }),
    { numRuns: 400 },
  );
});

/** A value, and a stream in which it stands in several ways between bytes of any kind. */
const secret = fc
  .string({ unit: "grapheme", minLength: 6, maxLength: 24 })
  .filter((text) => /^[^\0\r\n]{6,}$/u.test(text));

test("any value is taken out in any of its forms, between any bytes and however the stream is cut", () => {
  const stream = secret.chain((text) =>
    fc.tuple(
      fc.constant(text),
      fc.array(
        fc.oneof(fc.constantFrom(...Object.values(writings(text))), fc.string({ unit: "binary", maxLength: 12 })),
        {
          maxLength: 8,
        },
      ),
      fc.array(fc.nat(1_000), { maxLength: 12 }),
    ),
  );
  fc.assert(
    fc.property(stream, ([text, parts, cuts]) => {
      const bytes = Buffer.from(parts.join("|"));
      const out = redacted(
        [text],
        bytes,
        cuts.map((cut) => Math.min(cut, bytes.length)),
      );
      expect(out).toBe(expected([text], bytes));
      for (const { bytes: form } of formsOf(text)) expect(out.includes(form.toString("latin1"))).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test("a prompt appears at once, and only what may begin a value is held back", () => {
  const matcher = new SecretMatcher(["hunter22"]);
  const stream = new StreamRedactor(() => matcher);
  const said = Buffer.from("Continue? [y/N] ");
  expect(stream.push(said)).toBe(said);
  expect(stream.push(Buffer.from("see hunt")).toString()).toBe("see ");
  expect(stream.push(Buffer.from("ing")).toString()).toBe("hunting");
  expect(stream.push(Buffer.from("hunter2")).toString()).toBe("");
  expect(stream.end().toString()).toBe("hunter2");
  expect(stream.count).toBe(0);
});

test("a value that comes while the stream goes on is taken out from then on", () => {
  const values = ["old-value"];
  const stream = new StreamRedactor(() => new SecretMatcher(values));
  expect(stream.push(Buffer.from("old-value new-value ")).toString()).toBe("[REDACTED] new-value ");
  values.push("new-value");
  expect(stream.push(Buffer.from("old-value new-value ")).toString()).toBe("[REDACTED] [REDACTED] ");
  expect(stream.count).toBe(3);
});

test("a value of several lines is found with either line end, and base64 however it is wrapped", () => {
  const key = `-----BEGIN KEY-----\n${"MIIEvQIBADANBgkqhkiG9w0B".repeat(3)}\n-----END KEY-----\n`;
  const wrapped = Buffer.from(`x${key}y`).toString("base64").replace(/.{16}/g, "$&\n");
  expect(redacted([key], Buffer.from(key.replaceAll("\n", "\r\n")))).toBe("[REDACTED]\r\n");
  expect(redacted([key], Buffer.from(wrapped))).toMatch(/^.{2}\[REDACTED\].{1,4}$/);
});

test("the largest value is found, also in pieces", () => {
  const large = Array.from({ length: 8_192 }, (_, index) => index.toString(16).padStart(8, "0")).join("");
  const bytes = Buffer.from(`<${large}>`);
  expect(redacted([large], bytes, [1, 40_000, 65_530])).toBe("<[REDACTED]>");
});
