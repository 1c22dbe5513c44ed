import type { Duplex } from "node:stream";
import * as z from "zod";
import { withDeadline } from "../../core/deadline.ts";
import { messageOf, PyroError } from "../../core/errors.ts";

/** The commands that pyro gives QEMU, with their arguments. */
export interface QmpCommands {
  qmp_capabilities: { arguments: undefined };
  "migrate-set-capabilities": { arguments: { capabilities: { capability: string; state: boolean }[] } };
  migrate: { arguments: { uri: string } };
  "migrate-incoming": { arguments: { uri: string } };
  stop: { arguments: undefined };
  cont: { arguments: undefined };
  "blockdev-add": { arguments: BlockNode };
  "blockdev-snapshot": { arguments: { node: string; overlay: string } };
}

/** A node of the block graph, with the fields that pyro uses */
interface BlockNode {
  driver: "qcow2" | "file";
  "node-name": string;
  file?: BlockNode;
  filename?: string;
  locking?: "off";
  discard: "unmap";
  cache: { "no-flush": boolean };
  "l2-cache-entry-size"?: number;
  "lazy-refcounts"?: boolean;
  /** null: no node is below it yet, whatever the file says */
  backing?: null;
}

const messageSchema = z.object({
  QMP: z.unknown().optional(),
  id: z.number().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
type QmpMessage = z.output<typeof messageSchema>;

interface Waiter {
  readonly command: string;
  resolve(): void;
  reject(error: PyroError): void;
}

interface EventWaiter {
  matches(message: QmpMessage): boolean;
  resolve(message: QmpMessage): void;
  reject(error: PyroError): void;
}

const replyTimeoutMs = 10_000;
/** QMP messages are short, so a longer line means that the other side does not speak QMP */
const maxLineLength = 1 << 20;

/**
 * A client of the QEMU machine protocol on a connected stream; see docs/interop/qmp-spec in QEMU's
 * tree.
 */
export class QmpClient {
  readonly #stream: Duplex;
  readonly #replies = new Map<number, Waiter>();
  readonly #eventWaiters = new Set<EventWaiter>();
  #nextId = 1;
  #buffered = "";
  #closed: PyroError | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => this.#receive(chunk));
    stream.on("error", (error) => this.#close(`its control connection failed: ${messageOf(error)}`));
    stream.on("close", () => this.#close("its control connection closed"));
  }

  /**
   * Sends a command at once. QEMU runs commands in order, so callers may send several and then
   * await.
   */
  async execute<C extends keyof QmpCommands>(command: C, args?: QmpCommands[C]["arguments"]): Promise<void> {
    const id = this.#nextId++;
    const reply = new Promise<void>((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      this.#replies.set(id, { command, resolve, reject });
      this.#stream.write(`${JSON.stringify({ execute: command, id, ...(args ? { arguments: args } : {}) })}\n`);
    });
    await withDeadline(reply, { timeoutMs: replyTimeoutMs, waitingFor: `QEMU to answer '${command}'` });
  }

  /**
   * Resolves when a migration, in or out, has completed. It must be called before the command that
   * starts it.
   */
  migrationEnd(): Promise<void> {
    const outcome = new Promise<QmpMessage>((resolve, reject) => {
      const waiter: EventWaiter = {
        matches: (message) =>
          message.event === "MIGRATION" && ["completed", "failed"].includes(String(message.data?.["status"])),
        resolve,
        reject,
      };
      if (this.#closed) return reject(this.#closed);
      this.#eventWaiters.add(waiter);
    });
    return outcome.then((message) => {
      if (message.data?.["status"] === "failed") {
        throw new PyroError("internal", "QEMU could not transfer the state of the virtual machine");
      }
    });
  }

  #receive(chunk: string): void {
    const lines = (this.#buffered + chunk).split("\n");
    this.#buffered = lines.pop() ?? "";
    if (this.#buffered.length > maxLineLength) return this.#abandon("it sent an endless line");
    for (const line of lines) {
      if (line.trim() === "") continue;
      try {
        this.#dispatch(messageSchema.parse(JSON.parse(line)));
      } catch (error) {
        return this.#abandon(`it sent what is not QMP: ${messageOf(error)}`);
      }
    }
  }

  #dispatch(message: QmpMessage): void {
    for (const waiter of this.#eventWaiters) {
      if (!waiter.matches(message)) continue;
      this.#eventWaiters.delete(waiter);
      waiter.resolve(message);
    }
    if (message.id === undefined) return;
    const waiter = this.#replies.get(message.id);
    this.#replies.delete(message.id);
    if (!message.error) return waiter?.resolve();
    waiter?.reject(
      new PyroError("internal", `QEMU refused '${waiter.command}': ${message.error.desc}`, {
        details: { class: message.error.class },
      }),
    );
  }

  #abandon(reason: string): void {
    this.#close(reason);
    this.#stream.destroy();
  }

  #close(reason: string): void {
    if (this.#closed) return;
    this.#closed = new PyroError("unavailable", `lost QEMU: ${reason}`);
    for (const waiter of [...this.#replies.values(), ...this.#eventWaiters]) waiter.reject(this.#closed);
    this.#replies.clear();
    this.#eventWaiters.clear();
  }
}
