import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { freePorts, type NodeRedProcess, UserDirectory } from '../flows/node-red-process';
import { draggedNodes } from './dragged-nodes';
import { EditorPage, findChromium, launch, PICTURES } from './editor-page';
import { NODES } from './example-nodes';
import { marketNodes } from './market-nodes';

const LABELS = {
  'en-US': {
    pay: 'pay',
    wallet: 'wallet',
    listen: 'listen',
    'sign-data': 'sign data',
    'verify-data': 'verify data',
    offer: 'offer',
    buy: 'buy',
    category: 'machine economy',
    confirmed: 'confirmed',
    ready: 'ready',
  },
  de: {
    pay: 'Zahlen',
    wallet: 'Wallet',
    listen: 'Zuhören',
    'sign-data': 'Daten signieren',
    'verify-data': 'Daten prüfen',
    offer: 'Anbieten',
    buy: 'Kaufen',
    category: 'Maschinenökonomie',
    confirmed: 'bestätigt',
    ready: 'bereit',
  },
} as const;
/** A key of a catalogue where a text should be. */
const UNTRANSLATED = /\biota-(ledger|machine|wallet|pay|listen|sign-data|verify-data|offer|buy)\.[a-z]/i;

describe('the editor', function () {
  this.timeout(180_000);
  const executable = findChromium();
  let directory: UserDirectory;
  let nodeRed: NodeRedProcess;
  let browser: Browser;
  let editor: EditorPage;

  before(async function () {
    if (!executable) {
      if (process.env.REQUIRE_BROWSER === '1') throw new Error('no Chromium was found');
      console.error('!!! NO CHROMIUM FOUND: the editor was not tested !!!');
      this.skip();
    }
    directory = await UserDirectory.create();
    nodeRed = await directory.start();
    browser = await launch(executable);
    console.log(`      pictures: ${PICTURES}`);
  });

  after(async () => {
    await browser?.close();
    await nodeRed?.stop();
    await directory?.remove();
  });

  describe('with an example from its import menu', () => {
    before(async () => {
      editor = await EditorPage.open(browser, directory.url, 'en-US');
      const [ledger, devices] = (await freePorts(2)) as [number, number];
      for (const name of [
        'iota-ledger',
        'iota-machine',
        'iota-wallet',
        'iota-pay',
        'iota-listen',
        'iota-sign-data',
        'iota-verify-data',
        'iota-offer',
        'iota-buy',
      ]) {
        await editor.importExample(name);
      }
      await editor.moveLedgers(ledger, devices);
      await editor.deploy();
    });
    after(async () => editor.close());
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.picture(`failed-${this.currentTest.title}`);
    });

    it('pays, with nothing filled in, and shows that it did', async () => {
      await editor.show('pay-example');
      // The machine makes its key and gets its first money.
      await funded(directory.url, NODES['iota-machine']);
      await editor.pressButtonOf('pay-example-button');
      await editor.status('pay-example-pay', LABELS['en-US'].confirmed);
      await editor.picture('paid');
      assert.deepEqual(editor.complaints, []);
    });

    it('hears of a payment', async () => {
      await editor.show('listen-example');
      await editor.pressButtonOf('listen-example-guest');
      await editor.status('listen-example-open', 'door');
      await editor.status('listen-example-listen', 'received');
      await editor.picture('listen');
      assert.deepEqual(editor.complaints, []);
    });

    it('answers where a machine is, what it has and how it is paid', async () => {
      await editor.show('ledger-example');
      await editor.status('ledger-example-wallet', 'done');
      await editor.show('wallet-example');
      await editor.pressButtonOf('wallet-example-request');
      await editor.status('wallet-example-wallet', 'done');
      await editor.pressButtonOf('wallet-example-balance');
      await editor.status('wallet-example-wallet', '1000 IOTA');
      await editor.picture('wallet');
      assert.deepEqual(editor.complaints, []);
    });

    it('pays within the policy of a machine and nothing else', async () => {
      await editor.show('machine-example');
      await editor.pressButtonOf('machine-example-large');
      await editor.status('machine-example-pay', 'above the limit');
      await editor.pressButtonOf('machine-example-small');
      await editor.status('machine-example-pay', 'confirmed');
      await editor.pressButtonOf('machine-example-stranger');
      await editor.status('machine-example-pay', 'payee not allowed');
      await editor.picture('machine-limits');
      assert.deepEqual(editor.complaints, []);
    });

    it('signs a reading, and has its evidence once it is on the ledger', async () => {
      await editor.show('sign-data-example');
      await editor.pressButtonOf('sign-data-example-button');
      await editor.status('sign-data-example-sign', '1 ✓ 1 …');
      await editor.status('sign-data-example-sign', '1 ✓');
      await editor.picture('signed');
      assert.deepEqual(editor.complaints, []);
    });

    it('tells a reading that was changed from one that was not', async () => {
      await editor.show('verify-data-example');
      await editor.pressButtonOf('verify-data-example-honest');
      await editor.status('verify-data-example-verify', 'valid');
      await editor.pressButtonOf('verify-data-example-forger');
      await editor.status('verify-data-example-verify', 'invalid');
      await editor.status('verify-data-example-invalid', 'PAYLOAD_CHANGED');
      await editor.picture('verified');
      assert.deepEqual(editor.complaints, []);
    });

    it('buys from the cheaper of two, and says why', async () => {
      await editor.show('buy-example');
      await editor.status('buy-example-a-offer', '0.2 IOTA');
      await editor.status('buy-example-b-offer', '0.15 IOTA');
      await funded(directory.url, 'buy-example-line');
      await editor.pressButtonOf('buy-example-need');
      await editor.status('buy-example-b-offer', '▶ 1');
      await editor.picture('buying');
      await editor.status('buy-example-buy', 'delivered');
      await editor.picture('bought');
      await editor.pressButtonOf('buy-example-dear');
      await editor.status('buy-example-buy', 'no proposal');
      await editor.picture('too-dear');
      assert.deepEqual(editor.complaints, []);
    });

    it('sells by the second: starts when it is paid and stops when time is up', async () => {
      await editor.show('offer-example');
      await editor.status('offer-example-offer', '0.05 IOTA/s');
      await editor.status('offer-example-valve', 'stop');
      await funded(directory.url, 'offer-example-workshop');
      await editor.pressButtonOf('offer-example-need');
      await editor.status('offer-example-valve', 'start');
      await editor.status('offer-example-offer', '▶ 1');
      await editor.picture('delivering');
      await editor.status('offer-example-valve', 'stop');
      await editor.status('offer-example-contract', 'completed');
      await editor.pressButtonOf('offer-example-price');
      await editor.status('offer-example-offer', '0.06 IOTA/s');
      await editor.pressButtonOf('offer-example-pause');
      await editor.status('offer-example-offer', 'paused');
      await editor.picture('sold');
      assert.deepEqual(editor.complaints, []);
    });

    it('shows where a machine is paid and what it has', async () => {
      await editor.edit(NODES['iota-machine']);
      const account = editor.page.locator('#iota-machine-account');
      await account.getByText(/^tst1/).waitFor();
      assert.match(await account.innerText(), /999\.9 IOTA/);
      const code = account.locator('img');
      assert.match((await code.getAttribute('src')) ?? '', /^data:image\/svg\+xml;base64,/);
      assert.ok(
        await code.evaluate((image) => (image as HTMLImageElement).naturalWidth > 0),
        'the QR code is a picture',
      );
      await editor.picture('machine');
      await editor.cancel();
      assert.deepEqual(editor.complaints, []);
    });

    it('tests the connection to the ledger as it is in the dialog', async () => {
      await editor.edit(NODES['iota-ledger']);
      const result = editor.page.locator('#iota-ledger-test-result');
      await editor.page.locator('#iota-ledger-test').click();
      await result.getByText(/Reachable: network sandbox-tangle/).waitFor();
      await editor.picture('ledger');
      const [nobody] = await freePorts(1);
      await editor.page.locator('#node-config-input-network').selectOption('tangle');
      await editor.page.locator('#node-config-input-url').fill(`http://127.0.0.1:${nobody}`);
      await editor.page.locator('#iota-ledger-test').click();
      await result.getByText(/The test failed: .*cannot be reached/).waitFor({ timeout: 20_000 });
      await editor.picture('ledger-unreachable');
      await editor.cancel();
      assert.equal(await editor.property(NODES['iota-ledger'], 'network'), 'sandbox-tangle');
    });

    it('makes a key, shows its words once and has some typed back', async () => {
      await editor.edit(NODES['iota-machine']);
      const { page } = editor;
      await page.locator('#node-config-input-key').fill('backed up');
      await page.locator('#iota-machine-key-create').click();
      const shown = page.locator('#iota-machine-words > div');
      await shown.first().waitFor();
      const words = (await shown.allInnerTexts()).map((line) => line.replace(/^\d+\.\s*/, ''));
      assert.equal(words.length, 24);
      await page.locator('#iota-machine-key-written').click();
      const fields = page.locator('#iota-machine-key-work input');
      assert.equal(await fields.count(), 4);
      await fields.first().fill('wrong');
      await page.locator('#iota-machine-key-check').click();
      await page.getByText('That is not right').waitFor();
      for (const field of await fields.all()) {
        const number = Number(/\d+/.exec((await field.getAttribute('placeholder')) ?? '')?.[0]);
        await field.fill(words[number - 1] as string);
      }
      await editor.picture('key-words-typed-back');
      await page.locator('#iota-machine-key-check').click();
      await page.getByText('The backup is confirmed').waitFor();
      await page.getByText('Its words were written down and checked.').waitFor();
      await editor.picture('key-confirmed');
      const html = await page.content();
      assert.ok(!html.includes(words.slice(0, 3).join(' ')) && (await shown.count()) === 0, 'the words are gone');
      await page.locator('#node-config-input-key').fill('');
      await editor.cancel();
      assert.deepEqual(editor.complaints, []);
    });

    it('writes policy and contacts as the flow needs them', async () => {
      await editor.edit(NODES['iota-machine']);
      const { page } = editor;
      await editor.tab('#iota-machine-tabs', 2, '#iota-machine-tab-contacts');
      await page.getByText('add contact').click();
      await page.locator('.iota-machine-contact-name').fill('workshop');
      await page
        .locator('.iota-machine-contact-target')
        .fill('did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t');
      await editor.picture('machine-contacts');
      await editor.tab('#iota-machine-tabs', 1, '#iota-machine-tab-policy');
      await page.getByText('means: anyone').waitFor();
      await page.locator('#iota-machine-maxPerPayment').fill('250000');
      await page.getByText('Without the unit these are base units').waitFor();
      await page.getByText('add budget').click();
      await page.locator('.iota-machine-budget-amount').nth(1).fill('1,5 IOTA');
      await page.getByText('Not an amount: 1,5 IOTA').waitFor();
      await editor.picture('machine-policy');
      await page.locator('.iota-machine-budget-amount').nth(1).fill('100 IOTA');
      assert.equal(
        await page.locator('.iota-machine-budget-window').nth(1).inputValue(),
        '30d',
        'a window that is free',
      );
      await page.locator('.iota-machine-budget-window').nth(1).selectOption('24h');
      await page.getByText('a window of its own').waitFor();
      await page.locator('.iota-machine-budget-window').nth(1).selectOption('30d');
      await page.locator('#iota-machine-maxPerPayment').fill('0.25 IOTA');
      await page.locator('.iota-machine-payee').fill('workshop');
      await editor.save();
      assert.deepEqual(await editor.property(NODES['iota-machine'], 'policy'), {
        maxPerPayment: '0.25 IOTA',
        budgets: [
          { amount: '10 IOTA', window: '24h' },
          { amount: '100 IOTA', window: '30d' },
        ],
        payees: ['workshop'],
      });
      assert.deepEqual(await editor.property(NODES['iota-machine'], 'contacts'), {
        workshop: 'did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t',
      });
      assert.equal(await editor.isDeployed(), false, 'there is something to deploy');
      await editor.deploy();
      await editor.show('pay-example');
      await editor.pressButtonOf('pay-example-button');
      await editor.status('pay-example-pay', 'payee not allowed');
      await editor.picture('refused');
      assert.deepEqual(editor.complaints, []);
    });
  });

  draggedNodes(() => ({ browser, url: directory.url }));
  marketNodes(() => ({ browser, url: directory.url }));

  for (const language of ['en-US', 'de'] as const) {
    describe(`in ${language}`, () => {
      const label = LABELS[language];
      before(async () => {
        editor = await EditorPage.open(browser, directory.url, language === 'de' ? 'de-DE' : language);
      });
      after(async () => editor.close());

      it('names the palette', async () => {
        const { page } = editor;
        await page.locator('#red-ui-palette-search input').pressSequentially('iota');
        for (const type of ['pay', 'wallet', 'listen', 'sign-data', 'verify-data', 'offer', 'buy'] as const) {
          const node = page.locator(`.red-ui-palette-node[data-palette-type="iota-${type}"]`);
          const shown = await node.locator('.red-ui-palette-label').innerText();
          assert.equal(shown.replace(/\s+/g, ' '), label[type]);
        }
        await page.locator('.red-ui-palette-header', { hasText: label.category }).waitFor();
        await page.locator('.red-ui-palette-node[data-palette-type="inject"]').waitFor({ state: 'hidden' });
        await editor.picture(`palette-${language}`);
        await page.locator('#red-ui-palette-search input').fill('');
      });

      for (const [type, id] of Object.entries(NODES)) {
        it(`opens the dialog of ${type} without a complaint, and fully worded`, async () => {
          await editor.edit(id);
          const dialog = editor.page.locator('.red-ui-tray-body').last();
          const placeholders = await dialog
            .locator('[placeholder]')
            .evaluateAll((inputs) => inputs.map((input) => input.getAttribute('placeholder')));
          const words = `${await dialog.evaluate((body) => body.textContent)} ${placeholders.join(' ')}`.replace(
            /<style>.*?<\/style>/gs,
            '',
          );
          assert.doesNotMatch(words.replace(/#iota[^}]*}|\.iota[^}]*}/g, ''), UNTRANSLATED);
          await editor.picture(`${type}-${language}`);
          await editor.save();
          assert.deepEqual(editor.complaints, []);
          assert.deepEqual(await editor.lastChanges(), [], 'nothing was done');
        });

        it(`has help for ${type}`, async () => {
          const help = await editor.page
            .locator(`script[data-help-name="${type}"]`)
            .evaluate((script) => script.innerHTML);
          assert.match(help, language === 'de' ? /<h3>Ausgaben<\/h3>/ : /<h3>Outputs<\/h3>/);
        });
      }

      it('says what a node does', async () => {
        await editor.show('listen-example');
        await editor.status('listen-example-pay', label.ready);
        await editor.picture(`flow-${language}`);
      });
    });
  }
});

/** Waits until the payer has its test money. */
async function funded(url: string, machine: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const response = await fetch(`${url}/iota-machine/${machine}/account`);
    const { balance } = (await response.json()) as { balance?: { available: string } };
    if (balance && balance.available !== '0 IOTA') return;
    await new Promise((again) => setTimeout(again, 200));
  }
  throw new Error('the machine got no test money');
}
