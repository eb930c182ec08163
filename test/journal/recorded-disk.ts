import fs, { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import sinon from 'sinon';

const SECTOR = 512;

/** A file's bytes, apart from its names. */
interface Node {
  readonly id: number;
  size: number;
}

type Step =
  | { readonly kind: 'write'; readonly node: Node; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly node: Node; readonly size: number }
  | { readonly kind: 'sync'; readonly node: Node }
  | { readonly kind: 'name'; readonly name: string; readonly node: Node | undefined }
  | { readonly kind: 'sync-names' }
  | { readonly kind: 'acknowledged'; readonly events: number };

/**
 * Records what happens to the files of one directory, and makes from it what a power cut could leave of them: what was
 * synced is there; of every write since, none, all, or some sectors; names (creations, renames, removals) up to any
 * point after the last sync of the directory. That is worse than real disks and file systems are.
 */
export class RecordedDisk {
  readonly #steps: Step[] = [];
  readonly #names = new Map<string, Node>();
  readonly #open = new Map<number, Node | 'directory'>();

  constructor(readonly directory: string) {
    const inside = (path: unknown) => typeof path === 'string' && dirname(path) === directory;
    const node = (descriptor: unknown) => {
      const found = this.#open.get(descriptor as number);
      return found === 'directory' ? undefined : found;
    };
    wrap('openSync', (descriptor, path, flags) => {
      if (path === directory) this.#open.set(descriptor as number, 'directory');
      else if (inside(path)) {
        const name = basename(path as string);
        if (!this.#names.has(name)) this.#rename(name, { id: this.#steps.length, size: 0 });
        this.#open.set(descriptor as number, this.#names.get(name) as Node);
        if (flags === 'w') throw new Error('not recorded: opening with truncation');
      }
    });
    wrap('closeSync', (_, descriptor) => this.#open.delete(descriptor as number));
    wrap('writeSync', (written, descriptor, bytes, offset, _length, position) => {
      const file = node(descriptor);
      if (!file) return;
      const start = (offset as number | undefined) ?? 0;
      const copy = Buffer.from((bytes as Uint8Array).slice(start, start + (written as number)));
      if (typeof position !== 'number' && typeof position !== 'bigint')
        throw new Error('not recorded: write without position');
      this.#steps.push({ kind: 'write', node: file, position: Number(position), bytes: copy });
    });
    wrap('ftruncateSync', (_, descriptor, size) => {
      const file = node(descriptor);
      if (file) this.#steps.push({ kind: 'truncate', node: file, size: size as number });
    });
    for (const call of ['fsyncSync', 'fdatasyncSync'] as const) {
      wrap(call, (_, descriptor) => {
        const file = this.#open.get(descriptor as number);
        if (file === 'directory') this.#steps.push({ kind: 'sync-names' });
        else if (file) this.#steps.push({ kind: 'sync', node: file });
      });
    }
    wrap('linkSync', (_, from, to) => this.#rename(basename(to as string), this.#names.get(basename(from as string))));
    wrap('renameSync', (_, from, to) => {
      this.#rename(basename(to as string), this.#names.get(basename(from as string)));
      this.#rename(basename(from as string), undefined);
    });
    for (const call of ['unlinkSync', 'rmSync'] as const) {
      wrap(call, (_, path) => {
        if (inside(path) && this.#names.has(basename(path as string)))
          this.#rename(basename(path as string), undefined);
      });
    }
  }

  /** Notes that so many events have been acknowledged by now. */
  acknowledged(events: number): void {
    this.#steps.push({ kind: 'acknowledged', events });
  }

  /**
   * Cuts the power at each moment at which something was synced, named or acknowledged, and within every n-th write:
   * writes what could be left into `target` and says how many events had been acknowledged. `random`: from 0 to 1.
   */
  *cuts(
    target: string,
    random: () => number,
    everyWrite: number,
  ): Generator<{ readonly step: number; readonly events: number }> {
    const disk = new DiskAfterCut();
    for (const [step, change] of this.#steps.entries()) {
      disk.take(change);
      if (change.kind === 'write' && step % everyWrite !== 0) continue;
      disk.writeTo(target, random);
      yield { step, events: disk.events };
    }
  }

  stop(): void {
    sinon.restore();
  }

  #rename(name: string, node: Node | undefined): void {
    if (node) this.#names.set(name, node);
    else this.#names.delete(name);
    this.#steps.push({ kind: 'name', name, node });
  }
}

/** What is on the disk for sure, and what may be. */
class DiskAfterCut {
  readonly #durable = new Map<Node, Content>();
  readonly #pending = new Map<Node, Step[]>();
  readonly #names = new Map<string, Node>();
  #pendingNames: (Step & { kind: 'name' })[] = [];
  events = 0;

  take(step: Step): void {
    switch (step.kind) {
      case 'acknowledged':
        this.events = step.events;
        break;
      case 'name':
        this.#pendingNames.push(step);
        break;
      case 'sync-names':
        for (const change of this.#pendingNames) applyName(this.#names, change);
        this.#pendingNames = [];
        break;
      case 'sync':
        for (const change of this.#pending.get(step.node) ?? []) this.#durableContent(step.node).apply(change);
        this.#pending.set(step.node, []);
        break;
      default: {
        const pending = this.#pending.get(step.node) ?? [];
        pending.push(step);
        this.#pending.set(step.node, pending);
      }
    }
  }

  writeTo(target: string, random: () => number): void {
    mkdirSync(target);
    const names = new Map(this.#names);
    // Journalling file systems keep names in order.
    for (const change of this.#pendingNames.slice(0, Math.floor(random() * (this.#pendingNames.length + 1))))
      applyName(names, change);
    for (const [name, node] of names) {
      const content = this.#durableContent(node).copy();
      for (const step of this.#pending.get(node) ?? []) {
        const luck = random();
        if (luck < 0.4) content.apply(step);
        else if (luck < 0.7) for (const sector of sectorsOf(step)) if (random() < 0.5) content.apply(sector);
      }
      writeFileSync(join(target, name), content.bytes);
    }
  }

  #durableContent(node: Node): Content {
    const content = this.#durable.get(node) ?? new Content();
    this.#durable.set(node, content);
    return content;
  }
}

class Content {
  #buffer: Buffer;
  #size: number;

  constructor(bytes: Uint8Array = Buffer.alloc(0)) {
    this.#buffer = Buffer.from(bytes);
    this.#size = bytes.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  copy(): Content {
    return new Content(this.bytes);
  }

  apply(step: Step): void {
    if (step.kind === 'truncate') this.#resize(step.size);
    if (step.kind !== 'write') return;
    this.#resize(Math.max(this.#size, step.position + step.bytes.length));
    step.bytes.copy(this.#buffer, step.position);
  }

  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(2 * size);
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    }
    if (size < this.#size) this.#buffer.fill(0, size, this.#size);
    this.#size = size;
  }
}

function wrap(call: keyof typeof fs, after: (result: unknown, ...parameters: unknown[]) => void): void {
  const original = fs[call] as (...parameters: unknown[]) => unknown;
  sinon.stub(fs, call as 'openSync').callsFake(((...parameters: unknown[]) => {
    const result = original(...parameters);
    after(result, ...parameters);
    return result;
  }) as never);
}

function applyName(names: Map<string, Node>, { name, node }: Step & { kind: 'name' }): void {
  if (node) names.set(name, node);
  else names.delete(name);
}

/** A torn write reaches the disk in sectors, in any order. */
function* sectorsOf(step: Step): Generator<Step> {
  if (step.kind !== 'write') return;
  const end = step.position + step.bytes.length;
  for (let from = step.position; from < end; ) {
    const to = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR);
    yield { ...step, position: from, bytes: step.bytes.subarray(from - step.position, to - step.position) };
    from = to;
  }
}
