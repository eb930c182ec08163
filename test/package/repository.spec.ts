import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from './installation';

const BINARY = /\.(png|jpg|ico)$/;
/** Longer than this, a file does more than one thing. */
const MOST_LINES = 420;

describe('the repository', () => {
  let files: Map<string, string>;

  before(() => {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
    files = new Map(
      listed
        .toString()
        .split('\n')
        .filter((path) => path && !BINARY.test(path) && existsSync(join(ROOT, path)))
        .map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
    );
  });

  /** Lines of the files (by default all but this one) that match, as `path:line`. */
  function found(pattern: RegExp, which: (path: string) => boolean = () => true): string[] {
    return [...files].flatMap(([path, text]) =>
      which(path) && !path.endsWith('repository.spec.ts')
        ? text
            .split('\n')
            .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []))
        : [],
    );
  }

  it('names no path of the machine it was written on', () => {
    assert.deepEqual(found(/\/(work|root|home)\/[a-z]/), []);
  });

  it('names no host of a package registry', () => {
    assert.deepEqual(found(/registry\.(npmjs|yarnpkg)|"resolved"|_authToken/i), []);
  });

  it('has nothing that was left for later', () => {
    assert.deepEqual(found(/\b(TODO|FIXME|XXX)\b/), []);
  });

  it('has text files that end with a line break and have none of another system', () => {
    const odd = [...files].filter(([, text]) => text !== '' && (!text.endsWith('\n') || text.includes('\r\n')));
    assert.deepEqual(
      odd.map(([path]) => path),
      [],
    );
  });

  it('runs every test that it has', () => {
    assert.deepEqual(
      found(/\b(describe|it)\.(only|skip)\(/, (path) => path.endsWith('.spec.ts')),
      [],
    );
  });

  it('has files that do one thing and are named after it', () => {
    const sources = [...files].filter(([path]) => /\.(ts|mjs|cjs)$/.test(path));
    const vague = sources.filter(([path]) => /^(utils?|helpers?|common|misc|manager)\b/.test(basename(path)));
    const long = sources.filter(([, text]) => text.split('\n').length > MOST_LINES);
    assert.deepEqual(
      [...vague, ...long].map(([path]) => path),
      [],
    );
  });

  it('has one door per folder of the library', () => {
    const folders = readdirSync(join(ROOT, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const without = folders.filter(
      ({ name }) => !WITHOUT_DOOR.includes(name) && !existsSync(join(ROOT, 'lib', name, 'index.ts')),
    );
    assert.deepEqual(
      without.map(({ name }) => name),
      [],
    );
  });
});

/** A process and a server of their own: nobody imports them. */
const WITHOUT_DOOR = ['cli', 'sandbox'];
