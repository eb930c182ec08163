import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Contract } from '../../lib/market';
import type { Receipt } from '../../lib/payments';
import { buyNode, offerNode, type SideOptions, sideFlow } from './market-side-flow';
import { MeetingPlace } from './meeting-place';
import { type NodeRedProcess, UserDirectory } from './node-red-process';
import { balanceOnLedger, SandboxLedger } from './sandbox-ledger';

const LIMIT_MS = 60_000;
const POLL_MS = 50;
/** What every world's first machine buys of its second. */
export const DEAL = 'deal';

/** What left a node. */
export interface Told {
  readonly payload: unknown;
  readonly topic?: string;
  readonly contractId?: string;
  readonly redelivered?: boolean;
  readonly error?: { readonly code?: string; readonly message: string; readonly source?: { readonly id: string } };
  readonly [property: string]: unknown;
}

interface Line {
  /** `<node>-<output>` */
  readonly output: string;
  readonly told: Told;
}

/** What every output of an offer node carries. */
export interface Event {
  readonly contractId: string | null;
  readonly event: string;
  readonly reason?: string;
  readonly amount?: string;
  readonly [more: string]: unknown;
}

/** A Node-RED of its own with one machine that sells or buys. */
export class Side {
  address = '';
  did = '';
  #process: NodeRedProcess | undefined;

  private constructor(
    readonly options: SideOptions,
    readonly directory: UserDirectory,
    readonly ledgerUrl: string,
    private readonly logFile: string,
  ) {}

  static async start(
    options: SideOptions,
    surroundings: { ledger: Readonly<Record<string, unknown>>; brokerPort: number; protocolVersion?: string },
  ): Promise<Side> {
    const directory = await UserDirectory.create();
    const logFile = join(directory.path, 'told.jsonl');
    const { url } = surroundings.ledger as { url: string };
    const side = new Side(options, directory, url, logFile);
    await directory.writeFlows(sideFlow(options, { ...surroundings, logFile }));
    try {
      await side.restart();
      await side.#funded();
    } catch (error) {
      await side.stop();
      throw error;
    }
    return side;
  }

  async #funded(): Promise<void> {
    const { address, did } = await this.eventually('money from the faucet', async () => {
      await this.tell('wallet', { topic: 'balance' });
      const { payload } = this.told('wallet-0').at(-1) ?? {};
      const known = (payload ?? {}) as { available?: string; address: string; did: string };
      return BigInt(known.available ?? 0) > 0n ? known : undefined;
    });
    this.address = address;
    this.did = did;
  }

  get log(): string {
    return this.#process?.log ?? '';
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Resolves when what it offers stands again, and can be called for. */
  async restart(): Promise<void> {
    const before = this.#lines().length;
    this.#process = await this.directory.start();
    const nodes = [
      ...(this.options.offers ?? []).map(({ service }) => offerNode(service)),
      ...(this.options.buys ?? []).map(({ service }) => buyNode(service)),
    ];
    await this.eventually(
      'all nodes to be ready',
      async () => {
        const green = new Set(
          this.#lines()
            .slice(before)
            .filter(({ output }) => output === 'status-0')
            .map(({ told }) => told['status'] as { fill?: string; source: { id: string } })
            // Blue: it delivers already.
            .filter(({ fill }) => fill === 'green' || fill === 'blue')
            .map(({ source }) => source.id),
        );
        const missing = nodes.filter((node) => !green.has(node));
        if (missing.length > 0) throw new Error(`not ready: ${missing.join(', ')}`);
        return true;
      },
      2 * LIMIT_MS,
    );
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    await this.directory.remove();
  }

  /** Puts a message into a node. */
  async tell(node: string, message: object): Promise<void> {
    const response = await fetch(`${this.directory.url}/tell/${node}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${node} cannot be told anything: ${response.status}`);
  }

  /** What has left an output so far, also before it was killed. */
  told(output: string): Told[] {
    return this.#lines()
      .filter((line) => line.output === output)
      .map(({ told }) => told);
  }

  hears(output: string, fits: (told: Told) => boolean = () => true, limitMs = LIMIT_MS): Promise<Told> {
    return this.eventually(`something from ${output}`, async () => this.told(output).find(fits), limitMs);
  }

  /** An event of an offer, of any of its outputs. */
  async event(service: string, contractId: string | null, name: string, limitMs = LIMIT_MS): Promise<Event> {
    const found = () => this.events(service, contractId).find(({ event }) => event === name);
    return this.eventually(`"${name}" of ${service}`, async () => found(), limitMs);
  }

  events(service: string, contractId: string | null): Event[] {
    return [0, 1, 2]
      .flatMap((output) => this.told(`${offerNode(service)}-${output}`))
      .map(({ payload }) => payload as Event)
      .filter((event) => event.contractId === contractId);
  }

  /** Progress of a purchase. */
  async progress(service: string, fits: (event: Event) => boolean, limitMs = LIMIT_MS): Promise<Event> {
    const { payload } = await this.hears(`${buyNode(service)}-1`, ({ payload }) => fits(payload as Event), limitMs);
    return payload as Event;
  }

  /** Starts a purchase; resolves with its contractId once its call is signed. */
  async buy(service: string, payload: object = {}): Promise<string> {
    const called = () =>
      this.told(`${buyNode(service)}-1`)
        .map(({ payload: progress }) => progress as Event)
        .filter(({ event }) => event === 'called');
    const before = called().length;
    await this.tell(buyNode(service), { payload: { quantity: '2', ...payload } });
    return this.eventually(`a call for ${service}`, async () => called()[before]?.contractId ?? undefined);
  }

  /** Pays by hand, as a person or a faulty machine would. */
  async pay(to: string, amount: string, reference: string): Promise<Receipt> {
    const paymentId = `by-hand-${reference}-${Math.random()}`;
    await this.tell('pay', { payload: { to, amount, reference, paymentId } });
    const { payload } = await this.hears('pay-0', ({ payload }) => (payload as Receipt).paymentId === paymentId);
    return payload as Receipt;
  }

  /** Ends of contracts as this machine's books have them, the last one of each. */
  contracts(): Map<string, Contract> {
    return new Map(
      this.told('contracts-0').map(({ payload }) => {
        const contract = payload as Contract;
        return [contract.contractId, contract];
      }),
    );
  }

  async ended(contractId: string, limitMs = LIMIT_MS): Promise<Contract> {
    return this.eventually(`the end of ${contractId}`, async () => this.contracts().get(contractId), limitMs);
  }

  /** How a contract ended for the seller of this service; a proposal that nobody took is no contract, and cost nothing. */
  verdictOfSeller(service: string, contractId: string): string | undefined {
    const contract = this.contracts().get(contractId);
    if (contract) return contract.status;
    const names = this.events(service, contractId).map(({ event }) => event);
    const came = ['inquiry', 'proposed', 'accepted', 'start'].some((name) => names.includes(name));
    const over = ['rejected', 'expired', 'cancelled'].some((name) => names.includes(name));
    return over || !came ? 'cancelled' : undefined;
  }

  errors(): Told[] {
    return this.told('error-0');
  }

  onLedger(): Promise<bigint> {
    return balanceOnLedger(this.ledgerUrl, this.address);
  }

  async eventually<T>(what: string, look: () => Promise<T | undefined>, limitMs = LIMIT_MS): Promise<T> {
    const limit = Date.now() + limitMs;
    let last: unknown;
    while (Date.now() < limit) {
      try {
        const found = await look();
        if (found !== undefined) return found;
      } catch (error) {
        last = error;
      }
      await pause(POLL_MS);
    }
    const lines = this.#lines()
      .filter(({ output }) => !/^(status|wallet)/.test(output))
      .map((line) => JSON.stringify(line).slice(0, 300));
    const told = lines.slice(-12).join('\n');
    throw new Error(
      `${this.options.name}: not within ${limitMs} ms: ${what} (${String(last)})\n${told}\n${this.log.slice(-1_000)}`,
    );
  }

  #lines(): Line[] {
    if (!existsSync(this.logFile)) return [];
    return readFileSync(this.logFile, 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Line];
        } catch {
          // Cut off by a kill.
          return [];
        }
      });
  }
}

