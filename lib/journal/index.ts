export * from './event';
export { type JournalOptions, openJournal, rebuildProjections } from './open-journal';
export { type CommitMoment, PowerCut, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk';
