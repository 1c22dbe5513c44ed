import { expect, test } from "vitest";
import type { SecretRecord } from "../../../../src/workspaces/record/secret.ts";
import { WorkspaceSecrets } from "../../../../src/workspaces/secret/secrets.ts";

const record = (name: string): SecretRecord => ({
  name,
  source: { kind: "literal" },
  hosts: [],
  placeholder: null,
  inQuery: false,
  available: true,
});
const held = (name: string, value: string) => ({ name, value, expiresAt: null, stamp: null });

test("a secret that changes often pushes out no value that is in use", async () => {
  const secrets = new WorkspaceSecrets([record("STAYS"), record("CHANGES")], [held("STAYS", "it-stays")]);
  const changes = Array.from({ length: 512 }, (_, index) => held("CHANGES", `value-${index}.`));
  await secrets.use([record("CHANGES")], changes);
  expect(secrets.redacted(["it-stays", "value-511."])).toEqual(["[REDACTED]", "[REDACTED]"]);
});

test("a placeholder without a value is refused to a command, which would only be denied", async () => {
  const brokered = { ...record("TOKEN"), hosts: ["api.example.com"], placeholder: "pyro_placeholder" };
  await expect(new WorkspaceSecrets([brokered]).variables({ TOKEN: "T" })).rejects.toThrow(
    "cannot use secret 'TOKEN': its value has gone with a stop of the workspace",
  );
  const known = new WorkspaceSecrets([brokered], [held("TOKEN", "the-value")]);
  expect(await known.variables({ TOKEN: "T" })).toEqual({ T: "pyro_placeholder" });
});

test("a new value that is for certain hosts is not put into the guest", async () => {
  const brokered = { ...record("TOKEN"), hosts: ["api.example.com"], placeholder: "pyro_placeholder" };
  const secrets = new WorkspaceSecrets([brokered, record("PLAIN")], [held("TOKEN", "earlier-value")]);
  const put: string[] = [];
  secrets.onChange(async (changed) => void put.push(...changed.map(({ name }) => name)));
  await secrets.use([brokered, record("PLAIN")], [held("TOKEN", "later-value"), held("PLAIN", "plain-value")]);
  expect(put).toEqual(["PLAIN"]);
  const [later] = secrets.brokered;
  expect(await later?.value()).toBe("later-value");
});

test("a value for certain hosts that is read again is not put into the guest", async () => {
  const source = { kind: "command", command: "echo later-value", cwd: "/" } as const;
  const brokered = { ...record("TOKEN"), source, hosts: ["api.example.com"], placeholder: "pyro_placeholder" };
  const expired = { ...held("TOKEN", "earlier-value"), expiresAt: "2020-01-01T00:00:00Z" };
  const secrets = new WorkspaceSecrets([brokered], [expired]);
  const put: string[] = [];
  secrets.onChange(async (changed) => void put.push(...changed.map(({ name }) => name)));
  const [later] = secrets.brokered;
  expect(await later?.value()).toBe("later-value");
  expect(put).toEqual([]);
});
