import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { fromWire, toWire } from "../../../src/core/wire-case.ts";
import {
  announcementType,
  connectionType,
  encodeFrame,
  FrameDecoder,
  framesOf,
  frameType,
} from "../../../src/guest/frames.ts";
import { copyEndSchema, copyFrame, copyProgressSchema, deviceRequestSchema } from "../../../src/guest/inspection.ts";
import {
  agentErrorSchema,
  announcementAnswerSchema,
  clockRequestSchema,
  commandSignalSchema,
  commandStateRequestSchema,
  commandStateSchema,
  connectionSchema,
  execEndingSchema,
  execSpecSchema,
  forkAnswerSchema,
  forkRequestSchema,
  guestInfoSchema,
  protocolVersion,
  questionSchema,
  signalAnswerSchema,
  signalRequestSchema,
  terminalResizeSchema,
  terminalStateSchema,
} from "../../../src/guest/messages.ts";
import { decodeChanges, decodeTree } from "../../../src/guest/tree/decode.ts";
import { encodeTree, wirePath } from "../../../src/guest/tree/encode.ts";
import {
  type ContentPiece,
  type GuestChange,
  type GuestEntry,
  type GuestItem,
  type GuestSide,
  treeChangesSchema,
  treeFrame,
  treeReadSchema,
  treeWriteAnswerSchema,
} from "../../../src/guest/tree/messages.ts";

const folder = new URL("../../../agent/testdata/protocol/", import.meta.url);
const page = readFileSync(new URL("../../../agent/PROTOCOL.md", import.meta.url), "utf8");
const contentLimit = 1024;

const jsonObject = z.record(z.string(), z.json());
type JsonObject = z.output<typeof jsonObject>;
const payload = { json: jsonObject.optional(), text: z.string().optional(), base64: z.base64().optional() };
const header = z.string().regex(/^[0-9a-f]{10}$/);
const vectorSchema = z.strictObject({
  name: z.string(),
  message: z.string(),
  from: z.enum(["host", "guest", "another_host"]),
  route: z.string().optional(),
  status: z.number().optional(),
  path_hex: z.string().optional(),
  header: header.optional(),
  ...payload,
});
type Vector = z.output<typeof vectorSchema>;
const wireSchema = z.strictObject({ header, ...payload });
const refusedSchema = z.strictObject({
  name: z.string(),
  stream: z.enum(["exec_request", "exec_answer", "tree_write", "tree_read", "tree_changes"]),
  frames: z.array(wireSchema),
  refused: z.strictObject({ host: z.string().optional(), guest: z.string().optional() }),
});

const fileNames = ["exec", "inspection", "network", "requests", "tree-changes", "tree-read", "tree-write"] as const;

