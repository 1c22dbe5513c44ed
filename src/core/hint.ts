/** A call of an operation as data. Each surface writes it in its own terms. */
export interface OperationCall {
  /** Name in the operation table, such as `workspace.start` */
  readonly operation: string;
  /** Arguments by the names of the operation's input */
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
  /** Whether the hint tells to make the call, or only names it */
  readonly as: "imperative" | "name";
}

/** One thing to do: texts and calls in their order. */
export type Hint = readonly (string | OperationCall)[];

/** Writes a call; `isFirst` if the hint begins with it. */
export type SayCall = (call: OperationCall, isFirst: boolean) => string;

/**
 * A hint with calls in it: hint`${toRun("workspace.start", { workspaceId })}; its files are kept.`
 */
export function hint(texts: TemplateStringsArray, ...calls: readonly OperationCall[]): Hint {
  return texts.flatMap((text, index) => [text, calls[index] ?? ""]).filter((part) => part !== "");
}

/** Tells to make a call. */
export function toRun(operation: string, args: OperationCall["arguments"] = {}): OperationCall {
  return { operation, arguments: args, as: "imperative" };
}

/** Names a call. */
export function named(operation: string, args: OperationCall["arguments"] = {}): OperationCall {
  return { operation, arguments: args, as: "name" };
}

/** A hint in the terms of one surface. */
export function sayHint(parts: Hint, sayCall: SayCall): string {
  return parts.map((part, index) => (typeof part === "string" ? part : sayCall(part, index === 0))).join("");
}

/** A call as a user of the library makes it. */
export const sayInLibrary: SayCall = (call, isFirst) => {
  const code = `\`${libraryCall(call)}\``;
  return call.as === "name" ? code : `${verb("Call", isFirst)} ${code}`;
};

/** `pyro.workspace.start({ workspaceId: "0a1b" })` */
export function libraryCall({ operation, arguments: args }: OperationCall): string {
  const fields = Object.entries(args).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `pyro.${operation}(${fields.length === 0 ? "" : `{ ${fields.join(", ")} }`})`;
}

/** A verb as it must begin at the place of its call in the hint. */
export function verb(capitalised: string, isFirst: boolean): string {
  return isFirst ? capitalised : capitalised.charAt(0).toLowerCase() + capitalised.slice(1);
}

/** A hint, or text that is the same on every surface, in the terms of one surface. */
export function sayAdvice(advice: string | Hint, sayCall: SayCall): string {
  return typeof advice === "string" ? advice : sayHint(advice, sayCall);
}
