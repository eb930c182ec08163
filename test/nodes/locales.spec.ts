import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ERROR_CODES } from '../../lib/errors/coded-error';
import { PROBLEM_CODES, PROBLEMS, WARNING_CODES, WARNINGS } from '../../lib/evidence/verification/problems';
import { exportedRaisers, type RaisedError, raisedErrors } from './raised-errors';

const ROOT = join(__dirname, '..', '..');
const LANGUAGES = ['en-US', 'de'] as const;
const TYPES = readdirSync(join(ROOT, 'nodes'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const pageOf = (type: string) => readFileSync(join(ROOT, 'nodes', type, `${type}.html`), 'utf8');
/** What a page names in calls of this function. */
const namesIn = (type: string, call: string) =>
  [...pageOf(type).matchAll(new RegExp(`\\b${call}\\([^()]*?'([\\w.]+)'(?: : '([\\w.]+)')?\\)`, 'g'))].flatMap(
    ([, ...names]) => names.filter((name) => name !== undefined),
  );

type Texts = Map<string, string>;

function catalogue(language: string, type: string): Texts {
  const texts: Texts = new Map();
  const flatten = (value: object, path: string): void => {
    for (const [name, text] of Object.entries(value)) {
      if (typeof text === 'string') texts.set(path + name, text);
      else flatten(text as object, `${path}${name}.`);
    }
  };
  flatten(JSON.parse(readFileSync(join(ROOT, 'locales', language, `${type}.json`), 'utf8')) as object, '');
  return texts;
}

const help = (language: string, type: string) => readFileSync(join(ROOT, 'locales', language, `${type}.html`), 'utf8');
const shared = (language: string) => catalogue(language, 'iota-ledger');
const placeholders = (text: string) => [...text.matchAll(/__(\w+?)__/g)].map(([, name]) => name).sort();

function sources(...folders: string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.(ts|html)$/.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      found.set(relative(ROOT, path), readFileSync(path, 'utf8'));
    }
  }
  return found;
}

let raisedOnce: RaisedError[] | undefined;
function allRaised(): RaisedError[] {
  raisedOnce ??= findRaised();
  return raisedOnce;
}

function findRaised(): RaisedError[] {
  const files = [...sources('lib', 'nodes')].filter(([file]) => file.endsWith('.ts'));
  const foreign = files.flatMap(([file, text]) => exportedRaisers(file, text));
  return files.flatMap(([file, text]) => raisedErrors(file, text, foreign));
}

