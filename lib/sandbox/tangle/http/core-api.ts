import { blockFromJson, blockToJson, decodeBlock, InvalidBlockError, milestoneToJson, outputToJson } from '../codec';
import { DECIMALS, V_BYTE_FACTOR_DATA, V_BYTE_FACTOR_KEY } from '../parameters';
import type { StoredMilestone, StoredOutput } from '../storage';
import { type BlockMetadata, milestoneOf, type Tangle } from '../tangle';
import { type Answer, BINARY, bytes, HttpError, json } from './answer';
import { hexParameter, jsonBody, numberParameter, path, type Request, type Route, wantsBinary } from './router';

const BASE = '/api/core/v2';

/** By its name a client knows that it talks to one of our sandboxes. */
export const NODE_NAME = 'machine-economy-sandbox';
export const NODE_VERSION = '2.0.1';

export interface NodeHealth {
  isHealthy(): boolean;
}

/** The routes of HORNET's core API (`/api/core/v2`) that concern blocks, transactions, outputs and milestones. */
export function coreRoutes(tangle: Tangle, health: NodeHealth): Route[] {
  const get = (pattern: string, answer: Route['answer']): Route => ({
    method: 'GET',
    path: path(BASE + pattern),
    answer,
  });
  return [
    get('/info', () => json(info(tangle, health))),
    get('/tips', () => json({ tips: tangle.tips() })),
    { method: 'POST', path: path(`${BASE}/blocks`), answer: (request) => postBlock(tangle, request) },
    get('/blocks/:id', (request, id) => blockAnswer(tangle, request, hexParameter(id!, 32, 'blockID'))),
    get('/blocks/:id/metadata', (_, id) => metadataAnswer(tangle, hexParameter(id!, 32, 'blockID'))),
    get('/transactions/:id/included-block', (request, id) => blockAnswer(tangle, request, includedBlock(tangle, id!))),
    get('/transactions/:id/included-block/metadata', (_, id) => metadataAnswer(tangle, includedBlock(tangle, id!))),
    get('/outputs/:id', (request, id) => {
      const output = outputAt(tangle, id!);
      if (wantsBinary(request)) return bytes(Buffer.from(output.bytes));
      return json(outputJson(output, tangle.latest.index));
    }),
    get('/outputs/:id/metadata', (_, id) => json(outputMetadata(outputAt(tangle, id!), tangle.latest.index))),
    get('/milestones/by-index/:index', (request, index) => milestoneAnswer(request, milestoneAt(tangle, index!))),
    get('/milestones/by-index/:index/utxo-changes', (_, index) => changes(tangle, indexParameter(index!))),
    get('/milestones/:id', (request, id) => milestoneAnswer(request, milestoneById(tangle, id!))),
    get('/milestones/:id/utxo-changes', (_, id) => changes(tangle, milestoneById(tangle, id!).index)),
  ];
}

export function info(tangle: Tangle, health: NodeHealth): unknown {
  const { parameters, latest, pruningIndex } = tangle;
  const { version, networkName, bech32Hrp, minPowScore, belowMaxDepth, vByteCost, tokenSupply } = parameters;
  const milestone = milestoneInfo(latest);
  return {
    name: NODE_NAME,
    version: NODE_VERSION,
    status: { isHealthy: health.isHealthy(), latestMilestone: milestone, confirmedMilestone: milestone, pruningIndex },
    supportedProtocolVersions: [version],
    protocol: {
      version,
      networkName,
      bech32Hrp,
      minPowScore,
      belowMaxDepth,
      rentStructure: { vByteCost, vByteFactorData: V_BYTE_FACTOR_DATA, vByteFactorKey: V_BYTE_FACTOR_KEY },
      tokenSupply: tokenSupply.toString(),
    },
    pendingProtocolParameters: [],
    baseToken: {
      name: 'IOTA',
      tickerSymbol: 'IOTA',
      unit: 'IOTA',
      subunit: 'micro',
      decimals: DECIMALS,
      useMetricPrefix: false,
    },
    metrics: tangle.rates(),
    features: tangle.features,
  };
}

export function milestoneInfo({ index, timestamp, id }: StoredMilestone): unknown {
  return { index, timestamp, milestoneId: id };
}

