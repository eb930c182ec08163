import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { EditorPage } from './editor-page';

/** Beside the examples, which are deployed already. */
export function marketNodes(nodeRed: () => { readonly browser: Browser; readonly url: string }): void {
  describe('with nodes of the marketplace', () => {
    let editor: EditorPage;
    let offers: string;
    let buys: string;
    before(async () => {
      editor = await EditorPage.open(nodeRed().browser, nodeRed().url, 'en-US');
      await editor.newTab();
      offers = await editor.drag('iota-offer', 300, 150);
      buys = await editor.drag('iota-buy', 300, 250);
    });
    after(async () => editor.close());
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.picture(`failed-${this.currentTest.title}`);
    });

    it('has them where they are dropped, and says that they want a machine, a broker and a service', async () => {
      assert.deepEqual([await editor.property(offers, 'outputs'), await editor.property(buys, 'outputs')], [3, 2]);
      assert.deepEqual([await editor.property(offers, 'valid'), await editor.property(buys, 'valid')], [false, false]);
    });

    it('is told what is offered, and says how it ends and what is missing for refunds', async () => {
      const { page } = editor;
      await editor.edit(offers);
      const note = page.locator('#iota-offer-price-note');
      await note.getByText('Nothing is offered until').waitFor();
      await page.locator('#node-input-autoPropose').uncheck();
      await note.getByText('comes out at the third output').waitFor();
      await page.locator('#node-input-autoPropose').check();
      await page.locator('#node-input-price').fill('200000');
      await note.getByText('Without the unit these are base units').waitFor();
      await page.locator('#node-input-price').fill('0.2 IOTA');
      await note.getByText('no payment below its deposit').waitFor();
      const ends = page.locator('#iota-offer-ends');
      await ends.getByText('with the topic delivered (or failed)').waitFor();
      await page.locator('#node-input-unit').selectOption('kWh');
      await ends.getByText('with the topic meter').waitFor();
      await page.locator('#node-input-unit').selectOption('minute');
      await ends.getByText('stops it when time is up').waitFor();

      await page.locator('#node-input-service').fill('Compressed Air');
      await page.keyboard.press('Tab');
      await page.locator('#node-input-service.input-error').waitFor();
      await page.locator('#node-input-service').fill('compressed-air');
      await page.locator('#node-input-place').fill('over there');
      await page.keyboard.press('Tab');
      await page.locator('#node-input-place.input-error').waitFor();
      await page.locator('#node-input-place').fill('52.52, 13.405');
      await page.locator('#node-input-machine').selectOption('listen-example-shop');
      await page.getByText('does not let it pay just anyone').waitFor();
      await editor.picture('offer-without-policy');
      await page.locator('#node-input-machine').selectOption('offer-example-compressor');
      await page.getByText('does not let it pay just anyone').waitFor({ state: 'hidden' });
      await page.locator('#node-input-broker').selectOption('offer-example-broker');
      await editor.choose('#node-input-parameters', 'JSON');
      await editor.type('#node-input-parameters', '{"type":"object"}');
      await editor.picture('offer-filled');
      await editor.save();
      const saved = await Promise.all(
        ['service', 'price', 'unit', 'place', 'parameters', 'autoPropose', 'channel', 'valid'].map((name) =>
          editor.property(offers, name),
        ),
      );
      assert.deepEqual(saved, [
        'compressed-air',
        '0.2 IOTA',
        'minute',
        '52.52, 13.405',
        '{"type":"object"}',
        true,
        'mqtt',
        true,
      ]);
      // What was saved is what is shown, and saving it again changes nothing.
      await editor.edit(offers);
      await editor.save();
      assert.equal(await editor.property(offers, 'parameters'), '{"type":"object"}');
      assert.deepEqual(editor.complaints, []);
    });

    it('shows of a choice what belongs to it', async () => {
      const { page } = editor;
      await editor.edit(buys);
      await page.locator('#iota-buy-choose-note').getByText('The lowest total.').waitFor();
      assert.deepEqual(
        [await page.locator('#iota-buy-weights').isVisible(), await page.locator('#iota-buy-expression').isVisible()],
        [false, false],
      );
      await page.locator('#node-input-choose').selectOption('jsonata');
      await page.locator('#iota-buy-expression').waitFor();
      await page.getByText('JSONata over { proposals, call }').waitFor();
      await editor.picture('buy-expression');
      await page.locator('#node-input-choose').selectOption('weighted');
      await page.locator('#iota-buy-expression').waitFor({ state: 'hidden' });
      await page.locator('#iota-buy-weight-distance').fill('2.5');
      await page.locator('#iota-buy-weight-time').fill('');
      await editor.choose('#node-input-maxPrice', 'string');
      const note = page.locator('#iota-buy-price-note');
      await editor.type('#node-input-maxPrice', '500000');
      await page.keyboard.press('Tab');
      await note.getByText('Without the unit these are base units').waitFor();
      await editor.type('#node-input-maxPrice', '0.5 IOTA');
      await page.keyboard.press('Tab');
      await note.getByText('price times quantity is paid').waitFor();
      await editor.choose('#node-input-near', 'string');
      await editor.type('#node-input-near', '52.52,13.405');
      await page.locator('#node-input-service').fill('compressed-air');
      await page.locator('#node-input-machine').selectOption('buy-example-line');
      await page.locator('#node-input-broker').selectOption('buy-example-broker');
      await editor.picture('buy-filled');
      await editor.save();
      const saved = await Promise.all(
        ['choose', 'weights', 'maxPrice', 'maxPriceType', 'near', 'nearType', 'quantity', 'quantityType', 'valid'].map(
          (name) => editor.property(buys, name),
        ),
      );
      assert.deepEqual(saved, [
        'weighted',
        { price: 1, distance: 2.5 },
        '0.5 IOTA',
        'str',
        '52.52,13.405',
        'str',
        'payload.quantity',
        'msg',
        true,
      ]);
      await editor.edit(buys);
      await editor.save();
      assert.deepEqual(await editor.property(buys, 'weights'), { price: 1, distance: 2.5 });
      assert.deepEqual(editor.complaints, []);
    });

    it('shows of a listener what belongs to its source', async () => {
      const { page } = editor;
      const listens = await editor.drag('iota-listen', 300, 350);
      await editor.edit(listens);
      const shown = async () =>
        Promise.all(
          ['ledger', 'tag', 'from', 'broker', 'near'].map((name) => page.locator(`#node-input-${name}`).isVisible()),
        );
      assert.deepEqual(await shown(), [false, false, true, false, false]);
      await page.locator('#node-input-source').selectOption('contracts');
      await page.getByText('Both what the machine bought and what it sold').waitFor();
      assert.deepEqual(await shown(), [false, false, true, false, false]);
      await page.locator('#node-input-source').selectOption('offers');
      await page.getByText('Offers that lie on the broker now').waitFor();
      assert.deepEqual((await shown()).slice(0, 3), [false, false, false]);
      await page.locator('#node-input-machine').selectOption('buy-example-line');
      await page.locator('#node-input-broker.input-error, #node-input-broker + * .input-error').first().waitFor();
      await page.locator('#node-input-broker').selectOption('buy-example-broker');
      await page.locator('#node-input-maxDistance').fill('5');
      await page.keyboard.press('Tab');
      await page.locator('#node-input-maxDistance.input-error').waitFor();
      await page.locator('#node-input-near').fill('52.52, 13.405');
      await page.keyboard.press('Tab');
      await page.locator('#node-input-maxDistance:not(.input-error)').waitFor();
      await page.locator('#node-input-maxPrice').fill('500000');
      await page.getByText('Without the unit this is base units').waitFor();
      await page.locator('#node-input-maxPrice').fill('0.5 IOTA');
      await page.locator('#node-input-service').fill('compressed-air');
      await editor.picture('listen-offers');
      await editor.save();
      const saved = await Promise.all(
        ['source', 'broker', 'service', 'near', 'maxDistance', 'maxPrice', 'valid'].map((name) =>
          editor.property(listens, name),
        ),
      );
      assert.deepEqual(saved, [
        'offers',
        'buy-example-broker',
        'compressed-air',
        '52.52, 13.405',
        '5',
        '0.5 IOTA',
        true,
      ]);
      assert.deepEqual(editor.complaints, []);
    });
  });
}
