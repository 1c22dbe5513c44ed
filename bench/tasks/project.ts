import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const appSource = `"""Sums of orders."""

import json


def load(path):
    with open(path) as file:
        return json.load(file)


def total(items):
    return sum(items) - 1


def mean(items):
    if not items:
        return 0
    return total(items) / len(items)
`;

const files: Readonly<Record<string, string>> = {
  "README.md": "# Orders\n\nSums of orders. Tests: `python3 -m unittest discover -s tests`.\n",
  ".gitignore": "dist/\n*.log\n",
  "src/app.py": appSource,
  "tests/test_app.py": `import sys, unittest
sys.path.insert(0, "src")
import app

class TotalTest(unittest.TestCase):
    def test_total(self):
        self.assertEqual(app.total([1, 2, 3]), 6)

if __name__ == "__main__":
    unittest.main()
`,
  "windows.ini": "[a]\r\nkey=1\r\n\r\n[b]\r\nkey=2\r\n",
  "docs/guide.md": Array.from({ length: 400 }, (_, index) => `## Chapter ${index}\n\nText.\n`).join("\n"),
};

/** A small project with a bug, as a repository with one commit. */
export function makeProject(dir: string): void {
  for (const [name, content] of Object.entries(files)) write(join(dir, name), content);
  const author = ["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"];
  execFileSync("git", ["init", "--quiet", dir]);
  execFileSync("git", ["-C", dir, "add", "--all"]);
  execFileSync("git", ["-C", dir, ...author, "commit", "--quiet", "--message=Sums"]);
}

/** A directory as a package manager leaves it, which is no part of the project. */
export function makeDependencies(dir: string): void {
  for (let index = 0; index < 200; index++) write(join(dir, `pkg${index}`, "__init__.py"), `VERSION = ${index}\n`);
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