/** @param parentsMember `parents` over HTTP, `parentBlockIds` over MQTT */
export function blockMetadataJson(
  metadata: BlockMetadata,
  parentsMember: 'parents' | 'parentBlockIds' = 'parents',
): unknown {
  const { blockId, parents, isSolid, milestoneIndex, referenced, shouldReattach } = metadata;
  return {
    blockId,
    [parentsMember]: parents,
    isSolid,
    ...(referenced && { referencedByMilestoneIndex: referenced.by }),
    ...(milestoneIndex !== undefined && { milestoneIndex }),
    ...(referenced && { ledgerInclusionState: referenced.state }),
    ...(referenced?.conflict !== undefined && { conflictReason: referenced.conflict }),
    ...(shouldReattach !== undefined && { shouldPromote: false, shouldReattach }),
    ...(referenced && { whiteFlagIndex: referenced.whiteFlagIndex }),
  };
}

export function outputJson(output: StoredOutput, ledgerIndex: number): unknown {
  return { metadata: outputMetadata(output, ledgerIndex), output: outputToJson(output.output) };
}

function outputMetadata(
  { outputId, blockId, bookedIndex, bookedAt, isSpent, spent }: StoredOutput,
  ledgerIndex: number,
): unknown {
  return {
    blockId,
    transactionId: outputId.slice(0, 66),
    outputIndex: Buffer.from(outputId.slice(66), 'hex').readUInt16LE(),
    isSpent,
    ...(spent && { milestoneIndexSpent: spent.index, milestoneTimestampSpent: spent.at, transactionIdSpent: spent.by }),
    milestoneIndexBooked: bookedIndex,
    milestoneTimestampBooked: bookedAt,
    ledgerIndex,
  };
}

async function postBlock(tangle: Tangle, request: Request): Promise<Answer> {
  const type = request.headers['content-type'] ?? '';
  let blockId: string;
  if (type.startsWith(BINARY)) blockId = await tangle.attachBytes(request.body);
  else if (type.startsWith('application/json')) {
    const body = jsonBody(request);
    blockId = await tangle.attachBlock(parsed(() => blockFromJson(body)));
  } else throw new HttpError(415);
  return json({ blockId }, 201, { location: blockId });
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidBlockError) throw new HttpError(400, `invalid block, error: ${error.message}`);
    throw error;
  }
}

function blockAnswer(tangle: Tangle, request: Request, id: `0x${string}`): Answer {
  const content = tangle.block(id);
  if (!content) throw new HttpError(404, `block not found: ${id}`);
  return wantsBinary(request) ? bytes(content) : json(blockToJson(decodeBlock(content).block));
}

function metadataAnswer(tangle: Tangle, id: `0x${string}`): Answer {
  const metadata = tangle.metadata(id);
  if (!metadata) throw new HttpError(404, `block not found: ${id}`);
  return json(blockMetadataJson(metadata));
}

// The block is found through the transaction's first output, as in HORNET: known as long as that output is.
function includedBlock(tangle: Tangle, transactionId: string): `0x${string}` {
  const id = hexParameter(transactionId, 32, 'transactionID');
  const output = tangle.store.output(`${id}0000`);
  if (!output) throw new HttpError(404, `output for transaction not found: ${id}`);
  return output.blockId;
}

function outputAt(tangle: Tangle, outputId: string): StoredOutput {
  const id = hexParameter(outputId, 34, 'outputID');
  const output = tangle.store.output(id);
  if (!output) throw new HttpError(404, `output not found: ${id}`);
  return output;
}

function indexParameter(index: string): number {
  return numberParameter(index, 0xffff_ffff, 'milestoneIndex');
}

function milestoneAt(tangle: Tangle, index: string): StoredMilestone {
  const milestone = tangle.store.milestone(indexParameter(index));
  if (!milestone) throw new HttpError(404, `milestone index not found: ${index}`);
  return milestone;
}

function milestoneById(tangle: Tangle, id: string): StoredMilestone {
  const milestone = tangle.store.milestoneById(hexParameter(id, 32, 'milestoneID'));
  if (!milestone) throw new HttpError(404, `milestone not found: ${id}`);
  return milestone;
}

function milestoneAnswer(request: Request, milestone: StoredMilestone): Answer {
  return wantsBinary(request) ? bytes(milestone.payload) : json(milestoneToJson(milestoneOf(milestone)));
}

function changes(tangle: Tangle, index: number): Answer {
  if (index <= tangle.pruningIndex || index > tangle.latest.index) {
    throw new HttpError(404, `can't load milestone diff for index: ${index}, error: key not found`);
  }
  const { created, consumed } = tangle.store.changes(index);
  return json({ index, createdOutputs: created, consumedOutputs: consumed });
}
