import { expect, test } from "vitest";
import { ownWords, separateCommand } from "../../../src/cli/arguments.ts";
import { usualCommand } from "../../../src/cli/usual-command.ts";
import { operations } from "../../../src/operations/registry.ts";

test.each([
  [
    ["run", "x", "--json"],
    ["run", "x", "--json"],
  ],
  [
    ["run", "x", "--", "--json"],
    ["run", "x"],
  ],
  [["--", "a", "--"], []],
])("pyro's own words in %j end at the first --", (argv, own) => {
  expect(ownWords(argv)).toEqual(own);
});

const separated = (line: string) => separateCommand(line.split(" "), operations).join(" ");

test.each([
  ["workspace exec ID ls -la", "workspace exec ID -- ls -la"],
  ["workspace exec ID --timeout-seconds 5 ls -la --json", "workspace exec ID --timeout-seconds 5 -- ls -la --json"],
  ["workspace exec --json ID --timeout-seconds=5 ls -- x", "workspace exec --json ID --timeout-seconds=5 -- ls -- x"],
  ["run debian:12 --mem-mib 512 git --version", "run debian:12 --mem-mib 512 -- git --version"],
  ["workspace exec ID -- ls -la", "workspace exec ID -- ls -la"],
  ["workspace exec ID", "workspace exec ID"],
  ["workspace exec ID --unknown ls", "workspace exec ID --unknown -- ls"],
  ["workspace diff ID --path a", "workspace diff ID --path a"],
  ["nonsense exec ID ls", "nonsense exec ID ls"],
])("in `%s` the guest's command begins where it must", (typed, expected) => {
  expect(separated(typed)).toBe(expected);
});

test.each([
  [[], "ls", "pyro workspace list"],
  [[], "ps", "pyro workspace list"],
  [[], "rm", "pyro workspace delete"],
  [[], "exec", "pyro workspace exec"],
  [[], "snapshot", "pyro workspace snapshot"],
  [[], "version", "pyro --version"],
  [["env"], "ls", "pyro env list"],
  [["workspace"], "rm", "pyro workspace delete"],
  [["workspace", "snapshot"], "rm", "pyro workspace snapshot delete"],
  [["env"], "frobnicate", undefined],
  [["env"], "rm", undefined],
  [["workspace", "file"], "rm", undefined],
  [["workspace"], "kill", "pyro workspace stop"],
])("after %j the word '%s' means `%s`", (before, word, command) => {
  expect(usualCommand(before, word, operations)).toBe(command);
});
