import type { ExecSpec } from "../guest/messages.ts";

/** Program and arguments, or one text for the guest's shell. */
export type GuestCommand = readonly string[] | string;

/** The command in the form of the guest agent. */
export function commandSpec(command: GuestCommand): Pick<ExecSpec, "argv" | "shell"> {
  return typeof command === "string" ? { shell: command } : { argv: [...command] };
}

/** The command in the form of results and histories. */
export function commandWords(command: GuestCommand): string[] {
  return typeof command === "string" ? [command] : [...command];
}
