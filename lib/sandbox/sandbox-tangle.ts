import { type DeviceBroker, startDeviceBroker } from './device-broker';
import { type SandboxTangle, type SandboxTangleOptions, startTangle } from './tangle';

export interface SandboxOptions extends SandboxTangleOptions {
  /** Where the examples' devices find their MQTT broker; 0: none. */
  readonly deviceBrokerPort?: number;
}

export interface Sandbox {
  readonly tangle: SandboxTangle;
  /** Absent when none was asked for, or when its port was taken. */
  readonly deviceBroker?: DeviceBroker;
  /** Why there is no device broker although one was asked for. */
  readonly deviceBrokerError?: string;
  close(): Promise<void>;
}

/**
 * The embedded Tangle with the broker of the examples' devices beside it. Without the broker the ledger still works.
 *
 * @throws Error as {@link startTangle}
 */
export async function startSandbox({ deviceBrokerPort = 0, ...options }: SandboxOptions): Promise<Sandbox> {
  const tangle = await startTangle(options);
  const broker = deviceBrokerPort === 0 ? undefined : await brokerOrError(deviceBrokerPort, options.host);
  const deviceBroker = broker instanceof Error ? undefined : broker;
  return {
    tangle,
    ...(deviceBroker && { deviceBroker }),
    ...(broker instanceof Error && { deviceBrokerError: broker.message }),
    async close() {
      await deviceBroker?.close();
      await tangle.close();
    },
  };
}

function brokerOrError(port: number, host: string | undefined): Promise<DeviceBroker | Error> {
  return startDeviceBroker({ port, ...(host !== undefined && { host }) }).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
}