function load<S extends z.ZodType>(name: string, schema: S): z.output<S>[] {
  return z.array(schema).parse(JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")));
}

const vectorsOf = (name: (typeof fileNames)[number]) => load(name, vectorSchema);
const allVectors = fileNames.flatMap(vectorsOf);
const refusedVectors = load("refused", refusedSchema);

function payloadOf({ json, text, base64 }: z.output<z.ZodObject<typeof payload>>): Buffer {
  return json === undefined
    ? Buffer.from(text ?? base64 ?? "", text === undefined ? "base64" : "utf8")
    : jsonBytes(json);
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function wireOf(frame: z.output<typeof wireSchema>): Buffer {
  return Buffer.concat([Buffer.from(frame.header, "hex"), payloadOf(frame)]);
}

function streamBytes(vectors: readonly Vector[]): Buffer {
  return Buffer.concat(vectors.map((vector) => wireOf({ ...vector, header: vector.header ?? "" })));
}

async function* inOrder<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** The only place that knows what the decoders of `src/guest/tree/decode.ts` take. */
const decoders = {
  tree: (bytes: Buffer) => decodeTree(framesOf(inOrder([bytes]))),
  changes: (bytes: Buffer) => decodeChanges(framesOf(inOrder([bytes])), contentLimit),
};

const schemas: Readonly<Record<string, z.ZodType>> = {
  spec: execSpecSchema,
  signal: commandSignalSchema,
  main_exit: execEndingSchema,
  exit: execEndingSchema,
  command_state_request: commandStateRequestSchema,
  command_state: commandStateSchema,
  signal_request: signalRequestSchema,
  signal_answer: signalAnswerSchema,
  terminal_state: terminalStateSchema,
  terminal_resize: terminalResizeSchema,
  info: guestInfoSchema,
  fork: forkRequestSchema,
  fork_answer: forkAnswerSchema,
  clock: clockRequestSchema,
  tree_read: treeReadSchema,
  tree_changes: treeChangesSchema,
  tree_written: treeWriteAnswerSchema,
  error: agentErrorSchema,
  question: questionSchema,
  connection: connectionSchema,
  answer: announcementAnswerSchema,
  refusal: announcementAnswerSchema,
  device_request: deviceRequestSchema,
  copy_progress: copyProgressSchema,
  copy_end: copyEndSchema,
};

const frameTypes: Readonly<Record<string, number>> = {
  spec: frameType.spec,
  stdin: frameType.stdin,
  stdin_end: frameType.stdinEnd,
  signal: frameType.signal,
  main_exit: frameType.mainExit,
  started: frameType.started,
  stdout: frameType.stdout,
  stderr: frameType.stderr,
  exit: frameType.exit,
  tree_header: treeFrame.header,
  entry: treeFrame.entry,
  content: treeFrame.content,
  content_end: treeFrame.contentEnd,
  hole: treeFrame.hole,
  change: treeFrame.change,
  old_content: treeFrame.oldContent,
  old_content_end: treeFrame.oldContentEnd,
  write_end: treeFrame.end,
  read_end: treeFrame.end,
  changes_end: treeFrame.end,
  question: announcementType.question,
  connection: announcementType.connection,
  answer: announcementType.answer,
  refusal: announcementType.refusal,
  copy_progress: copyFrame.progress,
  copy_end: copyFrame.end,
  data: connectionType.data,
  data_end: connectionType.dataEnd,
  credit: connectionType.credit,
};

test.each(allVectors)("$message: $name", ({ message, from, ...vector }) => {
  if (vector.header !== undefined) {
    const bytes = wireOf({ ...vector, header: vector.header });
    expect([...new FrameDecoder().push(bytes)]).toEqual([
      { type: frameTypes[message], payload: payloadOf(vector), bytes },
    ]);
    expect(encodeFrame(frameTypes[message] ?? -1, payloadOf(vector))).toEqual(bytes);
  }
  const schema = schemas[message];
  if (schema === undefined) {
    // The tests of whole streams read what is in them.
    expect((vector.header !== undefined && message in frameTypes) || from === "another_host").toBe(true);
    return;
  }
  const decoded = fromWire(schema, vector.json);
  const encoded = toWire(schema, decoded);
  if (from === "host") expect(jsonBytes(encoded)).toEqual(payloadOf(vector));
  else expect(encoded).toEqual(vector.json);
});

test("the vectors of a write are what the host sends of that tree", async () => {
  const vectors = vectorsOf("tree-write");
  const sent: Buffer[] = [];
  const headerSchema = z.object({ dest: z.string(), make_parents: z.boolean(), remove_empty_parents: z.boolean() });
  const {
    dest,
    make_parents: makeParents,
    remove_empty_parents: removeEmptyParents,
  } = headerSchema.parse(vectors[0]?.json);
  for await (const frame of encodeTree({ dest, makeParents, removeEmptyParents }, inOrder(itemsOf(vectors)))) {
    sent.push(frame);
  }
  expect(Buffer.concat(sent)).toEqual(streamBytes(vectors));
});

function itemsOf(vectors: readonly Vector[]): GuestItem[] {
  return vectors.flatMap((vector, index) => {
    if (vector.message !== "entry") return [];
    const following = vectors.slice(index + 1);
    const content = following.slice(
      0,
      following.findIndex(({ message }) => message !== "content" && message !== "hole"),
    );
    return [{ entry: entryOf(vector), content: () => inOrder(content.map(pieceOf)) }];
  });
}

const writtenEntrySchema = z.looseObject({
  type: z.enum(["file", "directory", "symlink", "hard_link", "delete"]),
  mode: z.number().optional(),
  size: z.number().optional(),
  mtime_ns: z.string().optional(),
  expect: z.looseObject({ type: z.string(), sha256: z.string().optional() }).optional(),
});

function entryOf({ json, path_hex: hex }: Vector): GuestEntry {
  const { type, mode, size, mtime_ns: mtime, expect: wanted, ...rest } = writtenEntrySchema.parse(json);
  return {
    type,
    path: Buffer.from(hex ?? "", "hex"),
    ...targetOf(rest),
    ...(mode === undefined ? {} : { mode }),
    ...(size === undefined ? {} : { size }),
    ...(mtime === undefined ? {} : { mtimeNs: BigInt(mtime) }),
    ...(wanted === undefined ? {} : { expect: expectationOf(wanted) }),
  };
}

/** The host's own code uses three of the types; the protocol has more. */
function expectationOf(wanted: { type: string; sha256?: string | undefined }): NonNullable<GuestEntry["expect"]> {
  const { type, sha256 } = wanted;
  return {
    type: type as NonNullable<GuestEntry["expect"]>["type"],
    ...(sha256 === undefined ? {} : { sha256 }),
    ...targetOf(wanted),
  };
}

function targetOf(fields: object): { target?: Buffer } {
  const { target, target_base64: base64 } = z
    .object({ target: z.string().optional(), target_base64: z.string().optional() })
    .parse(fields);
  if (target !== undefined) return { target: Buffer.from(target) };
  return base64 === undefined ? {} : { target: Buffer.from(base64, "base64") };
}

function pieceOf(vector: Vector): ContentPiece {
  const bytes = payloadOf(vector);
  return vector.message === "hole" ? { hole: Number(bytes.readBigUInt64BE(0)) } : { data: bytes };
}

test("the vectors of a read are decoded as what they say", async () => {
  const vectors = vectorsOf("tree-read");
  const seen: unknown[] = [];
  for await (const { entry, content } of decoders.tree(streamBytes(vectors))) {
    seen.push({ path: entry.path.toString("hex"), json: readEntry(entry) });
    if (entry.type === "file") for await (const piece of content()) seen.push(piece);
  }
  const wanted = vectors.flatMap((vector): unknown[] => {
    if (vector.message === "entry") return [{ path: vector.path_hex, json: vector.json ?? {} }];
    return vector.message === "content" || vector.message === "hole" ? [pieceOf(vector)] : [];
  });
  expect(seen).toEqual(wanted);
});

function readEntry({ path, target, mtimeNs, expect: _, ...rest }: GuestEntry): JsonObject {
  return {
    ...rest,
    ...wireName(path),
    ...wireTarget(target),
    ...(mtimeNs === undefined ? {} : { mtime_ns: `${mtimeNs}` }),
  };
}

function wireName(bytes: Buffer): JsonObject {
  const { path, pathBase64 } = wirePath(bytes);
  return path === undefined ? { path_base64: pathBase64 ?? "" } : { path };
}

function wireTarget(bytes: Buffer | undefined): JsonObject {
  if (bytes === undefined) return {};
  const { path, pathBase64 } = wirePath(bytes);
  return path === undefined ? { target_base64: pathBase64 ?? "" } : { target: path };
}

test("the vectors of changes are decoded as what they say", async () => {
  const vectors = vectorsOf("tree-changes");
  const seen: unknown[] = [];
  for await (const change of decoders.changes(streamBytes(vectors))) seen.push(describeChange(change));
  expect(seen).toEqual(changesSaid(vectors));
});

function describeChange({ path, oldContent, newContent, contentChanged, old, new: now, status }: GuestChange): object {
  return {
    path: path.toString("hex"),
    json: {
      ...wireName(path),
      status,
      old: readSide(old),
      new: readSide(now),
      content_changed: contentChanged,
      content: oldContent || newContent ? true : undefined,
    },
    old: oldContent?.toString(),
    new: newContent?.toString(),
  };
}

function readSide(side: GuestSide | null): JsonObject | null {
  if (side === null) return null;
  const { target, ...rest } = side;
  return { ...rest, ...wireTarget(target) };
}

/** The changes of a stream, each with the content that follows it. */
function changesSaid(vectors: readonly Vector[]): object[] {
  const changes: { path: string | undefined; json: JsonObject | undefined; old?: string; new?: string }[] = [];
  let side: "old" | "new" = "new";
  for (const vector of vectors) {
    const current = changes.at(-1);
    if (vector.message === "change") changes.push({ path: vector.path_hex, json: vector.json });
    else if (vector.message === "old_content") side = "old";
    else if (vector.message === "content") side = "new";
    if (current && ["content", "old_content", "hole"].includes(vector.message)) {
      const piece = pieceOf(vector);
      current[side] = (current[side] ?? "") + ("hole" in piece ? "\0".repeat(piece.hole) : piece.data.toString());
    }
  }
  return changes;
}

test.each(refusedVectors)("$stream is refused: $name", async ({ stream, frames, refused }) => {
  expect(Object.keys(refused)).not.toEqual([]);
  if (refused.host === undefined) return;
  await expect(hostReads(stream, Buffer.concat(frames.map(wireOf)))).rejects.toThrow(refused.host);
});

async function hostReads(stream: z.output<typeof refusedSchema>["stream"], bytes: Buffer): Promise<void> {
  if (stream === "tree_changes") {
    for await (const _ of decoders.changes(bytes));
  } else if (stream === "tree_read") {
    for await (const { content } of decoders.tree(bytes)) for await (const _ of content());
  } else if (stream === "exec_answer") {
    for (const { payload: text } of new FrameDecoder().push(bytes)) {
      fromWire(execEndingSchema, JSON.parse(text.toString()));
    }
  } else {
    throw new Error(`the host reads no ${stream}`);
  }
}

test("both sides know every file of vectors", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  expect(names.sort()).toEqual([...fileNames, "refused"].map((name) => `${name}.json`).sort());
});

/** The first column of the tables of a part of the page, or of all of it. */
function firstCells(part: string): string[] {
  return [...part.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell ?? "");
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? "");
}

