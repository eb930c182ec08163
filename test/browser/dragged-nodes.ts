import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { EditorPage } from './editor-page';
import { NODES } from './example-nodes';

const AUDITOR = 'did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t';

/** Beside the examples, which are deployed already. */
export function draggedNodes(nodeRed: () => { readonly browser: Browser; readonly url: string }): void {
  describe('with nodes dragged from the palette', () => {
    let editor: EditorPage;
    before(async () => {
      editor = await EditorPage.open(nodeRed().browser, nodeRed().url, 'en-US');
    });
    after(async () => editor.close());
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.picture(`failed-${this.currentTest.title}`);
    });
    let signs: string;
    let verifies: string;

    it('has what signs and what verifies data where they are dropped', async () => {
      await editor.newTab();
      signs = await editor.drag('iota-sign-data', 300, 150);
      verifies = await editor.drag('iota-verify-data', 300, 250);
      assert.deepEqual([await editor.property(signs, 'outputs'), await editor.property(verifies, 'outputs')], [2, 2]);
      // A sign-data node needs a machine, a verify-data node nothing.
      assert.deepEqual(
        [await editor.property(signs, 'valid'), await editor.property(verifies, 'valid')],
        [false, true],
      );
    });

    it('is told what to sign, for whom, and as what', async () => {
      const { page } = editor;
      await editor.edit(NODES['iota-machine']);
      await editor.tab('#iota-machine-tabs', 2, '#iota-machine-tab-contacts');
      await page.getByText('add contact').click();
      const last = page.locator('#iota-machine-contacts li').last();
      await last.locator('.iota-machine-contact-name').fill('auditor');
      await last.locator('.iota-machine-contact-target').fill(AUDITOR);
      await editor.save();

      await editor.edit(signs);
      await page.getByText('Everybody can read the signed document').waitFor();
      await editor.picture('sign-data-new');
      await page.locator('#node-input-machine').selectOption(NODES['iota-machine']);
      const names = page.locator('#iota-sign-data-contacts option[value="auditor"]');
      await names.waitFor({ state: 'attached' });
      await page.locator('#node-input-format').selectOption('jws');
      await page.getByText('add reader').click();
      await page.locator('.iota-sign-data-reader').fill('auditor');
      await page.getByText('only these readers can open it').waitFor();
      await editor.choose('#node-input-schema', 'JSON');
      await editor.type('#node-input-schema', '{"type": "object"}');
      await editor.picture('sign-data-filled');
      await editor.save();
      const of = (name: string) => editor.property(signs, name);
      assert.deepEqual(
        [await of('machine'), await of('format'), await of('anchor'), await of('schema'), await of('readers')],
        [NODES['iota-machine'], 'jws', true, '{"type": "object"}', ['auditor']],
      );
      assert.equal(await of('valid'), true);

      // What was saved is what is shown, and saving it again changes nothing.
      await editor.edit(signs);
      await editor.save();
      assert.equal(await of('schema'), '{"type": "object"}');

      await editor.edit(signs);
      await editor.choose('#node-input-schema', 'none: anything is signed');
      await page.locator('#node-input-anchor').uncheck();
      await editor.save();
      assert.deepEqual([await of('schema'), await of('anchor'), await of('readers')], ['', false, ['auditor']]);
      assert.deepEqual(editor.complaints, []);
    });

    it('is told whose signatures count', async () => {
      const { page } = editor;
      await editor.edit(verifies);
      await page.getByText('what anyone signed is valid').waitFor();
      await page.locator('#node-input-requireAnchor').check();
      await page.getByText('Choose a ledger: without one').waitFor();
      await editor.picture('verify-data-anyone');
      for (const _ of ['machine', 'did', 'contact']) await page.getByText('add signer').click();
      const signer = (index: number) => `#iota-verify-data-trusted li:nth-child(${index}) .iota-verify-data-signer`;
      await editor.choose(signer(2), 'did:key');
      await editor.type(signer(2), AUDITOR);
      await editor.choose(signer(3), 'contact of the reader');
      await editor.type(signer(3), 'auditor');
      await page.getByText('what anyone signed is valid').waitFor({ state: 'hidden' });
      await page.locator('#node-input-ledger').selectOption(NODES['iota-ledger']);
      await page.getByText('Choose a ledger: without one').waitFor({ state: 'hidden' });
      await page.locator('#node-input-machine').selectOption(NODES['iota-machine']);
      await editor.choose('#node-input-successions', 'JSON');
      await editor.type('#node-input-successions', '[]');
      await editor.picture('verify-data-filled');
      await editor.save();
      const trusted = (await editor.property(verifies, 'trusted')) as string[];
      assert.equal(await editor.typeOf(trusted[0] as string), 'iota-machine');
      assert.deepEqual(trusted.slice(1), [AUDITOR, 'auditor']);
      assert.deepEqual(
        [await editor.property(verifies, 'requireAnchor'), await editor.property(verifies, 'ledger')],
        [true, NODES['iota-ledger']],
      );
      // What was saved is what is shown, and saving it again changes nothing.
      await editor.edit(verifies);
      await editor.picture('verify-data-again');
      await editor.save();
      assert.deepEqual(await editor.property(verifies, 'trusted'), trusted);
      assert.equal(await editor.property(verifies, 'successions'), '[]');
      assert.deepEqual(editor.complaints, []);
    });

    it('is deployed, and says how it stands', async () => {
      await editor.deploy();
      await editor.status(verifies, 'ready');
      await editor.picture('sign-and-verify');
      assert.deepEqual(editor.complaints, []);
    });

    it('says when the log of a machine goes to the ledger', async () => {
      const { page } = editor;
      await editor.edit(NODES['iota-machine']);
      await editor.tab('#iota-machine-tabs', 3, '#iota-machine-tab-log');
      await page.locator('#node-config-input-batchSeconds').fill('0');
      await page.locator('#node-config-input-batchSeconds').press('Tab');
      await page.locator('#node-config-input-batchSeconds.input-error').waitFor();
      await page.locator('#node-config-input-batchSeconds').fill('5');
      await page.locator('#node-config-input-tag').fill('plant-7');
      await editor.picture('machine-log');
      await editor.save();
      assert.deepEqual(
        [
          await editor.property(NODES['iota-machine'], 'tag'),
          Number(await editor.property(NODES['iota-machine'], 'batchSeconds')),
        ],
        ['plant-7', 5],
      );
      await editor.deploy();
      assert.deepEqual(editor.complaints, []);
    });

    it('hands the word of a machine over to another key, and shows the statement', async () => {
      const { page } = editor;
      const machine = 'verify-data-example-sensor';
      await page.request.post(`${nodeRed().url}/iota-machine/keys`, { data: { id: machine, key: 'next sensor' } });
      await editor.edit(machine);
      await page.locator('#iota-machine-key-succeed').click();
      await page.getByText('This cannot be taken back').waitFor();
      const confirm = page.locator('#iota-machine-successor-confirm');
      assert.equal(await confirm.isDisabled(), true, 'to nobody');
      await page.locator('#iota-machine-successor').fill('next sensor');
      await editor.picture('machine-successor');
      await confirm.click();
      const statement = page.locator('#iota-machine-statement');
      await statement.waitFor();
      assert.match(await statement.inputValue(), /"proof"/);
      await editor.picture('machine-succeeded');
      await editor.cancel();
      assert.deepEqual(editor.complaints, []);
    });
  });
}
