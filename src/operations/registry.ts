import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { envInspect, envList, envPrune, envPull } from "./env.ts";
import type { Operation } from "./operation.ts";
import { prepare } from "./prepare.ts";
import { run } from "./run.ts";

/** Every operation of pyro, in the order in which help lists them. */
export const operations = [doctor, prepare, run, demo, envList, envPull, envInspect, envPrune] as const;

/** The same table for code that treats all operations alike. */
export const operationTable: readonly Operation[] = operations;
