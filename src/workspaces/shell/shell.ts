import { Deferred } from "../../core/async.ts";
import { PyroError } from "../../core/errors.ts";
import { Pace } from "../../core/pace.ts";
import { encodeFrame, frameType } from "../../guest/frames.ts";
import { InputFrames } from "../../guest/input-frames.ts";
import type { TerminalSize, TerminalState } from "../../guest/messages.ts";
import { exitStatus, nothingKnown } from "../../machines/exit-status.ts";
import type { Session } from "../control/session.ts";
import type { StreamRedactor } from "../secret/redactor.ts";
import { foregroundOf } from "./foreground.ts";
import { ShellScreen } from "./terminal/screen.ts";
import { Scrollback } from "./terminal/scrollback.ts";
import type { Foreground, Shell as ShellState } from "./verbs.ts";

/** Input that no program reads */
const maxUnreadInput = 64 * 1024;
/** A program that asks its terminal something reads the answers */
const maxUnreadAnswers = 4 * 1024;
/** A terminal that takes more, for long, would only keep the host busy */
const outputPace = { perSecond: 2 * 1024 * 1024, burst: 16 * 1024 * 1024 };

export interface ShellStart extends TerminalSize {
  readonly shellId: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly session: Session;
  /** Takes the values of secrets out of what it prints */
  readonly redactor: StreamRedactor;
}

/** A shell of a workspace, with what it has printed and what a person would see of it. */
export class Shell {
  readonly id: string;
  readonly session: Session;
  readonly screen: ShellScreen;
  readonly scrollback = new Scrollback();
  readonly #started = new Deferred();
  readonly #ended = new Deferred();
  readonly #cwd: string;
  readonly #input = new InputFrames();
  readonly #killer = new AbortController();
  readonly #startedAt = new Date().toISOString();
  readonly #redactor: StreamRedactor;
  #typedBytes = 0;
  #arrivedBytes = 0;
  /** How much of what was typed the guest had when it was last looked at */
  #receivedBytes = 0;
  #lastOutputMs = performance.now();
  #lastInputMs = performance.now();
  #end: Pick<ShellState, "exitCode" | "signal"> | undefined;
  /** Number of its process in the guest; undefined before it has one */
  #pid: number | undefined;
  #startFailure: unknown;
  /** Whether an answer waits for what the guest has received; others meanwhile are left out */
  #isAnswering = false;
  #printed = new Deferred();

