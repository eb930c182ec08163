/**
 * What the events say: how far the log has come, and where its checkpoints were recorded. One row each, so that a year of
 * checkpoints costs nothing here: all of them are in the events.
 */
export const LOG_SCHEMA = `
CREATE TABLE IF NOT EXISTS log_state (
  id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, root TEXT NOT NULL,
  checkpoint_size INTEGER, checkpoint TEXT, successor TEXT
);
CREATE TABLE IF NOT EXISTS log_anchors (network TEXT PRIMARY KEY, size INTEGER NOT NULL, fact TEXT NOT NULL);
`;

/**
 * The tiles (c2sp.org/tlog-tiles) are named by the root in the event of the same write: they lead to it. The backlog holds
 * the documents whose evidence a node waits for, in UTF-8 (SQLite takes bytes faster than text), until it has it.
 */
export const LOG_SIDE_TABLES = `
CREATE TABLE IF NOT EXISTS log_tiles (row INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log_backlog (
  sequence INTEGER PRIMARY KEY, node TEXT NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
  origin TEXT NOT NULL, leaf BLOB NOT NULL, payload BLOB
);
CREATE INDEX IF NOT EXISTS log_backlog_by_node ON log_backlog (node, sequence, bytes);
`;
