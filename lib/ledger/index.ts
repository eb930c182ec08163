export * from './ledger';
export { parseNodeUrl } from './node-url';
export { LONGEST_TAG_BYTES, parseTag, writeTag } from './record-tag';
export { RemoteLedger } from './remote-ledger';
export { type LedgerWorkerInfo, SupervisedLedger, type SupervisedLedgerOptions } from './supervised-ledger';
