import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { envInspect, envList, envPrune, envPull } from "./env.ts";
import { prepare } from "./prepare.ts";
import { run } from "./run.ts";

/** Every operation of pyro, in the order in which help lists them. */
export const operations = [doctor, prepare, run, demo, envList, envPull, envInspect, envPrune] as const;
