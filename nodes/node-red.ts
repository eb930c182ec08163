/** What Node-RED offers, where `@types/node-red` is behind it. The only place with casts about Node-RED itself. */
import type { Node, NodeAPI, NodeDef, NodeMessage, NodeMessageInFlow } from 'node-red';

export type Api = NodeAPI;
export type { Node, NodeDef };
export type Message = NodeMessage;
export type IncomingMessage = NodeMessageInFlow;
/** One entry per output; null sends nothing there. */
export type Send = (outputs: readonly (Message | null)[]) => void;

/** A copy whose parts can be changed without the other branches of the flow seeing it (`req` and `res` stay shared). */
export function copyOf(RED: Api, message: Message): Message {
  return RED.util.cloneMessage(message) as Message;
}

/** Sends on the outputs, or `[null]`-padded; kept here because the type of `send` knows only mutable arrays. */
export function sendOn(node: Node, outputs: readonly (Message | null)[]): void {
  node.send([...outputs]);
}

/** A node's stored credentials by node id, without the node. Values must never leave the server. */
export function credentialsOf(RED: Api, nodeId: string): Readonly<Record<string, unknown>> {
  return { ...(RED.nodes.getCredentials(nodeId) as object | undefined) };
}

/** The node with this id, if it is of this type and running. */
export function runningNode<T extends Node>(RED: Api, nodeId: string, type: string): T | undefined {
  const node = RED.nodes.getNode(nodeId) as Node | null | undefined;
  return node?.type === type ? (node as T) : undefined;
}

/** Registers a node type that keeps secrets: named here, stored by Node-RED apart from the flow, never sent to the editor. */
export function registerWithSecrets<T extends Node, C extends NodeDef>(
  RED: Api,
  type: string,
  make: (this: T, config: C) => void,
  secrets: readonly string[],
): void {
  const credentials = Object.fromEntries(secrets.map((name) => [name, { type: 'password' as const }]));
  RED.nodes.registerType(type, make as unknown as (this: Node, config: NodeDef) => void, { credentials });
}

/** Whoever inspects or copies the node does not get its secrets with it. */
export function hideSecrets(node: Node): void {
  Object.defineProperty(node, 'credentials', { enumerable: false, writable: true, configurable: true });
}
