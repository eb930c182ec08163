import { accessSync, constants, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const READY_MS = 60_000;
const CATALOGUE = /catalogue\.nodered\.org|ERR_NAME_NOT_RESOLVED|ERR_INTERNET_DISCONNECTED/;

/** Where pictures of what the tests saw are put, to be looked at. */
export const PICTURES = process.env.SCREENSHOTS || join(tmpdir(), 'machine-economy-screenshots');

export function findChromium(): string | undefined {
  if (process.env.CHROMIUM_PATH) return process.env.CHROMIUM_PATH;
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What the tests use of the editor's own script. */
interface EditorNode {
  readonly id: string;
  readonly type: string;
  readonly _def: { readonly category: string };
  [property: string]: unknown;
}
declare const RED: {
  readonly actions: { invoke(name: string): void };
  readonly nodes: {
    node(id: string): EditorNode | null;
    eachConfig(visit: (node: EditorNode) => boolean): void;
    dirty(is: boolean): void;
  };
  readonly editor: { edit(node: EditorNode): void; editConfig(property: string, type: string, id: string): void };
  readonly history: { peek(): { readonly changes?: Record<string, object | null> } | undefined };
  readonly workspaces: { show(id: string): void };
  readonly view: { selection(): { readonly nodes?: readonly EditorNode[] } };
};

/** The editor of a running Node-RED in a browser that speaks one language. */
export class EditorPage {
  /** What the page complained about since it was opened. */
  readonly complaints: string[] = [];

  private constructor(readonly page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' && !CATALOGUE.test(message.text() + message.location().url)) {
        this.complaints.push(message.text());
      }
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  static async open(browser: Browser, url: string, language: string): Promise<EditorPage> {
    const context = await browser.newContext({ locale: language, viewport: { width: 1400, height: 900 } });
    const editor = new EditorPage(await context.newPage());
    await editor.page.goto(url);
    await editor.page.waitForSelector('.red-ui-palette-node[data-palette-type="iota-pay"]', { timeout: READY_MS });
    await editor.page.waitForSelector('#red-ui-loading-progress', { state: 'hidden', timeout: READY_MS });
    return editor;
  }

  /** Through Import > Examples, as a user does. */
  async importExample(name: string): Promise<void> {
    await this.page.evaluate(() => RED.actions.invoke('core:show-examples-import-dialog'));
    const examples = this.page.locator('#red-ui-clipboard-dialog-import-tab-examples');
    await examples.getByText('@machine-economy/node-red-iota').click();
    await examples.getByText(name, { exact: true }).click();
    await this.page.locator('#red-ui-clipboard-dialog-ok').click();
    await this.page.locator('#red-ui-clipboard-dialog-ok').waitFor({ state: 'hidden' });
  }

  /** Other sandboxes may run on this device: moves ours, and the brokers of its devices, to ports that are free. */
  async moveLedgers(ledger: number, devices: number): Promise<void> {
    await this.page.evaluate(
      ([ledgerPort, devicePort]) => {
        RED.nodes.eachConfig((node) => {
          if (node.type === 'iota-ledger')
            Object.assign(node, { port: String(ledgerPort), deviceBrokerPort: String(devicePort), changed: true });
          if (node.type === 'mqtt-broker') Object.assign(node, { port: String(devicePort), changed: true });
          return true;
        });
        RED.nodes.dirty(true);
      },
      [ledger, devices],
    );
  }

  async newTab(): Promise<void> {
    await this.page.evaluate(() => RED.actions.invoke('core:add-flow'));
  }

  /** From the palette to a place in the flow, with the mouse; the id of the node that is there then. */
  async drag(type: string, x: number, y: number): Promise<string> {
    const { page } = this;
    const entry = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await entry.scrollIntoViewIfNeeded();
    const flow = await page.locator('#red-ui-workspace-chart').boundingBox();
    await entry.hover();
    await page.mouse.down();
    await page.mouse.move((flow?.x ?? 0) + x, (flow?.y ?? 0) + y, { steps: 10 });
    await page.mouse.up();
    const selected = page.locator(`.red-ui-flow-node-selected`).first();
    await selected.waitFor();
    return (await page.evaluate(() => RED.view.selection().nodes?.[0]?.id)) as string;
  }

  /** Takes another kind of value in a typed input, by its label. */
  async choose(input: string, label: string): Promise<void> {
    const container = this.page.locator(`${input} + .red-ui-typedInput-container`);
    await container.locator('button.red-ui-typedInput-type-select').click();
    await this.page.locator('.red-ui-typedInput-options:visible a', { hasText: label }).first().click();
  }

  /** Fills in a typed input. */
  async type(input: string, value: string): Promise<void> {
    await this.page.locator(`${input} + .red-ui-typedInput-container input.red-ui-typedInput-input`).fill(value);
  }

  async typeOf(id: string): Promise<string | undefined> {
    return this.page.evaluate((nodeId) => RED.nodes.node(nodeId)?.type, id);
  }

  async show(tab: string): Promise<void> {
    await this.page.evaluate((id) => RED.workspaces.show(id), tab);
  }

  async deploy(): Promise<void> {
    await this.page.locator('#red-ui-header-button-deploy').click();
    await this.page.locator('#red-ui-header-button-deploy.disabled').waitFor();
  }

  async pressButtonOf(id: string): Promise<void> {
    await this.page.locator(`[id="${id}"] .red-ui-flow-node-button-button`).click();
  }

  /** Waits until a node shows this status. */
  async status(id: string, text: string): Promise<void> {
    const label = this.page.locator(`[id="${id}"] .red-ui-flow-node-status-label`);
    await label.filter({ hasText: new RegExp(`^${text}$`) }).waitFor({ timeout: 40_000 });
  }

  /** Opens the dialog of a node; a config node's lies in the same tray. */
  async edit(id: string): Promise<void> {
    await this.page.evaluate((nodeId) => {
      const node = RED.nodes.node(nodeId);
      if (!node) throw new Error(`no node ${nodeId}`);
      if (node._def.category === 'config') RED.editor.editConfig('', node.type, node.id);
      else RED.editor.edit(node);
    }, id);
    await this.page.locator('.red-ui-tray-toolbar button.primary:visible').waitFor();
    await this.#still();
  }

  async save(): Promise<void> {
    await this.page.locator('.red-ui-tray-toolbar button.primary:visible').click();
    await this.#closed();
  }

  async cancel(): Promise<void> {
    await this.page.locator('#node-config-dialog-cancel:visible, #node-dialog-cancel:visible').click();
    await this.#closed();
  }

  /** The editor takes two clicks within a moment for a double click, on whichever tab they are. */
  async tab(tabs: string, index: number, content: string): Promise<void> {
    const shown = this.page.locator(content);
    while (!(await shown.isVisible())) {
      await this.page.locator(`${tabs} li`).nth(index).click();
      await shown.waitFor({ timeout: 1000 }).catch(() => undefined);
    }
  }

  async isDeployed(): Promise<boolean> {
    return (await this.page.locator('#red-ui-header-button-deploy.disabled').count()) === 1;
  }

  /**
   * Which properties the last saved dialog changed. Not counted: credentials that nobody ever stored, of which the editor
   * makes empty ones.
   */
  async lastChanges(): Promise<string[]> {
    const changes = await this.page.evaluate(() => Object.entries(RED.history.peek()?.changes ?? {}));
    return changes
      .filter(
        ([name, value]) => name !== 'credentials' || Object.values(value ?? {}).some((stored) => stored !== undefined),
      )
      .map(([name]) => name);
  }

  async property(id: string, name: string): Promise<unknown> {
    return this.page.evaluate(([nodeId, key]) => RED.nodes.node(nodeId as string)?.[key as string], [id, name]);
  }

  async picture(name: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  /** Trays slide in and out. */
  async #still(): Promise<void> {
    await this.page.waitForFunction(() => {
      const trays = document.querySelectorAll('.red-ui-tray');
      const running = trays.item(trays.length - 1)?.getAnimations({ subtree: true }) ?? [];
      return Array.from(running).every((animation) => animation.playState !== 'running');
    });
  }

  async #closed(): Promise<void> {
    await this.page.locator('.red-ui-tray').first().waitFor({ state: 'detached' });
  }
}

export async function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}
