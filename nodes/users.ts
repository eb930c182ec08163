import type { Node } from './node-red';

/**
 * Who uses a config node. Node-RED reads `users` of a config node: errors and status of the config node then reach the
 * Catch and Status nodes of its users' flows.
 */
export type Users = Record<string, Node>;

export function addUser(users: Users, node: Node): void {
  users[node.id] = node;
}

/** Takes the node out, unless its successor with the same id has come already. */
export function removeUser(users: Users, node: Node): void {
  if (users[node.id] === node) delete users[node.id];
}
