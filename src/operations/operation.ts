import type { Readable } from "node:stream";
import type * as z from "zod";
import { PyroError } from "../core/errors.ts";
import type { SayCall } from "../core/hint.ts";
import { checkWire, explainMismatch } from "../core/wire-case.ts";
import { explainDiskError } from "../host/files.ts";
import type { EngineContext, EngineProgress } from "../machines/context.ts";
import type { NetworkRules } from "../network/policy/rules.ts";
import type { ProjectSource } from "../projects/source.ts";
import type { TreeProgress } from "../workspaces/control/progress.ts";
import { findWorkspaceId } from "../workspaces/record/find.ts";

/** Progress of what a first use installs and builds, and of what takes longer than a second. */
export type OperationProgress = EngineProgress | TreeProgress;

/** A person's terminal, as long as every key goes to the guest. */
export interface OpenTerminal extends Disposable {
  readonly keys: AsyncIterable<Buffer>;
  /** Called with each new size of the window */
  onResize(resized: (size: { readonly cols: number; readonly rows: number }) => void): void;
  print(bytes: Buffer): Promise<void> | void;
}

/**
 * Streams of a guest command, for a surface that shows them as they come instead of in the result.
 */
export interface LiveStreams {
  readonly stdin?: Readable | undefined;
  onStdout(chunk: Buffer): Promise<void> | void;
  onStderr(chunk: Buffer): Promise<void> | void;
  /** undefined if they are no terminal */
  readonly terminal?: { size(): { readonly cols: number; readonly rows: number }; open(): OpenTerminal } | undefined;
}

/** The context that a surface gives to an operation. */
export interface OperationContext {
  readonly engine: EngineContext;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: OperationProgress) => void) | undefined;
  readonly liveStreams?: LiveStreams | undefined;
  /**
   * Limit for each stream of a command's output in the result, in `bytes`, half of it from the end;
   * default: 64 MiB
   */
  readonly keptOutputBytes?: number | undefined;
  /**
   * Whether a command's output in the result is the text that a terminal would be left with;
   * default: no, it is what the command wrote
   */
  readonly asTerminal?: boolean | undefined;
  /** Time after which a running command is detached, which the result says; default: never */
  readonly detachAfterMs?: number | undefined;
  /**
   * Whether an input may ask for the host instead of a machine; default: yes, the caller decides
   */
  readonly mayUseHost?: boolean | undefined;
  /**
   * What a machine may reach at most, and reaches unless the input asks for less; default: what the
   * input asks for
   */
  readonly networkCeiling?: NetworkRules | undefined;
  /** Source of a workspace without a seed; default: none */
  readonly project?: ProjectSource | undefined;
  /** Name of an input field on this surface; default: snake_case */
  readonly nameField?: ((field: string) => string) | undefined;
  /** Writes a call in a hint on this surface; default: as the library does */
  readonly sayCall?: SayCall | undefined;
}

/** A flag that names a file whose text becomes a field's value. */
export interface FileFlag {
  readonly flag: string;
  readonly description: string;
  /** The operation's own limit for the text, above which no file is read */
  readonly maxBytes: number;
}

/** An operation on the command line, beyond its schemas. */
export interface CommandLine<O> {
  /**
   * Input fields given by position, in order. If the last one is an array, it takes all words after
   * `--`
   */
  readonly positionals?: readonly string[];
  /** Words after `pyro`, as a user would type them */
  readonly examples: readonly [string, ...string[]];
  /** Input fields that this surface has no use for */
  readonly without?: readonly string[];
  /** Always prints JSON */
  readonly jsonOnly?: boolean;
  /** Standard output for people, with control characters escaped */
  text?(output: O): string;
  /** Standard output for people and programs, such as a patch; escaped only on a terminal */
  raw?(output: O): string;
  /** Lines about the result for standard error */
  notes?(output: O): readonly string[];
  /** Lines for standard error that the user has to see in any case, also beside JSON */
  warnings?(output: O): readonly string[];
  /** A flag that prints one part of the result, for scripts */
  readonly part?: { readonly flag: string; readonly description: string; text(output: O): string };
  /** Fields of pairs of which the value may be left out: it is the same as the key */
  readonly bareKeys?: readonly string[];
  /** Flags that are not named after their field, by field */
  readonly flagNames?: Readonly<Record<string, string>>;
  /** Flags that name a file whose text becomes a field's value, by field */
  readonly fileFlags?: Readonly<Record<string, FileFlag>>;
  exitCode?(output: O): number;
}