function section(title: string): string {
  const start = page.indexOf(title);
  expect(start).toBeGreaterThan(0);
  const rest = page.slice(start + title.length);
  return rest.slice(0, rest.search(/^#|^[A-Z][a-z ]*:$/m));
}

/** Every key of a JSON value, at any depth. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...keysOf(inner)]);
}

function valuesOf(pick: (json: JsonObject) => unknown): unknown[] {
  return allVectors.flatMap(({ json }) => (json === undefined ? [] : [pick(json)]));
}

test("every frame of PROTOCOL.md has a vector", () => {
  const types = firstCells(page).flatMap((cell) => cell.match(/^`0x([0-9a-f]{2})`/)?.[1] ?? []);
  expect(types.length).toBe(
    [frameType, announcementType, connectionType, treeFrame, copyFrame].flatMap((types) => Object.keys(types)).length,
  );
  const covered = new Set(allVectors.map((vector) => vector.header?.slice(0, 2)));
  expect(types.filter((type) => !covered.has(type))).toEqual([]);
});

test("every route of PROTOCOL.md has a vector, if it has a body of its own", () => {
  const routes = [...page.matchAll(/^## `((?:GET|POST) \S+)`\n\n(.*)/gm)];
  expect(routes.length).toBeGreaterThan(8);
  const inFrames = ["POST /v1/exec"];
  const covered = new Set(allVectors.map(({ route }) => route));
  const missing = routes.filter(([, route, text]) => !text?.startsWith("No body.") && !covered.has(route));
  expect(missing.map(([, route]) => route)).toEqual(inFrames);
  const known = new Set(routes.map(([, route]) => route));
  expect([...covered].filter((route) => route !== undefined && route !== "any" && !known.has(route))).toEqual([]);
});

test("every field of PROTOCOL.md has a vector", () => {
  const fields = [...page.matchAll(/^\| field[^|]*\|.*\n\|[-|]+\n((?:\|.*\n)+)/gm)].flatMap(([, rows]) =>
    firstCells(rows ?? "").flatMap(codesIn),
  );
  expect(fields.length).toBeGreaterThan(60);
  const covered = new Set(allVectors.flatMap(({ json }) => keysOf(json)));
  expect(fields.filter((field) => !covered.has(field.split(".").at(-1) ?? ""))).toEqual([]);
});

test("every code, kind and expectation of PROTOCOL.md has a vector", () => {
  const errorCodes = [...section("### Errors").matchAll(/^\| \d+ \| `(\w+)`/gm)].map(([, code]) => code);
  const execCodes = firstCells(section("A command that could not be started")).flatMap((cell) => codesIn(cell));
  const expectations = [...page.matchAll(/^\| `\{"type": "(\w+)"/gm)].map(([, type]) => type);
  const kinds = codesIn(page.match(/^\| `type` \| string \| (.*) \|$/m)?.[1] ?? "");
  const statuses = codesIn(page.match(/^\| `status` \| string \| (.*) \|$/m)?.[1] ?? "");
  const nested = (json: unknown, key: string) => z.looseObject({ [key]: z.json() }).safeParse(json).data?.[key];
  for (const [names, count, values] of [
    [errorCodes, 9, valuesOf((json) => nested(json["error"], "code"))],
    [
      execCodes.filter((code) => code !== "error.code" && code !== "exit_code"),
      4,
      valuesOf((json) => nested(json["error"], "code")),
    ],
    [expectations, 5, valuesOf((json) => nested(json["expect"], "type"))],
    [kinds, 7, valuesOf((json) => json["type"])],
    [statuses, 4, valuesOf((json) => json["status"])],
  ] as const) {
    expect([...new Set(names)]).toHaveLength(count);
    expect(names.filter((name) => !values.includes(name))).toEqual([]);
  }
});

test("the vectors, the page and both sides are of one version", () => {
  expect(page).toContain(`# Guest protocol ${protocolVersion}\n`);
  expect(page).toContain(`\`pyro-protocol: ${protocolVersion}\``);
  const info = allVectors.find(({ message }) => message === "info");
  expect(info?.json).toMatchObject({ protocol: protocolVersion });
});
