import { afterAll, beforeAll, expect, test } from "vitest";
import type { WorkspaceUnderTest } from "../cases/workspace.ts";
import { describeShells } from "../cases/workspace-shells.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { workspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { PersonsTerminal } from "../helpers/persons-terminal.ts";
import type { Json } from "../helpers/surfaces.ts";

describeWithNamespaces("shells of a workspace without a VM", () => describeShells(workspaceWithoutVm));

describeWithNamespaces("a person at a shell", () => {
  let subject: WorkspaceUnderTest;
  let shellId: string;
  beforeAll(async () => {
    subject = await workspaceWithoutVm();
    ({ shell_id: shellId } = await call("open"));
  });
  afterAll(() => subject[Symbol.asyncDispose]());
  const call = (operation: string, input: object = {}): Promise<Json> =>
    subject.bench.sdk.call(`workspace.shell.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const attach = (...flags: string[]) =>
    new PersonsTerminal(["workspace", "shell", "attach", subject.workspaceId, shellId, ...flags], subject.bench.env);
  const shows = (terminal: PersonsTerminal, text: string | RegExp) =>
    expect.poll(() => terminal.printed, { timeout: 30_000 }).toMatch(text);

  test("sees what is there, types, and leaves, while a model reads the same", async () => {
    await call("write", { shellId, input: "echo written before" });
    await call("read", { shellId, waitFor: "prompt" });
    using person = attach();
    await shows(person, "written before");
    person.type("stty size\r");
    await shows(person, /24 80\r+\n/);
    using another = attach("--detach-key", "ctrl-q");
    await shows(another, "24 80");
    another.type("echo typed $((40 + 2))\r");
    await shows(person, "typed 42");
    const read = await call("read", { shellId, plain: true });
    expect(read).toMatchObject({ cols: 80, rows: 24, output: expect.stringContaining("typed 42") });
    another.type("\u0011");
    expect(await another.end()).toBe(0);
    person.type("\u001d");
    expect(await person.end()).toBe(0);
    expect(person.printed).toContain(`shell_id=${shellId} state=running`);
    expect(person.printed).toContain("detached=true");
  });

  test("is not asked what the shell's own terminal has answered", async () => {
    using person = attach();
    await shows(person, "typed 42");
    // The answer, typed twice, would leave a rest for the next command.
    person.type(
      "stty -echo; printf '\\033[6n'; IFS= read -rs -d R answer; stty echo; echo got $(expr length \"$answer\")\r",
    );
    await shows(person, /got [4-7]\r+\n/);
    // No one has looked at the shell while so much was typed.
    for (let i = 0; i < 60; i++) person.type(`: ${"x".repeat(80)}\r`);
    person.type(
      "stty -echo; printf '\\033]11;?\\a'; IFS= read -rs -t 20 -d '\\' answer; stty echo; echo colour $(expr substr \"$answer\" 6 18)\r",
    );
    await shows(person, "colour rgb:0000/0000/0000");
    expect(person.printed).not.toContain("\u001b[6n");
    person.type("exit 3\r");
    expect(await person.end()).toBe(0);
    expect(person.printed).toContain("state=exited");
    expect(person.printed).toContain("exit_code=3");
  });

  test("needs a terminal", async () => {
    expect(
      await subject.bench.sdk.refusal("workspace.shell.attach", { workspaceId: subject.workspaceId, shellId }),
    ).toMatchObject({
      code: "unsupported",
      message: `cannot attach to shell '${shellId}': there is no terminal here`,
    });
  });
});
