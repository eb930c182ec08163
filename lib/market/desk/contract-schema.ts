/** Tables derived from events. Texts of strangers are only inside JSON: SQL takes no NUL. */
export const CONTRACT_SCHEMA = `
CREATE TABLE IF NOT EXISTS contracts (
  network TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  side TEXT NOT NULL,
  state TEXT NOT NULL,
  node_id TEXT NOT NULL,
  service TEXT NOT NULL,
  peer TEXT,
  deadline INTEGER,
  facts TEXT NOT NULL,
  began INTEGER NOT NULL,
  ended INTEGER,
  PRIMARY KEY (network, contract_id, side)
) STRICT;
CREATE INDEX IF NOT EXISTS contracts_by_deadline ON contracts (network, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX IF NOT EXISTS contracts_by_end ON contracts (network, side, ended);
CREATE TABLE IF NOT EXISTS finished_contracts (
  network TEXT NOT NULL,
  position INTEGER NOT NULL,
  contract_id TEXT NOT NULL,
  side TEXT NOT NULL,
  state TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (network, position)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS finished_contracts_once ON finished_contracts (network, contract_id, side, state);
CREATE TABLE IF NOT EXISTS contract_listeners (
  network TEXT NOT NULL,
  listener TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (network, listener)
) STRICT;
CREATE TABLE IF NOT EXISTS contract_money (
  network TEXT NOT NULL,
  event_id TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  payer TEXT,
  amount INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (network, event_id)
) STRICT;
CREATE INDEX IF NOT EXISTS contract_money_by_contract ON contract_money (network, contract_id);
CREATE TABLE IF NOT EXISTS refunds (
  network TEXT NOT NULL,
  payment_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  amount INTEGER NOT NULL,
  receipt TEXT,
  PRIMARY KEY (network, payment_id)
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_by_contract ON refunds (network, contract_id);
CREATE INDEX IF NOT EXISTS refunds_by_event ON refunds (network, event_id);
CREATE INDEX IF NOT EXISTS refunds_owed ON refunds (network) WHERE receipt IS NULL;
`;

/**
 * Not derived, and pruned: signed documents (in their order), hashes of messages that must not count twice, and what flows
 * were not told yet.
 */
export const CONTRACT_SIDE_TABLES = `
CREATE TABLE IF NOT EXISTS contract_documents (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  network TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  side TEXT NOT NULL,
  hash TEXT NOT NULL,
  direction TEXT NOT NULL,
  type TEXT NOT NULL,
  peer TEXT,
  previous TEXT,
  expires INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  once INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS contract_documents_by_contract
  ON contract_documents (network, contract_id, side, hash);
CREATE TABLE IF NOT EXISTS seen_messages (
  hash TEXT PRIMARY KEY,
  until INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS seen_messages_by_end ON seen_messages (until);
CREATE TABLE IF NOT EXISTS market_notices (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  network TEXT NOT NULL,
  node_id TEXT NOT NULL,
  contract_id TEXT NOT NULL,
  signal TEXT NOT NULL,
  told INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS market_notices_by_node ON market_notices (network, node_id);
`;
