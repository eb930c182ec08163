export { createDurableFile, replaceDurableFile, syncDirectoryAndAbove } from './durable-file';
export * from './event';
export { type JournalOptions, openJournal, rebuildProjections } from './open-journal';
export { acquireProcessLock, type ProcessLock } from './process-lock';
export { type CommitMoment, PowerCut, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk';
export { type JournalVerification, verifyJournal } from './verify-journal';
