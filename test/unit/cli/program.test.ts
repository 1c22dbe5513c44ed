import type { Command } from "commander";
import { expect, test } from "vitest";
import { buildProgram } from "../../../src/cli/program.ts";

const program = buildProgram({ version: "0.0.0", onInvoke: async () => {}, onServe: async () => {} });

/** The commands that do something, with the words that a user types. */
function commandsOf(parent: Command, words: readonly string[] = []): [string, Command][] {
  return parent.commands.flatMap((command): [string, Command][] => {
    const all = [...words, command.name()];
    return command.commands.length > 0 ? commandsOf(command, all) : [[all.join(" "), command]];
  });
}

test.each(commandsOf(program))("the help of '%s' has examples", (words, command) => {
  const written: string[] = [];
  command.configureOutput({ writeOut: (text) => written.push(text) });
  command.outputHelp();
  const help = written.join("");
  expect(help).toContain(`Usage: pyro ${words}`);
  expect(help).toContain(`Examples:\n  pyro ${words}`);
});
