/** The directory in the guest that a workspace's tree is in. */
export const workspacePath = "/workspace";
