import { chmodSync, closeSync, openSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { PyroError } from "../../core/errors.ts";

const socketName = "freeze.sock";
/** Device state was measured at 60 to 430 KB, so more than this is not device state. */
const maxStateBytes = 64 * 1024 * 1024;

export interface StateReceiver extends AsyncDisposable {
  /** Name of the socket in the folder */
  readonly socketName: string;
  /** Everything from the first connection, once that has ended */
  readonly state: Promise<Buffer>;
}

/**
 * Waits for device state on a socket in `dir`. QEMU before 8.2 can save its state to a named socket
 * only: its sandbox denies it a program, and a descriptor must come by SCM_RIGHTS. Both sides name
 * the folder by descriptor, so that neither a long path nor its permissions matter.
 */
export async function receiveState(dir: string): Promise<StateReceiver> {
  const dirFd = openSync(dir, "r");
  const path = `/proc/self/fd/${dirFd}/${socketName}`;
  const server = createServer();
  const state = new Promise<Buffer>((resolve, reject) => {
    server.once("connection", (socket) => collect(socket).then(resolve, reject));
    server.once("error", reject);
  });
  // It can fail before the caller awaits it.
  state.catch(() => {});
  await new Promise<void>((resolve, reject) => server.listen(path, resolve).once("error", reject));
  // QEMU may run as another user. Only processes with a descriptor of the folder get this far.
  chmodSync(path, 0o666);
  return {
    socketName,
    state,
    async [Symbol.asyncDispose]() {
      server.close();
      rmSync(path, { force: true });
      closeSync(dirFd);
    },
  };
}

async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > maxStateBytes) throw new PyroError("internal", "QEMU's device state has no end");
  }
  return Buffer.concat(chunks);
}
