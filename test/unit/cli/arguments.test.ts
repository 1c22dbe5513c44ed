import { expect, test } from "vitest";
import { ownWords } from "../../../src/cli/arguments.ts";

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
