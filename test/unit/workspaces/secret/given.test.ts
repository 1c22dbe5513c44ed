import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PyroError } from "../../../../src/core/errors.ts";
import { type GivenTexts, givenSecrets, readGiven, secretsFor } from "../../../../src/workspaces/secret/given.ts";

const none: GivenTexts = { secret: [], secretFiles: [], secretCommands: [], secrets: [] };
const given = (texts: Partial<GivenTexts>) => givenSecrets({ ...none, ...texts });
const read = (texts: Partial<GivenTexts>, variables = {}) => readGiven({ variables }, given(texts));

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-secrets-"));
  await writeFile(join(dir, "value"), "from-a-file\n");
  await writeFile(join(dir, "latin"), Buffer.from("caf\xe9-and-more", "latin1"));
});
afterAll(() => rm(dir, { recursive: true }));

test("the command line names values, variables, files and commands", async () => {
  await writeFile(join(dir, "issued"), '{"value": "from-a-command", "expires_at": "2030-01-01T00:00:00Z"}');
  const command = `cat ${dir}/issued`;
  const texts = { secret: ["A=with=sign", "B"], secretFiles: [`C=${dir}/value`] };
  const { records, held } = await read(
    { ...texts, secretCommands: [`D=${command}`, "E=echo printed | tr p P"] },
    { B: "of-the-host" },
  );
  expect(held.map(({ name, value, expiresAt }) => [name, value, expiresAt])).toEqual([
    ["A", "with=sign", null],
    ["B", "of-the-host", null],
    ["C", "from-a-file\n", null],
    ["D", "from-a-command", "2030-01-01T00:00:00Z"],
    ["E", "Printed", null],
  ]);
  expect(records.map(({ source }) => source)).toEqual([
    { kind: "literal" },
    { kind: "env", variable: "B" },
    { kind: "file", path: join(dir, "value") },
    { kind: "command", command, cwd: process.cwd() },
    { kind: "command", command: "echo printed | tr p P", cwd: process.cwd() },
  ]);
  expect(JSON.stringify(records)).not.toMatch(/with=sign|of-the-host|from-a-file/);
});

test("a command whose text has the value is refused, because it would be on file", async () => {
  await expect(read({ secretCommands: ["A=echo hunter22"] })).rejects.toThrow(
    "cannot use secret 'A': its source has a value in its text",
  );
});

test.each<[string, Partial<GivenTexts>, string]>([
  ["a name", { secret: ["1A=value-of-it"] }, "'1A': its name must be"],
  ["the same name twice", { secret: ["A=value-of-it", "A"] }, "'A': it is given twice"],
  ["a file without a path", { secretFiles: ["A"] }, "'A': it is not NAME=PATH"],
  ["a command without text", { secretCommands: ["A="] }, "'A': it is not NAME=COMMAND"],
  ["no source", { secrets: [{ name: "A", hosts: [], inQuery: false }] }, "'A': it needs exactly one of"],
  [
    "two sources",
    { secrets: [{ name: "A", env: "A", value: "value-of-it", hosts: [], inQuery: false }] },
    "'A': it needs exactly one of",
  ],
  ["a host that is none", { secret: ["A@api example"] }, "'api example'"],
  ["an address as a host", { secret: ["A@192.0.2.7"] }, "'A': '192.0.2.7' is an address"],
  ["too many", { secret: Array.from({ length: 33 }, (_, index) => `A${index}`) }, "33 secrets: 32 are the most"],
])("%s: refused before anything is read", (_, texts, message) => {
  expect(() => given(texts)).toThrow(message);
});

test("a model may name no command of the host", () => {
  const secrets = [{ name: "A", command: "cat token", hosts: [], inQuery: false }];
  expect(() => givenSecrets({ ...none, secrets }, false)).toThrow(/a model may not run a command on the host/);
  expect(givenSecrets({ ...none, secrets }, true)).toEqual(secrets);
});

test.each<[string, Partial<GivenTexts>, string]>([
  ["short", { secret: ["A=12345"] }, "its value has fewer than 6 characters"],
  ["short but for line ends", { secret: ["A=1234\n\n\n"] }, "its value has fewer than 6 characters"],
  ["short but for line ends in it", { secret: ["A=a\n\n\n\n\nb"] }, "its value has fewer than 6 characters"],
  ["too long", { secret: [`A=${"é".repeat(32 * 1024)}x`] }, "its value has more than 65536 bytes"],
  ["NUL", { secret: ["A=before\0after"] }, "its value has a NUL character in it"],
  ["half a character", { secret: ["A=before\ud800after"] }, "its value is not UTF-8 text"],
  ["the marker", { secret: ["A=REDACTED"] }, "its value cannot be told from [REDACTED]"],
  ["no variable", { secret: ["A"] }, "the variable A is not set"],
  ["no file", { secretFiles: ["A=/none/such"] }, "cannot read '/none/such'"],
  ["bytes that are no text", { secretFiles: ["A=DIR/latin"] }, "its file is not UTF-8 text"],
  ["a command that fails", { secretCommands: ["A=echo hunter22-is-out; exit 3"] }, "its command ended with 3"],
  [
    "an object without value",
    { secretCommands: [`A=echo '{"value": 1}'`] },
    "printed an object without a text 'value'",
  ],
])("a value that cannot be used is refused: %s", async (_, texts, reason) => {
  const placed = { ...texts, secretFiles: texts.secretFiles?.map((text) => text.replace("DIR", dir)) ?? [] };
  const refused: unknown = await read(placed).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(PyroError);
  expect((refused as PyroError).message).toContain(`cannot use secret 'A': `);
  expect((refused as PyroError).message).toContain(reason);
});

test("a secret for hosts has a placeholder, which stays when it is given again", async () => {
  const texts = { secret: ["A@api.example.com,*.example.org=ghp_0123456789abcdefghij", "B=of-the-guest"] };
  const before = await read(texts);
  expect(before.records).toMatchObject([
    { hosts: ["api.example.com", "*.example.org"], placeholder: expect.stringMatching(/^ghp_[0-9a-z]{20}$/) },
    { hosts: [], placeholder: null },
  ]);
  const given = await read({ secret: ["A@api.example.com=another-value-of-it"] });
  const again = await secretsFor({ variables: {} }, before.records, given);
  const [earlier, later] = [before, again].map(({ records }) => records.find(({ name }) => name === "A"));
  expect(later).toMatchObject({ hosts: ["api.example.com"], placeholder: earlier?.placeholder });
});

test("a secret that the guest has had is not one for hosts later", async () => {
  const before = await read({ secret: ["A=of-the-guest"] });
  const given = await read({ secret: ["A@api.example.com=of-the-guest"] });
  await expect(secretsFor({ variables: {} }, before.records, given)).rejects.toThrow(
    "cannot use secret 'A' for hosts: the guest has had its value",
  );
});

test("after a stop sources are read again, a literal is gone, and what is given now counts", async () => {
  const texts = { secret: ["A=a-literal", "B", "C=another-literal"], secretFiles: [`F=${dir}/value`] };
  const before = await read(texts, { B: "of-the-host" });
  const again = await secretsFor({ variables: {} }, before.records, await read({ secret: ["C=given-again"] }));
  expect(again.records.map(({ name, available }) => [name, available])).toEqual([
    ["A", false],
    ["B", false],
    ["F", true],
    ["C", true],
  ]);
  expect(again.held.map(({ value }) => value)).toEqual(["from-a-file\n", "given-again"]);
});