/** An operation as a model's tool, beyond its schemas. */
export interface ModelTool<O> {
  /** The tool's name; default: the operation's, with `_` for `.` */
  readonly name?: string;
  /** What it does, when to use it and what to know; default: the summary */
  readonly description?: string;
  /** Fields that a model gives in another form */
  readonly input?: z.ZodRawShape;
  /**
   * Fields of the result that the tool's definition names, where another tool's names the others;
   * default: all
   */
  readonly namedFields?: readonly (keyof O & string)[];
  /** Whether a second call changes nothing more; a read always is idempotent */
  readonly isIdempotent?: boolean;
  /** Whether a call with this input only reads, although the operation can do more */
  isRead?(input: Readonly<Record<string, unknown>>): boolean;
  /** The result as text; default: all that the command line shows */
  text?(output: O): string;
  /**
   * The result shortened to about `maxChars` characters of JSON. It says what is left out and how
   * to get that
   */
  shortened?(output: O, maxChars: number): O;
  /** Limit of the result in characters of JSON, if it is below the client's */
  readonly maxChars?: number;
}

/** One thing that pyro can do, declared once for every surface. */
export interface Operation<
  N extends string = string,
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodObject = z.ZodObject,
> {
  /**
   * Dotted path: `env.list` is `pyro env list` on the command line and `pyro.env.list` in
   * TypeScript
   */
  readonly name: N;
  readonly summary: string;
  readonly effect: "read" | "write" | "destroy";
  readonly input: I;
  readonly output: O;
  /** undefined: it is no command, only a tool and a method of the library */
  readonly cli?: CommandLine<z.output<O>>;
  readonly mcp?: ModelTool<z.output<O>>;
  handle(context: OperationContext, input: z.output<I>): Promise<z.input<O>>;
}

/** Keeps the types of name and schemas for the handler and for the library's methods. */
export function defineOperation<const N extends string, I extends z.ZodObject, O extends z.ZodObject>(
  operation: Operation<N, I, O>,
): Operation<N, I, O> {
  const { name, input, output, mcp } = operation;
  checkWire(input, `${name}.input`);
  checkWire(output, `${name}.output`);
  for (const [field, schema] of Object.entries(mcp?.input ?? {})) checkWire(schema as z.ZodType, `${name}.${field}`);
  return operation;
}

/** Runs an operation on input that nothing has checked yet. */
export async function invoke<I extends z.ZodObject, O extends z.ZodObject>(
  operation: Operation<string, I, O>,
  context: OperationContext,
  input: unknown,
): Promise<z.output<O>> {
  const parsed = operation.input.strict().safeParse(input);
  if (!parsed.success) {
    throw new PyroError("invalid_argument", explainMismatch(parsed.error, context.nameField));
  }
  return perform(operation, context, parsed.data as z.output<I>);
}

/** Runs an operation on input that its surface has parsed with the operation's own schema. */
export async function perform<I extends z.ZodObject, O extends z.ZodObject>(
  operation: Operation<string, I, O>,
  context: OperationContext,
  input: z.output<I>,
): Promise<z.output<O>> {
  const known = await withWorkspaceId(context, input);
  const output = await operation.handle(context, known).catch((error: unknown) => {
    throw explainDiskError(error);
  });
  return operation.output.parse(output) as z.output<O>;
}

/** The same input with the whole id of the workspace that it names. */
async function withWorkspaceId<V extends object>({ engine }: OperationContext, input: V): Promise<V> {
  if (!("workspaceId" in input) || typeof input.workspaceId !== "string") return input;
  return { ...input, workspaceId: await findWorkspaceId(engine.layout.workspacesDir, input.workspaceId) };
}
