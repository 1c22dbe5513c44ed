import type { ExecSpec } from "../guest/messages.ts";

/** Program and arguments, or one text for the guest's shell. */
export type GuestCommand = readonly string[] | string;

/** A command as the guest agent takes it. */
export function commandSpec(command: GuestCommand): Pick<ExecSpec, "argv" | "shell"> {
  return typeof command === "string" ? { shell: command } : { argv: [...command] };
}

/** A command as results and histories show it. */
export function commandWords(command: GuestCommand): string[] {
  return typeof command === "string" ? [command] : [...command];
}
