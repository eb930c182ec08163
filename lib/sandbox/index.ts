export { DEFAULT_DEVICE_BROKER_PORT, startDeviceBroker } from './device-broker';
export { type Sandbox, type SandboxOptions, startSandbox } from './sandbox-tangle';
export { DEFAULT_PORT, NODE_NAME, type SandboxTangle, type SandboxTangleOptions, startTangle } from './tangle';
