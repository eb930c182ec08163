export { DEFAULT_DEVICE_BROKER_PORT, type DeviceBroker, startDeviceBroker } from './device-broker';
