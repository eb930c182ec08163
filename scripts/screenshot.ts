/** Takes the pictures of README: examples in a real editor, after what they show has happened. `npm run screenshot`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EditorPage, findChromium, launch } from '../test/browser/editor-page';
import { freePorts, UserDirectory } from '../test/flows/node-red-process';

const ROOT = join(__dirname, '..');
const MESSAGES = '.red-ui-debug-msg';

interface Picture {
  readonly example: string;
  readonly height: number;
  /** Resolves when there is something to see. */
  readonly happen: (editor: EditorPage, url: string) => Promise<void>;
}

const PICTURES: readonly Picture[] = [
  {
    example: 'parking',
    height: 1580,
    happen: async (editor) => {
      await editor.status('parking-pay', 'confirmed');
      await editor.page.locator(MESSAGES).first().waitFor();
    },
  },
  {
    example: 'marketplace',
    height: 1500,
    happen: async (editor) => {
      await editor.page.locator(MESSAGES, { hasText: 'node: CONTRACT' }).first().waitFor();
      await editor.page.locator(MESSAGES, { hasText: 'TOO LATE' }).first().waitFor();
    },
  },
  {
    example: 'signed-sensor',
    height: 1090,
    happen: async (editor, url) => {
      await editor.page.locator(MESSAGES).nth(1).waitFor();
      await fetch(`${url}/inject/signed-sensor-forge-button`, { method: 'POST' });
      await editor.page.locator(MESSAGES, { hasText: 'REFUSED' }).first().waitFor();
    },
  },
];

async function main(): Promise<void> {
  const executable = findChromium();
  if (!executable) throw new Error('no Chromium was found');
  const browser = await launch(executable);
  try {
    const [only] = process.argv.slice(2);
    for (const picture of PICTURES) if (only === undefined || picture.example === only) await take(picture, browser);
  } finally {
    await browser.close();
  }
}

async function take({ example, height, happen }: Picture, browser: Awaited<ReturnType<typeof launch>>): Promise<void> {
  const [ledger, devices] = (await freePorts(2)) as [number, number];
  const flow = JSON.parse(readFileSync(join(ROOT, 'examples', `${example}.json`), 'utf8')) as { type: string }[];
  const directory = await UserDirectory.create();
  await directory.writeFlows(
    flow.map((node) => {
      if (node.type === 'iota-ledger') return { ...node, port: ledger, deviceBrokerPort: devices };
      return node.type === 'mqtt-broker' ? { ...node, port: String(devices) } : node;
    }),
  );
  const nodeRed = await directory.start();
  try {
    const editor = await EditorPage.open(browser, directory.url, 'en-US');
    await editor.page.setViewportSize({ width: 1600, height });
    await editor.page.evaluate(() => (globalThis as unknown as Editor).RED.sidebar.show('debug'));
    await happen(editor, directory.url);
    await editor.page.screenshot({ path: join(ROOT, 'docs', `${example}.png`) });
  } finally {
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
