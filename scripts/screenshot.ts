/** Takes the picture of README: the parking example in a real editor, after the first car has paid. `npm run screenshot`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EditorPage, findChromium, launch } from '../test/browser/editor-page';
import { freePorts, UserDirectory } from '../test/flows/node-red-process';

const ROOT = join(__dirname, '..');
const PICTURE = join(ROOT, 'docs', 'parking.png');

async function main(): Promise<void> {
  const executable = findChromium();
  if (!executable) throw new Error('no Chromium was found');
  const [ledger, devices] = (await freePorts(2)) as [number, number];
  const example = JSON.parse(readFileSync(join(ROOT, 'examples', 'parking.json'), 'utf8')) as { type: string }[];
  const directory = await UserDirectory.create();
  await directory.writeFlows(
    example.map((node) => {
      if (node.type === 'iota-ledger') return { ...node, port: ledger, deviceBrokerPort: devices };
      return node.type === 'mqtt-broker' ? { ...node, port: String(devices) } : node;
    }),
  );
  const nodeRed = await directory.start();
  const browser = await launch(executable);
  try {
    const editor = await EditorPage.open(browser, directory.url, 'en-US');
    await editor.page.setViewportSize({ width: 1600, height: 1580 });
    // The debug sidebar shows the receipt.
    await editor.page.evaluate(() => (globalThis as unknown as Editor).RED.sidebar.show('debug'));
    await editor.status('parking-pay', 'confirmed');
    await editor.page.locator('.red-ui-debug-msg').first().waitFor();
    await editor.page.screenshot({ path: PICTURE });
  } finally {
    await browser.close();
    await nodeRed.stop();
    await directory.remove();
  }
}

interface Editor {
  readonly RED: { readonly sidebar: { show(id: string): void } };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
