export { NODE_NAME } from './http/core-api';
export {
  DEFAULT_PORT,
  type IssuedMilestone,
  type SandboxTangle,
  type SandboxTangleOptions,
  startTangle,
} from './start-tangle';