describe('the texts of the nodes', () => {
  for (const type of TYPES) {
    it(`of ${type} are the same in both languages, with the same values in them`, () => {
      const [english, german] = LANGUAGES.map((language) => catalogue(language, type)) as [Texts, Texts];
      assert.deepEqual([...german.keys()].sort(), [...english.keys()].sort());
      for (const [key, text] of english) {
        assert.notEqual(text.trim(), '', key);
        assert.notEqual(german.get(key)?.trim(), '', key);
        assert.deepEqual(placeholders(german.get(key) ?? ''), placeholders(text), key);
      }
    });
  }

  it('have every key that an editor page or a node uses', () => {
    const missing: string[] = [];
    for (const [file, text] of sources('nodes')) {
      for (const [, key, variable] of text.matchAll(/['"`\]](iota-[a-z-]+\.[\w.-]+)(\$\{)?/g)) {
        const type = (key as string).split('.')[0] as string;
        // Files and permissions look like keys.
        if (/\.(svg|ts|js|html|read|write)$/.test(key as string)) continue;
        for (const language of LANGUAGES) {
          const keys = [...catalogue(language, type).keys()];
          const there = variable ? keys.some((name) => name.startsWith(key as string)) : keys.includes(key as string);
          if (!there) missing.push(`${language}: ${key} in ${file}`);
        }
      }
    }
    assert.deepEqual(missing, []);
  });

  it('name everything that a page can show by a name it makes up', () => {
    const made: Record<string, string[]> = {
      'iota-wallet.hint.': ['topic', 'balance', 'address', 'history', 'request', 'fund'],
      'iota-wallet.action.': ['topic', 'balance', 'address', 'history', 'request', 'fund'],
      'iota-ledger.hint.': ['sandbox-tangle', 'tangle'],
      'iota-machine.tab.': ['machine', 'policy', 'contacts', 'log'],
      'iota-sign-data.hint.': ['everybody', 'readers'],
      'iota-verify-data.': namesIn('iota-verify-data', 'text'),
      'iota-offer.note.': ['bare', 'deposit', 'noPrice', 'asked', 'refunds'],
      'iota-offer.ends.': ['time', 'flow', 'meter'],
      'iota-offer.output.': ['start', 'stop', 'events'],
      'iota-buy.note.': ['cheapest', 'fastest', 'nearest', 'weighted', 'jsonata', 'bare', 'noLimit', 'perUnit'],
      'iota-machine.policy.window.': ['1h', '24h', '30d', 'total'],
    };
    const page = pageOf('iota-machine');
    made['iota-machine.key.'] = [...page.matchAll(/\btext\('(\w+)'/g)]
      .map(([, name]) => name as string)
      .filter((name) => page.slice(0, page.indexOf('function accountPanel')).includes(`text('${name}'`));
    for (const language of LANGUAGES) {
      for (const [prefix, names] of Object.entries(made)) {
        const texts = catalogue(language, prefix.split('.')[0] as string);
        for (const name of names) assert.ok(texts.has(prefix + name), `${language}: ${prefix}${name}`);
      }
    }
  });

  it('name the category of the palette, whichever node is first', () => {
    for (const language of LANGUAGES) {
      const names = new Set(TYPES.map((type) => catalogue(language, type).get('palette.label.machine_economy')));
      assert.equal(names.size, 1);
      assert.ok(!names.has(undefined));
    }
  });

  it('are not left in the other language', () => {
    const same = TYPES.flatMap((type) => {
      const german = catalogue('de', type);
      return [...catalogue('en-US', type)].filter(([key, text]) => text.length > 20 && german.get(key) === text);
    }).filter(([key]) => !key.startsWith('iota-ledger.placeholder.'));
    assert.deepEqual(same, []);
  });

  it('are short where they stand under a node', () => {
    for (const language of LANGUAGES) {
      for (const type of TYPES) {
        for (const [key, text] of catalogue(language, type)) {
          if (/^short\.|\.status\./.test(key)) assert.ok(text.length < 20, `${language} ${key}: ${text}`);
        }
      }
    }
  });
});

/** What is wrong with evidence is no error of a flow: verification tells it as a problem. */
const VERDICTS: readonly string[] = ['EVIDENCE_INVALID'];

describe('the problems of a verification', () => {
  for (const language of LANGUAGES) {
    for (const [kind, sentences] of Object.entries({ problems: PROBLEMS, warnings: WARNINGS })) {
      it(`have a sentence for each of the ${kind} in ${language}, with the same values in it`, () => {
        const texts = new Map(
          [...catalogue(language, 'iota-verify-data')].filter(([key]) => key.startsWith(`${kind}.`)),
        );
        assert.deepEqual(
          [...texts.keys()].sort(),
          Object.keys(sentences)
            .map((code) => `${kind}.${code}`)
            .sort(),
        );
        for (const [code, sentence] of Object.entries(sentences)) {
          const text = texts.get(`${kind}.${code}`) ?? '';
          assert.deepEqual(placeholders(text), placeholders(sentence), code);
          if (language === 'en-US') assert.equal(text, sentence);
        }
      });
    }
  }
});

/** The policy names the field that is wrong; a reader of the source alone cannot see which. */
const MADE_FROM_FIELDS = ['maxPerPayment', 'budgets', 'payees'].map((field) => `CONFIG_INVALID.${field}`);

describe('the errors', () => {
  for (const language of LANGUAGES) {
    it(`have a sentence and a few words for every code in ${language}`, () => {
      const texts = shared(language);
      const missing = ERROR_CODES.filter((code) => !texts.has(`errors.${code}.default`) || !texts.has(`short.${code}`));
      assert.deepEqual(missing, []);
    });

    it(`have a sentence for everything that is raised in ${language}`, () => {
      const texts = shared(language);
      const missing = allRaised()
        .filter(({ code, detail }) => detail !== null && !texts.has(`errors.${code}.${detail}`))
        .map(({ code, detail, file, line }) => `${code}.${detail} (${file}:${line})`);
      assert.deepEqual(missing, []);
    });
  }

  it('have no sentence for what nobody raises', () => {
    const raised = new Set([...MADE_FROM_FIELDS, ...allRaised().map(({ code, detail }) => `${code}.${detail}`)]);
    const unused = [...shared('en-US').keys()]
      .filter((key) => key.startsWith('errors.') && !key.endsWith('.default'))
      .map((key) => key.slice('errors.'.length))
      .filter((key) => !raised.has(key));
    assert.deepEqual(unused, []);
  });

  it('are found where a function passes code and detail on', () => {
    const text = `
      class A { grow() { throw new CodedError('FROZEN', 'a' , 'm'); } }
      function invalid(detail: string, value: string) { return new CodedError('AMOUNT_INVALID', detail, value); }
      function twice(detail: string) { throw invalid(detail, 'x'); }
      const either = (kind: 'one' | 'two') => new CodedError('CONFIG_INVALID', kind, 'm');
      invalid('b', 'v'); twice('c'); invalid(yes ? 'd' : 'e', 'v');`;
    assert.deepEqual(
      raisedErrors('x.ts', text)
        .map(({ code, detail }) => `${code}.${detail}`)
        .sort(),
      [
        'AMOUNT_INVALID.b',
        'AMOUNT_INVALID.c',
        'AMOUNT_INVALID.d',
        'AMOUNT_INVALID.e',
        'CONFIG_INVALID.one',
        'CONFIG_INVALID.two',
        'FROZEN.a',
      ],
    );
  });
});

describe('the help', () => {
  const PARTS = {
    'en-US': ['Inputs', 'Outputs', 'Details', 'References'],
    de: ['Eingaben', 'Ausgaben', 'Details', 'Referenzen'],
  };

  for (const type of TYPES) {
    for (const language of LANGUAGES) {
      it(`of ${type} in ${language} has an introduction and all its parts`, () => {
        const text = help(language, type);
        assert.match(text, new RegExp(`^<script type="text/html" data-help-name="${type}">\\n<p>`));
        assert.deepEqual(
          [...text.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, title]) => title),
          PARTS[language],
        );
      });
    }

    it(`of ${type} says the same in both languages: codes, properties, links`, () => {
      const facts = (language: string) => ({
        codes: [...help(language, type).matchAll(/<code>([A-Z_]{5,})<\/code>/g)].map(([, code]) => code),
        properties: [...help(language, type).matchAll(/<dt[^>]*>([\w.]+) <span/g)].map(([, name]) => name),
        links: [...help(language, type).matchAll(/href="(.*?)"/g)].map(([, link]) => link),
      });
      assert.deepEqual(facts('de'), facts('en-US'));
    });
  }

  it('names every error code somewhere, and only codes that exist', () => {
    const named = new Set(
      TYPES.flatMap((type) => [...help('en-US', type).matchAll(/<code>([A-Z_]{5,})<\/code>/g)].map(([, code]) => code)),
    );
    const told: readonly string[] = [...PROBLEM_CODES, ...WARNING_CODES];
    assert.deepEqual(
      [...named].filter((code) => !told.includes(code as string)).sort(),
      ERROR_CODES.filter((code) => !VERDICTS.includes(code)).sort(),
    );
  });

  it('names every problem and every warning of a verification', () => {
    const named = [...help('en-US', 'iota-verify-data').matchAll(/<dt><code>([A-Z_]{5,})<\/code>/g)].map(
      ([, code]) => code,
    );
    assert.deepEqual(
      [...PROBLEM_CODES, ...WARNING_CODES].filter((code) => !named.includes(code)),
      [],
    );
  });

  it('stands beside the page of every node', () => {
    for (const type of TYPES) assert.ok(existsSync(join(ROOT, 'nodes', type, `${type}.html`)), type);
  });
});
