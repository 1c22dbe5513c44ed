import { expect, test } from "vitest";
import { changedMetadata, requireMetadata } from "../../../../src/workspaces/record/metadata.ts";

const unchanged = { setLabels: {}, clearLabels: [] };
const record = { name: "before", labels: { owner: "me", issue: "1" } };

test("a change leaves what it does not name", () => {
  expect(changedMetadata(record, unchanged)).toEqual(record);
  expect(changedMetadata(record, { setLabels: { issue: "2", new: "" }, clearLabels: ["owner", "unknown"] })).toEqual({
    name: "before",
    labels: { issue: "2", new: "" },
  });
});

test("a name is set and taken away", () => {
  expect(changedMetadata(record, { ...unchanged, name: "after" }).name).toBe("after");
  expect(changedMetadata(record, { ...unchanged, name: null }).name).toBeNull();
});

test.each(["", " ", "two\nlines", "bell\x07", "x".repeat(121)])("a name such as %j is refused", (name) => {
  expect(() => requireMetadata({ name, labels: {} })).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining("cannot name a workspace") }),
  );
});

test.each(["", "-a", ".a", "_a", "a b", "a=b", "ä", "x".repeat(65), "a\n", "__proto__"])(
  "a label's key such as %j is refused",
  (key) => {
    expect(() => requireMetadata({ name: null, labels: Object.fromEntries([[key, "x"]]) })).toThrow(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringContaining(`cannot set label '${key}'`),
      }),
    );
  },
);

test.each(["two\nlines", "\x1b[31m", "x".repeat(257), "  "])("a label's value such as %j is refused", (value) => {
  expect(() => requireMetadata({ name: null, labels: { key: value } })).toThrow(/cannot set label 'key'/);
});

test.each(["", "=", "a=b=c", "naïve 文", "x".repeat(256)])("a label's value such as %j is taken", (value) => {
  requireMetadata({ name: null, labels: { "A.b_c-9": value } });
});

test("there are at most 64 labels, those of before included", () => {
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`k${index}`, ""]));
  requireMetadata({ name: null, labels });
  expect(() => changedMetadata({ name: null, labels }, { ...unchanged, setLabels: { more: "" } })).toThrow(/64/);
  changedMetadata({ name: null, labels }, { setLabels: { more: "" }, clearLabels: ["k0"] });
});
