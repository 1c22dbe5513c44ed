import { randomBytes } from "node:crypto";
import { endsWithin } from "../../core/deadline.ts";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import type { TerminalState } from "../../guest/messages.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import type { VerbInput, VerbOutput } from "../control/protocol.ts";
import type { Call } from "../control/server.ts";
import type { Session } from "../control/session.ts";
import { readText } from "./reading.ts";
import type { Shell } from "./shell.ts";
import { typed } from "./terminal/keys.ts";
import type { Shell as ShellState, shellVerbs } from "./verbs.ts";
import { view } from "./viewing.ts";
import { untilPrinted, untilWaited } from "./waiting.ts";

type Verbs = typeof shellVerbs;

/** Shells that a workspace may have */
const maxShells = 8;
/** Time in which a shell may end by itself after a hang-up */
const hangUpMs = 2_000;
/** A killed process ends at once, unless the guest is in trouble */
const killMs = 10_000;
/** What the guest says that it has sent comes in this time */
const arrivalMs = 1_000;

/** What a terminal is to programs. Pagers would stop for keys, so none is started unasked */
const terminalVariables = { TERM: "xterm-256color", COLORTERM: "truecolor", PAGER: "cat", GIT_PAGER: "cat" };

/**
 * The shells of a workspace. They live as long as its machine, and leave no trace in its record.
 */
export class Shells {
  readonly #workspace: OwnedWorkspace;
  readonly #shells = new Map<string, Shell>();

  constructor(workspace: OwnedWorkspace) {
    this.#workspace = workspace;
    workspace.beforeStop(() => this.#closeAll());
  }

  async open({ cwd, cols, rows, env, secretEnv }: VerbInput<Verbs["openShell"]>): Promise<ShellState> {
    const { secrets } = this.#workspace;
    const ofSecrets = await secrets.variables(secretEnv, env);
    // Its terminal emulator is loaded only where there are shells.
    const { Shell } = await import("./shell.ts");
    const session = await this.#workspace.session();
    this.#requireRoom(session);
    const variables = { ...this.#workspace.variables, ...terminalVariables, ...env, ...ofSecrets };
    const start = { shellId: newShellId(), cwd, cols, rows, env: variables, session };
    const shell = new Shell({ ...start, redactor: secrets.stream() });
    this.#shells.set(shell.id, shell);
    await shell.started().catch((error: unknown) => {
      this.#forget(shell);
      throw error;
    });
    return shell.state;
  }

  async list(): Promise<{ shells: ShellState[] }> {
    const session = await this.#workspace.session();
    return { shells: this.#of(session).map(({ state }) => state) };
  }

  async read(
    { shellId, wait, ...request }: VerbInput<Verbs["readShell"]>,
    { signal }: Pick<Call, "signal">,
  ): Promise<VerbOutput<Verbs["readShell"]>> {
    const shell = await this.#known(shellId);
    const waited = wait && (await untilWaited(shell, wait, signal));
    const state = waited?.state ?? (await this.#look(shell, signal));
    const foreground = this.#workspace.secrets.redacted(shell.foregroundIn(state));
    const { row, column, alternate } = shell.screen.cursor;
    return {
      shell: shell.state,
      ...readText(shell, request),
      screen: { cursorRow: row, cursorCol: column, alternate },
      foreground,
      lastExitCode: shell.screen.commandMarks.lastExitCode,
      waitEnd: waited?.end ?? null,
    };
  }

  /** Looks at the terminal, and waits until all that was printed before is here. */
  async #look(shell: Shell, signal: AbortSignal): Promise<TerminalState | undefined> {
    const state = await shell.look(signal);
    const endsAtMs = performance.now() + arrivalMs;
    while (state && shell.isRunning && shell.arrivedBytes < state.sentBytes && performance.now() < endsAtMs) {
      await untilPrinted(shell, 50, signal);
    }
    return state;
  }

  async write({ shellId, input }: VerbInput<Verbs["writeShell"]>): Promise<VerbOutput<Verbs["writeShell"]>> {
    const shell = await this.#running(shellId);
    const cursor = shell.screen.remember();
    const bytes = Buffer.from(typed(input, shell.screen));
    await shell.type(bytes);
    return { shell: shell.state, cursor, bytesWritten: bytes.length };
  }

  async signal(
    { shellId, signal }: VerbInput<Verbs["signalShell"]>,
    call: Pick<Call, "signal">,
  ): Promise<VerbOutput<Verbs["signalShell"]>> {
    const shell = await this.#running(shellId);
    const foreground = shell.foregroundIn(await shell.look(call.signal));
    const { group } = await shell.session.machine.agent.signal({ label: shell.label, signal, foreground: true });
    return { shell: shell.state, group, foreground };
  }

  async resize({ shellId, cols, rows }: VerbInput<Verbs["resizeShell"]>): Promise<ShellState> {
    const shell = await this.#running(shellId);
    await shell.resize({ cols, rows });
    return shell.state;
  }

  async close(shellId: string): Promise<ShellState> {
    const shell = await this.#known(shellId);
    await this.#end(shell);
    this.#forget(shell);
    return shell.state;
  }

  async attach(shellId: string, call: Call): Promise<ShellState> {
    const shell = await this.#running(shellId);
    await view(shell, call);
    return shell.state;
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#shells.values()].map((shell) => this.#end(shell)));
  }

  /** Hangs up, then kills. */
  async #end(shell: Shell): Promise<void> {
    const { agent } = shell.session.machine;
    const send = (signal: string) => agent.signal({ label: shell.label, signal }).catch(() => {});
    if (!shell.isRunning) return;
    // A stopped process does not notice a hang-up.
    await send("HUP");
    await send("CONT");
    if (await endsWithin(shell.ended, hangUpMs)) return;
    await send("KILL");
    if (await endsWithin(shell.ended, killMs)) return;
    shell.kill();
    await endsWithin(shell.ended, killMs);
  }

  #requireRoom(session: Session): void {
    const all = this.#of(session);
    if (all.length < maxShells) return;
    const ended = all.find(({ isRunning }) => !isRunning);
    if (ended) return this.#forget(ended);
    throw new PyroError("resource_exhausted", `cannot open a shell: there are ${maxShells}, which is the limit`, {
      hint: hint`${toRun("workspace.shell.close", { workspaceId: this.#workspace.record.workspaceId, shellId: all[0]?.id ?? "" })} first, or another one.`,
    });
  }

  /** The shells of a session. Those of an earlier one have gone with its machine. */
  #of(session: Session): Shell[] {
    for (const shell of this.#shells.values()) if (shell.session !== session) this.#forget(shell);
    return [...this.#shells.values()];
  }

  async #known(shellId: string): Promise<Shell> {
    const session = await this.#workspace.session();
    const all = this.#of(session);
    const shell = all.find(({ id }) => id === shellId);
    if (shell) return shell;
    const others = all.map(({ id }) => id).join(", ");
    throw new PyroError("not_found", `there is no shell '${shellId}'`, {
      hint: others === "" ? "Open one; shells end when their workspace stops or is reset." : `There are: ${others}.`,
    });
  }

  async #running(shellId: string): Promise<Shell> {
    const shell = await this.#known(shellId);
    if (shell.isRunning) return shell;
    const { exitCode } = shell.state;
    throw new PyroError("failed_precondition", `shell '${shellId}' has ended with exit code ${exitCode}`, {
      hint: "What it printed can still be read; open another one to go on.",
    });
  }

  #forget(shell: Shell): void {
    this.#shells.delete(shell.id);
    shell.dispose();
  }
}

function newShellId(): string {
  return randomBytes(3).toString("hex");
}
