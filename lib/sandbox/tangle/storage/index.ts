export { type StoredBlock, type StoredMilestone, type StoredOutput, TangleStore } from './tangle-store';
