import type { TerminalSize } from "../../guest/messages.ts";
import { requireRunning, type WorkspaceCall } from "../control/access.ts";
import { call, SupervisorCall } from "../control/client.ts";
import type { Verb, VerbInput, VerbOutput } from "../control/protocol.ts";
import { type Shell, shellVerbs } from "./verbs.ts";

/** Asks for something of a shell. A workspace that does not run has none. */
async function ask<V extends Verb>(wanted: WorkspaceCall, verb: V, input: VerbInput<V>): Promise<VerbOutput<V>> {
  const { connection } = await requireRunning(wanted);
  return call(connection, verb, input, { signal: wanted.signal });
}

type Input<N extends keyof typeof shellVerbs> = VerbInput<(typeof shellVerbs)[N]>;
type Output<N extends keyof typeof shellVerbs> = Promise<VerbOutput<(typeof shellVerbs)[N]>>;

export function openShell(wanted: WorkspaceCall, input: Input<"openShell">): Output<"openShell"> {
  return ask(wanted, shellVerbs.openShell, input);
}

export function listShells(wanted: WorkspaceCall): Output<"listShells"> {
  return ask(wanted, shellVerbs.listShells, {});
}

/** Reads what a shell has printed, after a wait if one is asked for. */
export function readShell(wanted: WorkspaceCall, input: Input<"readShell">): Output<"readShell"> {
  return ask(wanted, shellVerbs.readShell, input);
}

export function writeShell(wanted: WorkspaceCall, input: Input<"writeShell">): Output<"writeShell"> {
  return ask(wanted, shellVerbs.writeShell, input);
}

export function signalShell(wanted: WorkspaceCall, input: Input<"signalShell">): Output<"signalShell"> {
  return ask(wanted, shellVerbs.signalShell, input);
}

export function resizeShell(wanted: WorkspaceCall, input: Input<"resizeShell">): Output<"resizeShell"> {
  return ask(wanted, shellVerbs.resizeShell, input);
}

export function closeShell(wanted: WorkspaceCall, shellId: string): Output<"closeShell"> {
  return ask(wanted, shellVerbs.closeShell, { shellId });
}

/** A person's terminal. */
export interface PersonsTerminal {
  /** What is typed, until the person leaves */
  readonly typed: AsyncIterable<Buffer>;
  /** Called when the window has another size */
  onResize(resized: (size: TerminalSize) => void): void;
  print(bytes: Buffer): Promise<void> | void;
}

/** Shows a shell in a person's terminal, until the shell has ended or the person leaves. */
export async function attachShell(wanted: WorkspaceCall, shellId: string, terminal: PersonsTerminal): Promise<Shell> {
  const { connection } = await requireRunning(wanted);
  using attached = new SupervisorCall(
    connection,
    shellVerbs.attachShell,
    { shellId },
    { signal: wanted.signal, body: terminal.typed },
  );
  terminal.onResize((size) => {
    // The shell may have ended, or a new size may follow.
    void resizeShell(wanted, { shellId, ...size }).catch(() => {});
  });
  for await (const bytes of attached) await terminal.print(bytes);
  return attached.result();
}