  constructor({ shellId, cwd, env, session, redactor, cols, rows }: ShellStart) {
    this.id = shellId;
    this.#redactor = redactor;
    this.session = session;
    this.#cwd = cwd;
    this.screen = new ShellScreen({ cols, rows }, (answer) => this.#answer(Buffer.from(answer)));
    void this.#run({ cwd, env, cols, rows });
  }

  get label(): string {
    return `shell ${this.id}`;
  }

  get state(): ShellState {
    return {
      shellId: this.id,
      state: this.#end ? "exited" : "running",
      cwd: this.#cwd,
      ...this.screen.size,
      startedAt: this.#startedAt,
      exitCode: this.#end?.exitCode ?? null,
      signal: this.#end?.signal ?? null,
    };
  }

  /** Resolves when it has a process. Fails if it gets none. */
  async started(): Promise<void> {
    await Promise.race([this.#started.promise, this.#ended.promise]);
    if (this.#pid === undefined) throw this.#startFailure;
  }

  /** Resolves when its first process has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  /** How much the guest has sent, before secrets are taken out of it */
  get arrivedBytes(): number {
    return this.#arrivedBytes;
  }

  /** Time since something was printed or typed */
  get quietMs(): number {
    return performance.now() - Math.max(this.#lastOutputMs, this.#lastInputMs);
  }

  /** Time since something was typed, and whether something was printed since then */
  get sinceInput(): { readonly ms: number; readonly hasPrinted: boolean } {
    return { ms: performance.now() - this.#lastInputMs, hasPrinted: this.#lastOutputMs > this.#lastInputMs };
  }

  /** Resolves when something more is printed, or the shell has ended. */
  get printed(): Promise<void> {
    return this.#printed.promise;
  }

  /** Types something. Refuses it while a lot of earlier input is not read. */
  async type(bytes: Buffer): Promise<void> {
    if (this.#typedBytes + bytes.length - this.#receivedBytes > maxUnreadInput) await this.look();
    const unread = this.#typedBytes - this.#receivedBytes;
    if (unread + bytes.length > maxUnreadInput) {
      throw new PyroError(
        "resource_exhausted",
        `cannot type into shell '${this.id}': ${unread} bytes are not read yet`,
        {
          hint: `Type at most ${maxUnreadInput} bytes at once, and look at what the program does.`,
        },
      );
    }
    this.#type(bytes);
  }

  /** Types what the terminal answers. Looks at what the guest has received only if it must. */
  #answer(bytes: Buffer): void {
    const typeIt = () => {
      if (this.#typedBytes - this.#receivedBytes >= maxUnreadAnswers) return false;
      this.#type(bytes);
      return true;
    };
    if (this.#isAnswering || typeIt()) return;
    this.#isAnswering = true;
    void this.look()
      .then(typeIt, () => {})
      .finally(() => {
        this.#isAnswering = false;
      });
  }

  #type(bytes: Buffer): void {
    if (!this.isRunning) return;
    this.#typedBytes += bytes.length;
    this.#lastInputMs = performance.now();
    this.#input.send(encodeFrame(frameType.stdin, bytes));
  }

  /** What happens at the terminal now; undefined if the shell has ended. */
  async look(signal?: AbortSignal): Promise<TerminalState | undefined> {
    if (!this.isRunning) return undefined;
    const state = await this.session.machine.agent.terminalState(this.label, signal).catch((error: unknown) => {
      if (!this.isRunning || PyroError.from(error).code === "not_found") return undefined;
      throw error;
    });
    if (state) this.#receivedBytes = Math.max(this.#receivedBytes, state.receivedBytes);
    return state;
  }

  foregroundIn(state: TerminalState | undefined): Foreground | null {
    if (!state) return null;
    const { commandMarks: marks, cursor } = this.screen;
    const sight = { shellPid: this.#pid ?? 0, marks, alternate: cursor.alternate, typedBytes: this.#typedBytes };
    return foregroundOf(state, sight);
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.session.machine.agent.resizeTerminal(this.label, size);
    this.screen.resize(size);
  }

  /** Kills it in another way than by asking its guest. */
  kill(): void {
    this.#killer.abort();
  }

  /** Runs it to its end. Never rejects. */
  async #run({ cwd, env, cols, rows }: Pick<ShellStart, "cwd" | "env" | "cols" | "rows">): Promise<void> {
    const pace = new Pace(outputPace);
    const { signal } = this.#killer;
    const spec = { cwd, env, timeoutMs: 0, stdin: true, label: this.label, terminal: { cols, rows } };
    const ending = await this.session.machine
      .exec(spec, {
        input: this.#input,
        onStarted: (pid) => {
          this.#pid = pid;
          this.#started.resolve();
        },
        onStdout: async (chunk) => {
          await this.#show(this.#redactor.push(chunk));
          this.#arrivedBytes += chunk.length;
          this.#lastOutputMs = performance.now();
          this.#tell();
          await pace.next(signal, chunk.length).catch(() => {});
        },
        onStderr: () => {},
        signal,
      })
      .catch((error: unknown) => {
        this.#startFailure = error;
        return undefined;
      });
    await this.#show(this.#redactor.end());
    if (ending?.error) this.#startFailure = notStarted(ending.error.message);
    const { exitCode, signal: endSignal } = ending ? exitStatus(ending) : nothingKnown;
    this.#end = { exitCode, signal: endSignal };
    this.#input.end();
    this.#tell();
    this.#ended.resolve();
  }

  async #show(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    await this.screen.show(bytes);
    this.scrollback.add(bytes);
  }

  #tell(): void {
    this.#printed.resolve();
    this.#printed = new Deferred();
  }

  dispose(): void {
    this.screen.dispose();
  }
}

function notStarted(reason: string): PyroError {
  return new PyroError("failed_precondition", `cannot open a shell: ${reason}`);
}
