export { buildOnce as default } from "../helpers/build.ts";
