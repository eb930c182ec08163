import { isCodedError } from '../../lib/errors';
import { compileSchema, type SignatureFormat } from '../../lib/evidence';
import type { EvidencedReading, LogStatus } from '../../lib/runtime';
import { configInvalid, failure } from '../failure';
import { onInput } from '../input';
import { machineLinks } from '../machine-link';
import { namesIn } from '../names';
import { type Api, copyOf, type IncomingMessage, type Message, type Node, type NodeDef, sendOn } from '../node-red';
import { settings } from '../settings';
import { failed, type Status } from '../status';
import { KeptMessages } from './kept-messages';
import { logLook, WAITING_FOR_LEDGER } from './log-look';

interface SignConfig extends NodeDef {
  readonly machine?: string;
  readonly format?: string;
  /** Evidence is wanted on output 2. */
  readonly anchor?: boolean;
  /** JSON Schema as text (or object); empty: anything is signed. */
  readonly schema?: unknown;
  /** Names of contacts or dids; none: everybody can read. */
  readonly readers?: unknown;
}

const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-sign-data.status.starting' };
const READY: Status = { fill: 'green', shape: 'ring', text: 'iota-sign-data.status.ready' };

const FORMATS: readonly string[] = ['data-integrity', 'jws'] satisfies SignatureFormat[];

/** Signs what passes, and sends it again once its place in the machine's log is on the ledger. */
export default function iotaSignData(RED: Api): void {
  const linkMachine = machineLinks(RED);
  /** By node id. They outlive a redeploy, as documents on their way to the ledger do. */
  const keptMessages = new Map<string, KeptMessages>();

  function SignDataNode(this: Node, config: SignConfig): void {
    RED.nodes.createNode(this, config);
    const kept = keptMessages.get(this.id) ?? new KeptMessages();
    keptMessages.set(this.id, kept);
    this.on('close', (removed: boolean, closed: () => void) => {
      if (removed) keptMessages.delete(this.id);
      closed();
    });

    const terms = settings(() => termsOf(config));
    const evidenceWanted = config.anchor !== false;
    let log: LogStatus | undefined;
    const look = (): Status => {
      if (terms.problem) return failed(terms.problem);
      return log ? logLook(log, evidenceWanted) : READY;
    };

    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: look,
      // Signing goes on without a ledger.
      down: (error) => {
        if (!error.code.startsWith('LEDGER_')) return failed(error);
        return evidenceWanted && !terms.problem ? WAITING_FOR_LEDGER : look();
      },
      whenStarted: (machine) => {
        const stops = [machine.onEvidence(this.id, handOver), machine.watchLog(showLog)];
        machine.logStatus().then(
          (status) => {
            if (stops.length > 0) showLog(status);
          },
          // The state of the machine says why.
          () => {},
        );
        return () => {
          for (const stop of stops.splice(0)) stop();
        };
      },
    });
    if (terms.problem) this.error(failure(RED, terms.problem));

    const showLog = (status: LogStatus) => {
      log = status;
      link.status.show(look());
    };

    const handOver = ({ payload, sequence, evidence, origin, redelivered }: EvidencedReading) => {
      const message = kept.take(sequence, origin.messageId) ?? {
        ...(origin.messageId !== undefined && { _msgid: origin.messageId }),
        ...(origin.topic !== undefined && { topic: origin.topic }),
        ...(redelivered && { redelivered: true }),
      };
      sendOn(this, [null, Object.assign(message, { payload, evidence })]);
    };

    onInput(
      RED,
      this,
      async (message, send) => {
        const { format, readers, check } = terms.value();
        const { payload } = message;
        check(payload);
        const reading = await link.machine().sign({
          payload,
          format,
          readers,
          ...(evidenceWanted && { origin: originOf(this, message) }),
        });
        if (evidenceWanted) kept.keep(reading.sequence, copyWithoutPayload(message));
        message.payload = reading.payload;
        send([message, null]);
      },
      (error) => {
        if (isCodedError(error)) link.status.show(failed(error));
      },
    );
  }

  /** The payload comes back with the evidence; the rest is copied, because the message itself goes on and may be changed. */
  function copyWithoutPayload(message: IncomingMessage): Message {
    const { payload: _, ...rest } = message;
    return copyOf(RED, rest);
  }

  RED.nodes.registerType('iota-sign-data', SignDataNode);
}

interface Terms {
  readonly format: SignatureFormat;
  readonly readers: readonly string[];
  /** @throws CodedError `SCHEMA_INVALID` */
  readonly check: (payload: unknown) => void;
}

function termsOf({ format = 'data-integrity', schema, readers }: SignConfig): Terms {
  if (!FORMATS.includes(format)) throw configInvalid('format', `no such format: ${format}`, { value: format });
  const none = schema === undefined || schema === null || schema === '';
  return {
    format: format as SignatureFormat,
    readers: namesIn(readers, 'readers'),
    check: none ? () => {} : compileSchema(schema),
  };
}

function originOf(node: Node, { topic, _msgid: messageId }: IncomingMessage) {
  return { nodeId: node.id, messageId, ...(typeof topic === 'string' && { topic }) };
}
