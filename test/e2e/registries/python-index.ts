import type { Shelf } from "./shelf.ts";

/** A wheel of one module, `greeting`, whose WORD is "from the index" */
const wheelName = "greeting-1.0-py3-none-any.whl";
const wheel = Buffer.from(
  [
    "UEsDBBQAAAAIAAAAIVxr9WbRGgAAABgAAAALAAAAZ3JlZXRpbmcucHkL9w9yUbBVUEorys9VKMlIVcjMS0mtUOICAF",
    "BLAwQUAAAACAAAACFcAWF/eC0AAAAyAAAAHwAAAGdyZWV0aW5nLTEuMC5kaXN0LWluZm8vTUVUQURBVEHzTS1JTEks",
    "SdQNSy0qzszPs1Iw0jPk8kvMTbVSSC9KTS3JzEvngssZ6hlwAQBQSwMEFAAAAAgAAAAhXLDc46JMAAAASwAAABwAAA",
    "BncmVldGluZy0xLjAuZGlzdC1pbmZvL1dIRUVMC89ITc3RDUstKs7Mz7NSMNQz4HJPzUstSizJL7JSKEktLuEKys8v",
    "0fUs1g0oLUrNyUwCihaVpnKFJKZbKRRUGuvm5eel6ibmVXIBAFBLAwQUAAAACAAAACFcZ0hR6DsAAABvAAAAHQAAAG",
    "dyZWV0aW5nLTEuMC5kaXN0LWluZm8vUkVDT1JESy9KTS3JzEvXK6jU0eFKh/J0DfUM9FIyi0t0M/PS8vV9XUMcXRxD",
    "HHGrCPdwdfXBLR3k6uwf5AKUBwBQSwECFAMUAAAACAAAACFca/Vm0RoAAAAYAAAACwAAAAAAAAAAAAAAgAEAAAAAZ3",
    "JlZXRpbmcucHlQSwECFAMUAAAACAAAACFcAWF/eC0AAAAyAAAAHwAAAAAAAAAAAAAAgAFDAAAAZ3JlZXRpbmctMS4w",
    "LmRpc3QtaW5mby9NRVRBREFUQVBLAQIUAxQAAAAIAAAAIVyw3OOiTAAAAEsAAAAcAAAAAAAAAAAAAACAAa0AAABncm",
    "VldGluZy0xLjAuZGlzdC1pbmZvL1dIRUVMUEsBAhQDFAAAAAgAAAAhXGdIUeg7AAAAbwAAAB0AAAAAAAAAAAAAAIAB",
    "MwEAAGdyZWV0aW5nLTEuMC5kaXN0LWluZm8vUkVDT1JEUEsFBgAAAAAEAAQAGwEAAKkBAAAAAA==",
  ].join(""),
  "base64",
);

/** An index of Python packages (PEP 503) with `greeting`, under `/simple`. */
export function addPythonIndex(shelf: Shelf): void {
  shelf.set("/simple/greeting/", `<!DOCTYPE html><a href="/${wheelName}">${wheelName}</a>`);
  shelf.set(`/${wheelName}`, wheel);
}
