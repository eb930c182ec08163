import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from 'node-sqlite3-wasm';
import type { Journal, Projection } from '../../lib/journal';

/** A projection to test with: what each account has, and how often anything happened to it. */
export const accounts: Projection = {
  name: 'accounts',
  schema: `
    CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, balance TEXT NOT NULL, changes INTEGER NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS account_by_changes ON account (changes);`,
  apply(event, sql) {
    if (event.type !== 'paid') return;
    const { account, amount } = event.body as { account: string; amount: string };
    const before = sql.get('SELECT balance FROM account WHERE name = ?', [account]);
    const balance = BigInt(String(before?.balance ?? 0)) + BigInt(amount);
    sql.run(
      `INSERT INTO account (name, balance, changes) VALUES (?, ?, 1)
       ON CONFLICT (name) DO UPDATE SET balance = excluded.balance, changes = changes + 1`,
      [account, balance.toString()],
    );
  },
};

/** One `paid` event in a write of its own. */
export function pay(journal: Journal, account: string, amount = 1n): Promise<number> {
  return journal.write((append) => append('paid', { account, amount: amount.toString() }).sequence);
}

export function balanceOf(journal: Journal, account: string): string | undefined {
  return journal.sql.get('SELECT balance FROM account WHERE name = ?', [account])?.balance as string | undefined;
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'journal-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What somebody with write access to a journal that is not open can do. */
export function meddle(file: string, ...statements: string[]): void {
  const db = new Database(file);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    for (const { name } of db.all("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
      db.exec(`DROP TRIGGER ${name}`);
    for (const statement of statements) db.exec(statement);
  } finally {
    db.close();
  }
}