/** A ledger, a place to meet, and machines, each in a Node-RED of its own. */
export class World {
  readonly #before = new Map<Side, bigint>();
  /** Contracts from before. */
  readonly #old = new Set<string>();

  private constructor(
    readonly ledger: SandboxLedger,
    readonly place: MeetingPlace,
    readonly sides: readonly Side[],
  ) {}

  /** @param broker another place to meet, of somebody else */
  static async open(
    sides: readonly SideOptions[],
    broker?: { readonly port: number; readonly protocolVersion: string },
  ): Promise<World> {
    const ledger = await SandboxLedger.start();
    const place = new MeetingPlace();
    await place.open();
    const { url, faucetUrl } = ledger;
    const surroundings = {
      ledger: { network: 'tangle', url, faucetUrl },
      brokerPort: broker?.port ?? place.port,
      ...(broker && { protocolVersion: broker.protocolVersion }),
    };
    const started = await Promise.allSettled(sides.map((options) => Side.start(options, surroundings)));
    const running = started.flatMap((side) => (side.status === 'fulfilled' ? [side.value] : []));
    const world = new World(ledger, place, running);
    try {
      for (const side of started) if (side.status === 'rejected') throw side.reason;
      await world.#begin();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async #begin(): Promise<void> {
    await this.#warmUp();
    for (const side of this.sides) {
      this.#before.set(side, await side.onLedger());
      for (const contractId of side.contracts().keys()) this.#old.add(contractId);
    }
  }

  /** The first deal in a process takes longer than all others: an SDK is loaded, a log begins. */
  async #warmUp(): Promise<void> {
    const [buyer, seller] = this.sides as [Side, Side];
    await buyer.eventually('a first deal', async () => {
      const { status } = await this.settled(buyer, seller, await buyer.buy(DEAL));
      return status === 'completed' || undefined;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.sides.map((side) => side.stop()));
    await this.place.close();
    await this.ledger.stop();
  }

  /** What a side has gained since the beginning (lost: negative), on the ledger. */
  async gain(side: Side): Promise<bigint> {
    return (await side.onLedger()) - (this.#before.get(side) ?? 0n);
  }

  /** Both sides end in the same verdict, whatever happened between them. */
  async settled(buyer: Side, seller: Side, contractId: string, limitMs = LIMIT_MS): Promise<Contract> {
    return buyer.eventually(
      'one verdict',
      async () => {
        const contract = buyer.contracts().get(contractId);
        if (!contract) throw new Error(`none for the buyer of ${contractId}`);
        const theirs = seller.verdictOfSeller(contract.service, contractId);
        if (theirs !== contract.status) throw new Error(`${contract.status} and ${theirs} for ${contractId}`);
        return contract;
      },
      limitMs,
    );
  }

  /** What the verdicts of all contracts say together is what the ledger says. */
  async conserved(buyer: Side, seller: Side): Promise<void> {
    await buyer.eventually('the money to be where the verdicts say', async () => {
      const paid = [...buyer.contracts().values()]
        .filter(({ status, contractId }) => status === 'completed' && !this.#old.has(contractId))
        .reduce((sum, { amount }) => sum + BigInt(amount ?? 0), 0n);
      assert.deepEqual([await this.gain(buyer), await this.gain(seller)], [-paid, paid]);
      return true;
    });
  }
}
