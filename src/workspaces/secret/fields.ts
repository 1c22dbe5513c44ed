import * as z from "zod";
import { givenSecretSchema } from "./given.ts";

/** Input of operations that begin the life of a machine. */
export const secretFields = {
  secret: z
    .array(z.string())
    .default([])
    .describe("Secret: NAME takes this host's variable NAME, NAME=VALUE is the value itself; repeatable"),
  secretFiles: z.array(z.string()).default([]).describe("Secret from a file, as NAME=PATH; repeatable"),
  secretCommands: z
    .array(z.string())
    .default([])
    .describe("Secret that a command of this host prints, as NAME=COMMAND; repeatable"),
  secrets: z.array(givenSecretSchema).default([]).describe("The same as objects"),
};

/** The same for a model. */
export const modelSecretFields = {
  secrets: z
    .array(givenSecretSchema)
    .default([])
    .describe("Values that commands can get by secret_env and that results never show"),
};

/** Of the fields, those that only people use */
export const secretTexts = ["secret", "secretFiles", "secretCommands"];

const variable = z
  .string()
  .regex(/^[^=\0]+$/, "a variable's name must have no = in it")
  .describe("Name of a variable");

/** Input of operations that run something. */
export const secretEnv = z
  .record(z.string(), variable)
  .default({})
  .describe("Secret for it, as SECRET or SECRET=VARIABLE; repeatable");

/** The same for a model. */
export const modelSecretEnv = secretEnv.describe('Secrets for it by variable, such as {"API_KEY": "OPENAI_API_KEY"}');
