/** Tables derived from the journal's events (`book.ts`). All of them are scoped by network id. */
export const BOOK_SCHEMA = `
CREATE TABLE IF NOT EXISTS accounts (
  network TEXT PRIMARY KEY, address TEXT NOT NULL, cursor TEXT NOT NULL, height INTEGER NOT NULL,
  ledger_time INTEGER NOT NULL, frozen TEXT,
  budget_ledger INTEGER NOT NULL, budget_system INTEGER NOT NULL, ledger_shown INTEGER NOT NULL, system_shown INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS payments (
  network TEXT NOT NULL, payment_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
  intent INTEGER NOT NULL, intended_at INTEGER NOT NULL,
  payee TEXT NOT NULL, amount INTEGER NOT NULL, reference TEXT NOT NULL, origin TEXT NOT NULL,
  transaction_id TEXT, failure TEXT,
  PRIMARY KEY (network, payment_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_by_intent ON payments (network, intent);
CREATE INDEX IF NOT EXISTS payments_unfinished ON payments (network, state, kind, intent)
  WHERE state IN ('INTENT', 'READY', 'IN_FLIGHT', 'CONFIRMED');

CREATE TABLE IF NOT EXISTS payment_parts (
  network TEXT NOT NULL, payment_id TEXT NOT NULL, ordinal INTEGER NOT NULL, address TEXT NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (network, payment_id, ordinal)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS payments_records ON payments (network, intent) WHERE kind = 'record';

CREATE TABLE IF NOT EXISTS record_parts (
  network TEXT NOT NULL, payment_id TEXT NOT NULL, tag TEXT NOT NULL, sha256 TEXT NOT NULL,
  PRIMARY KEY (network, payment_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS attempts (
  network TEXT NOT NULL, transaction_id TEXT NOT NULL, state TEXT NOT NULL,
  sequence INTEGER NOT NULL, signed_at INTEGER NOT NULL, submitted_at INTEGER,
  sha256 TEXT NOT NULL, fee INTEGER NOT NULL, expires_epoch INTEGER,
  height INTEGER, confirmed_at INTEGER, node TEXT, conflicting_id TEXT, reason TEXT,
  PRIMARY KEY (network, transaction_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_open ON attempts (network, sequence) WHERE state IN ('SIGNED', 'SUBMITTED');
CREATE INDEX IF NOT EXISTS attempts_dead ON attempts (network, sequence) WHERE state = 'DEAD';

CREATE TABLE IF NOT EXISTS attempt_payments (
  network TEXT NOT NULL, transaction_id TEXT NOT NULL, payment_id TEXT NOT NULL,
  PRIMARY KEY (network, transaction_id, payment_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempts_of_payment ON attempt_payments (network, payment_id);

CREATE TABLE IF NOT EXISTS attempt_inputs (
  network TEXT NOT NULL, transaction_id TEXT NOT NULL, output_id TEXT NOT NULL,
  PRIMARY KEY (network, transaction_id, output_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS attempt_change (
  network TEXT NOT NULL, transaction_id TEXT NOT NULL, output_id TEXT NOT NULL, amount INTEGER NOT NULL, output_index INTEGER NOT NULL,
  record INTEGER NOT NULL,
  PRIMARY KEY (network, transaction_id, output_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS outputs (
  network TEXT NOT NULL, output_id TEXT NOT NULL, transaction_id TEXT NOT NULL, output_index INTEGER NOT NULL,
  amount INTEGER NOT NULL, spendable INTEGER NOT NULL, record INTEGER NOT NULL, spent_by TEXT,
  PRIMARY KEY (network, output_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outputs_unspent ON outputs (network, spendable, amount) WHERE spent_by IS NULL AND record = 0;
CREATE INDEX IF NOT EXISTS outputs_unspent_records ON outputs (network, amount) WHERE spent_by IS NULL AND record = 1;
CREATE INDEX IF NOT EXISTS outputs_of_records ON outputs (network, transaction_id) WHERE record = 1;

CREATE TABLE IF NOT EXISTS budget_rows (
  network TEXT NOT NULL, sequence INTEGER NOT NULL, ledger_time INTEGER NOT NULL, system_time INTEGER NOT NULL,
  amount INTEGER NOT NULL, running INTEGER NOT NULL,
  PRIMARY KEY (network, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_rows_by_ledger_time ON budget_rows (network, ledger_time, sequence);
CREATE INDEX IF NOT EXISTS budget_rows_by_system_time ON budget_rows (network, system_time, sequence);

CREATE TABLE IF NOT EXISTS received_payments (
  network TEXT NOT NULL, position INTEGER NOT NULL, event_id TEXT NOT NULL, transaction_id TEXT NOT NULL,
  sender TEXT, amount INTEGER NOT NULL, reference TEXT, confirmed_at INTEGER NOT NULL,
  PRIMARY KEY (network, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS received_payments_by_event ON received_payments (network, event_id);

CREATE TABLE IF NOT EXISTS listeners (
  network TEXT NOT NULL, source TEXT NOT NULL, listener_id TEXT NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (network, source, listener_id)
) WITHOUT ROWID;
`;

/** Signed and recorded bytes are no events: an event names them by their SHA-256, and they go once that is reported. */
export const BOOK_SIDE_TABLES = `
CREATE TABLE IF NOT EXISTS signed_bytes (
  network TEXT NOT NULL, transaction_id TEXT NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (network, transaction_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS record_bytes (
  network TEXT NOT NULL, payment_id TEXT NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (network, payment_id)
) WITHOUT ROWID;
`;
