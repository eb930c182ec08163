import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';

/** A plain MQTT broker for the devices of the examples: sensors and actuators of a machine, no part of any ledger. */
export interface DeviceBroker {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export const DEFAULT_DEVICE_BROKER_PORT = 1885;
const MAX_CONNECTIONS = 200;

/**
 * @param options `port` 0 takes any free one
 * @throws Error with `code` `EADDRINUSE` when the port is taken
 */
export async function startDeviceBroker(options: { port?: number; host?: string } = {}): Promise<DeviceBroker> {
  const { port = DEFAULT_DEVICE_BROKER_PORT, host = '127.0.0.1' } = options;
  const sockets = new Set<Socket>();
  let broker: Aedes | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // A reading is worth less when Nagle's algorithm holds it back.
    socket.setNoDelay(true);
    broker?.handle(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, port, host);
  broker = await Aedes.createBroker();
  const running = broker;
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `mqtt://${host}:${bound}`,
    port: bound,
    async close() {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => running.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
