import { expect, test } from "vitest";
import { newPlaceholder } from "../../../../src/network/broker/placeholder.ts";

test.each([
  ["ghp_abcDEF0123456789abcdef0123456789abcd", /^ghp_[a-z]{3}[A-Z]{3}\d{10}[a-z]{6}\d{10}[a-z]{4}$/],
  ["sk-ant-api03-abcDEF0123456789-abcdef_AA", /^sk-ant-api03-[a-z]{3}[A-Z]{3}\d{10}-[a-z]{6}_[A-Z]{2}$/],
  ["AKIAIOSFODNN7EXAMPLE", /^AKIA[A-Z]{8}\d[A-Z]{7}$/],
  ["00000000-1111-2222-3333-444444444444", /^\d{8}-\d{4}-\d{4}-\d{4}-\d{12}$/],
])("%s gets one of its shape", (value, shape) => {
  expect(newPlaceholder(value)).toMatch(shape);
  expect(newPlaceholder(value)).not.toBe(value);
});

test.each([
  "hunter2",
  "a pass phrase of several words",
  "-----BEGIN KEY-----\nabc\n-----END KEY-----",
  "x".repeat(5000),
])("a value without such a shape gets one that is only random", (value) => {
  expect(newPlaceholder(value)).toMatch(/^pyro_[a-z0-9]{24}$/);
  expect(newPlaceholder(value)).not.toBe(newPlaceholder(value));
});
