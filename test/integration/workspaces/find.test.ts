import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findWorkspaceId, requireVmId } from "../../../src/workspaces/record/find.ts";
import { saveWorkspace, WorkspacePlace } from "../../../src/workspaces/record/store.ts";
import { workspaceRecord } from "../../helpers/workspace-record.ts";

const vmId = "vm-0a1b2c3d4e5f";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro find-"));
  const named = {
    "0a1b2c3d4e5f": "parser",
    "0a1b99999999": "twin",
    ffff00000000: "twin",
    abcdefabcdef: "0a1",
    "123456123456": "abcdefabcdef",
    "777777777777": "ffff",
  };
  for (const [workspaceId, name] of Object.entries(named)) {
    const place = new WorkspacePlace(dir, workspaceId);
    await mkdir(place.dir);
    await saveWorkspace(place, workspaceRecord({ workspaceId, name }));
  }
  await mkdir(join(dir, "eeeeeeeeeeee"));
  await mkdir(join(dir, vmId));
});
afterAll(() => rm(dir, { recursive: true }));

test.each([
  ["its id", "0a1b2c3d4e5f", "0a1b2c3d4e5f"],
  ["its name", "parser", "0a1b2c3d4e5f"],
  ["a beginning of its id", "0a1b2", "0a1b2c3d4e5f"],
  ["four characters", "7777", "777777777777"],
  ["an id that there is not", "0a1b2c3d4e50", "0a1b2c3d4e50"],
  ["its id, which is another one's name", "abcdefabcdef", "abcdefabcdef"],
  ["a beginning of its id, though its record is missing", "eeee", "eeeeeeeeeeee"],
  ["a name of three characters, which other ids begin with", "0a1", "abcdefabcdef"],
])("a workspace is found by %s", async (_what, given, expected) => {
  expect(await findWorkspaceId(dir, given)).toBe(expected);
});

test.each([
  ["a name of two", "twin", ["0a1b99999999 (twin)", "ffff00000000 (twin)"]],
  ["a beginning of two", "0a1b", ["0a1b2c3d4e5f (parser)", "0a1b99999999 (twin)"]],
  ["a name that is also a beginning", "ffff", ["ffff00000000 (twin)", "777777777777 (ffff)"]],
])("%s is refused, and all are listed", async (_what, given, listed) => {
  const refusal = await findWorkspaceId(dir, given).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "invalid_argument" });
  for (const one of listed) expect(String(refusal)).toContain(one);
});

test.each(["another", "..", "", "777", "PARSER"])("'%s' is no workspace", async (given) => {
  await expect(findWorkspaceId(dir, given)).rejects.toMatchObject({ code: "not_found" });
});

test.each([vmId, "vm-000000000000"])("a machine for one command is no workspace: %s", async (given) => {
  expect(await requireVmId(dir, given)).toBe(given);
  await expect(findWorkspaceId(dir, given)).rejects.toMatchObject({
    code: "invalid_argument",
    message: `cannot use '${given}' as a workspace: it is a machine for one command`,
    hint: `Use \`pyro.vm.status({ vmId: "${given}" })\` and what goes with it.`,
  });
});

test.each(["0a1b2c3d4e5f", "parser", "0a1b2"])("a workspace is no machine for one command: %s", async (given) => {
  await expect(requireVmId(dir, given)).rejects.toMatchObject({
    code: "invalid_argument",
    message: "cannot use '0a1b2c3d4e5f' as a machine for one command: it is a workspace",
  });
});

test.each(["another", "vm-0a1b", "999999999999", "../vm-0a1b2c3d4e5f", ""])("'%s' is neither", async (given) => {
  await expect(requireVmId(dir, given)).rejects.toMatchObject({ code: "not_found" });
});
