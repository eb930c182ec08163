/** Bumped when the tables change; a data directory of another version is refused, since a sandbox can be made anew. */
export const SCHEMA_VERSION = 1;

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- Blocks that a milestone references, other than milestone blocks.
CREATE TABLE IF NOT EXISTS blocks (
  id BLOB PRIMARY KEY,
  bytes BLOB NOT NULL,
  referenced_by INTEGER NOT NULL,
  white_flag_index INTEGER NOT NULL,
  conflict INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blocks_by_milestone ON blocks (referenced_by);

CREATE TABLE IF NOT EXISTS milestones (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  block_id BLOB NOT NULL UNIQUE,
  timestamp INTEGER NOT NULL,
  payload BLOB NOT NULL,
  -- of its block, within the next milestone
  white_flag_index INTEGER
) STRICT;

CREATE TABLE IF NOT EXISTS outputs (
  id BLOB PRIMARY KEY,
  bytes BLOB NOT NULL,
  block_id BLOB NOT NULL,
  booked_index INTEGER NOT NULL,
  booked_at INTEGER NOT NULL,
  spent_index INTEGER,
  spent_at INTEGER,
  spent_by BLOB,
  -- what the indexer asks for
  address BLOB NOT NULL,
  token_count INTEGER NOT NULL,
  return_address BLOB,
  timelock INTEGER,
  expiration INTEGER,
  expiration_address BLOB,
  sender BLOB,
  tag BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outputs_booked ON outputs (booked_index);
CREATE INDEX IF NOT EXISTS outputs_spent ON outputs (spent_index) WHERE spent_index IS NOT NULL;
CREATE INDEX IF NOT EXISTS unspent_address ON outputs (address, booked_at, id) WHERE spent_index IS NULL;
CREATE INDEX IF NOT EXISTS unspent_sender ON outputs (sender, tag) WHERE spent_index IS NULL AND sender IS NOT NULL;
CREATE INDEX IF NOT EXISTS unspent_tag ON outputs (tag) WHERE spent_index IS NULL AND tag IS NOT NULL;
CREATE INDEX IF NOT EXISTS unspent_expiration ON outputs (expiration_address) WHERE spent_index IS NULL AND expiration_address IS NOT NULL;
CREATE INDEX IF NOT EXISTS unspent_return ON outputs (return_address) WHERE spent_index IS NULL AND return_address IS NOT NULL;
CREATE INDEX IF NOT EXISTS unspent_age ON outputs (booked_at, id) WHERE spent_index IS NULL;
`;
