export * from './ledger';
export { parseNodeUrl } from './node-url';
export { RemoteLedger } from './remote-ledger';
export { type LedgerWorkerInfo, SupervisedLedger, type SupervisedLedgerOptions } from './supervised-ledger';
