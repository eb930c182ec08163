/** Raised with every change of the journal's own tables. */
export const FORMAT = 1;

/** The journal's own tables. Projections must not use names that begin with `journal_`. */
export const SCHEMA = `
CREATE TABLE journal_event (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE journal_seal (
  segment INTEGER PRIMARY KEY,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  head BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE journal_projection (
  name TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  tables TEXT NOT NULL
) STRICT;
CREATE TRIGGER journal_event_no_update BEFORE UPDATE ON journal_event BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER journal_event_no_delete BEFORE DELETE ON journal_event BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER journal_seal_no_update BEFORE UPDATE ON journal_seal BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER journal_seal_no_delete BEFORE DELETE ON journal_seal BEGIN SELECT RAISE(ABORT, 'append-only'); END;
PRAGMA user_version = ${FORMAT};
`;
