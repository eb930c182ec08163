import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import type { BuySettings } from '../../../lib/market';
import { failuresOf, MarketStage, type Puppet, stateOf } from '../market-stage';
import type { SimulatedTrader } from '../simulation/trader';

const MONEY = 1_000_000n;

describe('a buyer among sellers that mean no good', () => {
  let stage: MarketStage;
  let buyer: SimulatedTrader;
  let anna: Puppet;
  let bob: Puppet;

  beforeEach(async () => {
    stage = new MarketStage();
    buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
    anna = stage.puppet('anna');
    bob = stage.puppet('bob');
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });

  async function call(settings: Partial<BuySettings> = {}): Promise<string> {
    const contractId = await stage.buy(buyer, settings);
    await stage.until('the call is heard', () => [anna, bob].every((one) => one.got('call').length > 0));
    return contractId;
  }

  async function paid(): Promise<string> {
    const contractId = await call();
    anna.propose(100n);
    await stage.until('it is accepted', () => anna.got('accept').length > 0);
    anna.confirm();
    await stage.until('it is paid', () => anna.got('paid').length > 0);
    return contractId;
  }

  /** Documents, leaves of the log, events of the journal. */
  function written(contractId: string): number[] {
    const sql = buyer.life?.journal?.sql;
    const count = (query: string, ...values: string[]) => Number(sql?.get(query, values)?.['n']);
    return [
      count('SELECT count(*) AS n FROM contract_documents WHERE contract_id = ?', contractId),
      count('SELECT count(*) AS n FROM leaves'),
      buyer.life?.journal?.head.sequence ?? 0,
    ];
  }

  it('has place for the others, however much nonsense one of them proposes', async () => {
    const contractId = await call();
    for (let count = 0; count < 150; count += 1) anna.propose(5n, { amount: '4' });
    await stage.pass(500);
    bob.propose(50n);
    await stage.until('bob is taken', () => bob.got('accept').length > 0);
    assert.ok(anna.got('reject').length <= 3, `${anna.got('reject').length} answers`);
    assert.equal(stateOf(buyer, contractId, 'buyer'), 'ACCEPTING');
  });

  for (const [kind, say] of [
    [
      'readings',
      (contractId: string, previous: string) => {
        const startedAt = new Date(stage.timeline.now()).toISOString();
        anna.say('delivered', {
          to: buyer.did,
          contractId,
          previous,
          body: { final: false, quantity: '1', startedAt, endedAt: null },
        });
      },
    ],
    [
      'refusals',
      (contractId: string, previous: string) => {
        anna.say('reject', {
          to: buyer.did,
          contractId,
          previous,
          body: { reason: 'underpaid', text: 'x'.repeat(2_000) },
        });
      },
    ],
    [
      'deliveries',
      (contractId: string, previous: string) => {
        const at = new Date(stage.timeline.now()).toISOString();
        anna.say('delivered', {
          to: buyer.did,
          contractId,
          previous,
          body: { final: true, quantity: '1', startedAt: at, endedAt: at },
        });
      },
    ],
    [
      'confirmations',
      (contractId: string) => {
        const accept = anna.got('accept')[0];
        assert.ok(accept);
        anna.say('accept', {
          to: buyer.did,
          contractId,
          previous: accept.hash,
          body: { amount: '100', payBy: new Date(stage.timeline.now() + 60_000).toISOString() },
        });
      },
    ],
  ] as [string, (contractId: string, previous: string) => void][]) {
    it(`writes little for very many ${kind}`, async () => {
      const contractId = await paid();
      const before = written(contractId);
      const previous = anna.got('paid')[0]?.hash ?? '';
      for (let count = 0; count < 300; count += 1) say(contractId, previous);
      await stage.pass(20_000);
      const grown = written(contractId).map((count, index) => count - (before[index] ?? 0));
      assert.ok(
        grown.every((count) => count <= 80),
        `${grown}`,
      );
    });
  }

  it('does not begin to pay whoever calls it off before', async () => {
    const contractId = await call();
    let tries = 0;
    anna.propose(100n);
    await stage.until('it is accepted', () => anna.got('accept').length > 0);
    buyer.account.refuses = () => {
      tries += 1;
      return new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger is away');
    };
    anna.confirm();
    await stage.until('it cannot pay', () => tries > 0);
    anna.answer('cancel', { reason: 'withdrawn', text: null, refund: null });
    await stage.pass(500);
    buyer.account.refuses = () => undefined;
    await stage.until('it is over', () => stateOf(buyer, contractId, 'buyer') === 'CANCELLED');
    assert.equal(stage.ledger.transfers.length, 0);
    await stage.until('it is told', () => failuresOf(buyer)[0]?.detail === 'called-off');
  });

  it('pays nothing that could not be paid back, since a refund takes a larger deposit', async () => {
    buyer.account.refuses = ({ amount, reference }) =>
      Number(amount) < String(reference).length
        ? new CodedError('DEPOSIT_TOO_SMALL', 'default', 'less than the ledger keeps')
        : undefined;
    await call();
    anna.propose(40n);
    await stage.until('it gives up', () => failuresOf(buyer)[0]?.code === 'DEPOSIT_TOO_SMALL');
    await call();
    await stage.pass(500);
    anna.propose(43n);
    await stage.until('it is taken', () => anna.got('accept').length > 0);
  });
});
