export { StardustLedger, type StardustOptions } from './stardust-ledger';
