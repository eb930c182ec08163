/** `npm run bench [-- --json FILE]`: every figure with what was measured beside it in the same run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { removeUserDirectory, userDirectory } from './embedded-node-red';
import { asJson, asTable, type Figure, median, percentile } from './figure';
import { fleetFlow } from './fleet';
import { runScenario } from './scenario';
import type { MarketMeasured } from './scenarios/market';
import type { OpenOffersMeasured } from './scenarios/open-offers';
import type { PaymentsMeasured } from './scenarios/payments';
import type { ProofsMeasured } from './scenarios/proofs';
import type { SigningMeasured } from './scenarios/signing';
import { sizeAndStart } from './size-and-start';

const CATCH_UP = 1000;

async function payments(): Promise<Figure[]> {
  const measured = await runScenario<PaymentsMeasured>('payments', { machines: 10, oneByOne: 60, atOnce: 1000 });
  const { total, ours, oneByOnePerSecond, atOncePerSecond, idleDelay, loadedDelay, bareRequest } = measured;
  const latency = (name: string, share: number): Figure[] => [
    {
      name: `receipt-${name}`,
      value: percentile(total, share),
      unit: 'ms',
      baseline: 1000,
      against: 'a milestone',
    },
    {
      name: `receipt-ours-${name}`,
      value: percentile(ours, share),
      unit: 'ms',
      baseline: median(bareRequest),
      against: 'a bare request to the node',
    },
  ];
  return [
    {
      name: 'payments',
      value: atOncePerSecond,
      unit: '1/s',
      baseline: oneByOnePerSecond,
      against: 'one machine, one payment after the other',
    },
    ...latency('p50', 0.5),
    ...latency('p99', 0.99),
    { name: 'event-loop-p99', value: loadedDelay, unit: 'ms', baseline: idleDelay, against: 'idle' },
  ];
}

/** Readings through a flow, signed and proved, beside `crypto.sign` of the same bytes in the same process. */
async function signing(): Promise<Figure[]> {
  const plain = await runScenario<SigningMeasured>('signing', {
    readings: 100_000,
    format: 'data-integrity',
    anchor: false,
  });
  const jws = await runScenario<SigningMeasured>('signing', { readings: 100_000, format: 'jws', anchor: false });
  const proved = await runScenario<SigningMeasured>('signing', {
    readings: 1_000_000,
    format: 'data-integrity',
    anchor: true,
  });
  const raw = { unit: '1/s', against: 'crypto.sign of the same bytes' };
  return [
    { name: 'signed-readings', value: plain.signedPerSecond, baseline: plain.rawSignPerSecond, ...raw },
    { name: 'signed-readings-jws', value: jws.signedPerSecond, baseline: jws.rawSignPerSecond, ...raw },
    { name: 'proved-readings', value: proved.evidencePerSecond, baseline: proved.rawSignPerSecond, ...raw },
    {
      name: 'sign-event-loop-p99',
      value: plain.eventLoopDelay,
      unit: 'ms',
      baseline: plain.idleDelay,
      against: 'idle',
    },
    {
      name: 'prove-event-loop-p99',
      value: proved.eventLoopDelay,
      unit: 'ms',
      baseline: proved.idleDelay,
      against: 'idle',
    },
    {
      name: 'million-readings',
      value: proved.seconds,
      unit: 's',
      baseline: 1_000_000 / proved.rawSignPerSecond,
      against: 'a million times crypto.sign',
    },
    { name: 'million-transactions', value: proved.transactions, unit: '', baseline: 1_000_000, against: 'readings' },
    {
      name: 'million-memory',
      value: proved.residentBytes / 1e6,
      unit: 'MB',
      baseline: plain.residentBytes / 1e6,
      against: 'the process with 100,000 and no evidence',
    },
    {
      name: 'million-disk',
      value: proved.diskBytes / 1e6,
      unit: 'MB',
      baseline: 32,
      against: 'the hashes of the leaves alone',
    },
    {
      name: 'evidence-bytes',
      value: proved.evidenceBytes,
      unit: 'byte',
      baseline: proved.documentBytes,
      against: 'the signed document',
    },
  ];
}

/** Proofs from a log, and verdicts on documents with evidence, beside what cannot be avoided. */
async function proofs(): Promise<Figure[]> {
  const measured = await runScenario<ProofsMeasured>('proofs');
  return [
    {
      name: 'proofs',
      value: measured.proofsPerSecond,
      unit: '1/s',
      baseline: measured.hashesPerSecond,
      against: 'SHA-256 of two hashes',
    },
    {
      name: 'verifications',
      value: measured.verificationsPerSecond,
      unit: '1/s',
      baseline: measured.rawVerifyPerSecond,
      against: 'crypto.verify of the same bytes',
    },
  ];
}

/** Machines that buy and sell, on a broker of its own; and strangers who shout at them. */
async function market(): Promise<Figure[]> {
  const measured = await runScenario<MarketMeasured>('market', {
    buyers: 10,
    sellers: 3,
    oneByOne: 10,
    each: 30,
    spam: 100_000,
  });
  const offers = await runScenario<OpenOffersMeasured>('open-offers', { cards: 10_000 });
  const { needToStart, needToStartPatiently, needToStartInSpam, payment } = measured;
  return [
    {
      name: 'negotiations',
      value: measured.negotiationsPerSecond,
      unit: '1/s',
      baseline: measured.rawPerSecond,
      against: `their messages signed and verified; ${measured.unanswered} of 300 unanswered in time`,
    },
    {
      name: 'negotiations-per-core',
      value: measured.negotiationsPerCoreSecond,
      unit: '1/s',
      baseline: measured.rawPerSecond,
      against: 'their messages signed and verified, and nothing else',
    },
    {
      name: 'deals',
      value: measured.dealsPerSecond,
      unit: '1/s',
      baseline: measured.negotiationsPerSecond,
      against: 'negotiations that nobody pays for',
    },
    {
      name: 'need-to-start',
      value: median(needToStart),
      unit: 'ms',
      baseline: measured.waitedForBids + median(payment),
      against: 'waiting for proposals, and a payment',
    },
    {
      name: 'need-to-start-in-spam',
      value: median(needToStartInSpam),
      unit: 'ms',
      baseline: median(needToStartPatiently),
      against: 'nobody shouting',
    },
    {
      name: 'need-to-start-in-spam-worst',
      value: Math.max(...needToStartInSpam),
      unit: 'ms',
      baseline: median(needToStartPatiently),
      against: 'nobody shouting',
    },
    {
      name: 'deals-in-spam',
      value: needToStartInSpam.length,
      unit: '',
      baseline: needToStartInSpam.length + measured.failedInSpam,
      against: 'needs while strangers shouted',
    },
    {
      name: 'spam',
      value: measured.spamPerSecond,
      unit: '1/s',
      baseline: measured.rawVerifyPerSecond,
      against: 'signatures that one core can verify',
    },
    {
      name: 'spam-event-loop-p99',
      value: measured.spamDelay,
      unit: 'ms',
      baseline: measured.idleDelay,
      against: 'idle',
    },
    {
      name: 'open-offers-memory',
      value: offers.memory / 1e6,
      unit: 'MB',
      baseline: offers.text / 1e6,
      against: `the text of ${offers.known} offers`,
    },
    {
      name: 'open-offers-read',
      value: (offers.known * 1000) / offers.reading,
      unit: '1/s',
      baseline: measured.rawVerifyPerSecond,
      against: 'signatures that one core can verify',
    },
  ];
}

async function withProofOfWork(): Promise<Figure[]> {
  const tangle = await startSandbox({ minPowScore: 1500 });
  try {
    const { url, faucetUrl } = tangle;
    const measured = await runScenario<PaymentsMeasured>('payments', {
      machines: 2,
      oneByOne: 2,
      atOnce: 10,
      url,
      faucetUrl,
    });
    return [
      {
        name: 'event-loop-p99-pow-1500',
        value: measured.loadedDelay,
        unit: 'ms',
        baseline: measured.idleDelay,
        against: 'idle',
      },
    ];
  } finally {
    await tangle.stop();
  }
}

async function listening(): Promise<Figure[]> {
  const tangle = await startSandbox({});
  const { url, faucetUrl } = tangle;
  const userDir = await userDirectory(
    fleetFlow({ machines: 1, ledger: { network: 'tangle', url, faucetUrl }, listens: true }),
  );
  try {
    const { address } = await runScenario<{ address: string }>('listen', { userDir, expect: 0 });
    const first = await milestone(url);
    await runScenario('fill', { url, faucetUrl, to: address, payments: CATCH_UP });
    const last = await milestone(url);
    const { eventsPerSecond } = await runScenario<{ eventsPerSecond: number }>('listen', { userDir, expect: CATCH_UP });
    return [
      {
        name: 'listen-catch-up',
        value: eventsPerSecond,
        unit: '1/s',
        baseline: await plainReading(url, first, last),
        against: 'outputs read one after the other over HTTP',
      },
    ];
  } finally {
    await tangle.stop();
    await removeUserDirectory(userDir);
  }
}

async function milestone(url: string): Promise<number> {
  const info = (await (await fetch(`${url}/api/core/v2/info`)).json()) as {
    status: { confirmedMilestone: { index: number } };
  };
  return info.status.confirmedMilestone.index;
}

/** Outputs per second that a plain client reads from the same milestones. */
async function plainReading(url: string, first: number, last: number): Promise<number> {
  const started = performance.now();
  let outputs = 0;
  for (let index = first + 1; index <= last; index += 1) {
    const changes = (await (await fetch(`${url}/api/core/v2/milestones/by-index/${index}/utxo-changes`)).json()) as {
      createdOutputs: string[];
    };
    for (const id of changes.createdOutputs) {
      await (await fetch(`${url}/api/core/v2/outputs/${id}`)).json();
      outputs += 1;
    }
  }
  return (outputs * 1000) / (performance.now() - started);
}

/** The embedded Tangle on its own, on a port that the system chooses. */
async function startSandbox(parameters: object) {
  const dataDir = mkdtempSync(join(tmpdir(), 'machine-economy-bench-'));
  const worker = new Worker(resolve(__dirname, '..', 'dist', 'sandbox-worker.js'), {
    workerData: { host: '127.0.0.1', port: 0, deviceBrokerPort: 0, dataDir, ...parameters },
  });
  const { ready } = await new Promise<{ ready: { url: string; faucetUrl: string } }>((answered, failed) => {
    worker.once('message', answered).once('error', failed);
  });
  return {
    ...ready,
    async stop() {
      await worker.terminate();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' }, only: { type: 'string' } } });
  const benchmarks = { size: sizeAndStart, payments, pow: withProofOfWork, listen: listening, signing, proofs, market };
  const figures: Figure[] = [];
  for (const [name, benchmark] of Object.entries(benchmarks)) {
    if (values.only && values.only !== name) continue;
    console.error(`measuring ${name} ...`);
    figures.push(...(await benchmark()));
  }
  console.log(asTable(figures));
  if (values.json) writeFileSync(values.json, asJson(figures));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
