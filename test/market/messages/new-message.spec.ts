import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  addressOfDid,
  hashOf,
  messageDocument,
  newMessage,
  readOldMessage,
  referenceOf,
  refundPaymentIdOf,
  refundReferenceOf,
} from '../../../lib/market';
import { addressHash, parseAddress, writeAddress } from '../../../lib/values';
import { refused } from '../../evidence/formats/signers';
import { BEGIN, BUYER, CALL_BODY, FORM, messagesOfADeal, NETWORK, SELLER } from '../deal';

describe('a new message', () => {
  it('has an id of its own, which begins with its time, and says when it ends', () => {
    const parts = { from: BUYER.did, to: null, network: NETWORK, contractId: null, previous: null, body: CALL_BODY };
    const write = () => newMessage('call', { ...parts, at: BEGIN, expires: BEGIN + 1 }, randomBytes);
    const { id, ...message } = write();
    const { body, ...more } = parts;
    assert.deepEqual(message, {
      ...more,
      v: 1,
      type: 'call',
      at: '2026-05-04T12:00:00.000Z',
      expires: '2026-05-04T12:00:00.001Z',
      body,
    });
    assert.equal(Number.parseInt(id.replace('-', '').slice(0, 12), 16), BEGIN);
    assert.notEqual(write().id, id);
  });

  it('is never signed when it would be refused for its size', () => {
    const document = (length: number) =>
      messageDocument(BUYER.message('call', { ...CALL_BODY, parameters: 'ä'.repeat(length / 2) }));
    const most = 62_000;
    const { text } = BUYER.sign(BUYER.message('call', { ...CALL_BODY, parameters: 'ä'.repeat(most / 2) }));
    assert.ok(!('refused' in readOldMessage(JSON.parse(text))));
    assert.ok(document(most).text.length > 0);
    const error = refused('DATA_TOO_LARGE', 'message', () => document(64_600));
    assert.deepEqual(error.parameters, { limit: 64 });
  });

  it('is refused when a flow put something into it that is no data', () => {
    const write = (parameters: unknown) => messageDocument(BUYER.message('call', { ...CALL_BODY, parameters }));
    refused('DATA_NOT_CANONICAL', 'number', () => write(Number.NaN));
    refused('DATA_NOT_CANONICAL', 'type', () => write(() => 1));
  });
});

describe('the names in a deal', () => {
  const { call, proposal } = messagesOfADeal();

  it('are hashes of signed texts', () => {
    assert.equal(hashOf(call.text), createHash('sha256').update(Buffer.from(call.text, 'utf8')).digest('hex'));
    assert.equal(
      hashOf('ä'),
      createHash('sha256')
        .update(Buffer.from([0xc3, 0xa4]))
        .digest('hex'),
    );
    assert.equal(call.hash, proposal.message.contractId);
  });

  it('make the references of what is paid and what goes back', () => {
    const contractId = '0123456789abcdef'.repeat(4);
    assert.equal(referenceOf(contractId), 'me1:0123456789abcdef0123456789abcdef');
    assert.equal(refundReferenceOf(contractId), 'me1:0123456789abcdef0123456789abcdef/refund');
  });

  it('give one refund to one received payment', () => {
    const id = refundPaymentIdOf('sandbox-1:0xabc:0');
    assert.match(id, /^refund:[0-9a-f]{48}$/);
    assert.equal(refundPaymentIdOf('sandbox-1:0xabc:0'), id);
    assert.notEqual(refundPaymentIdOf('sandbox-1:0xabc:1'), id);
    // RFC 6234
    assert.equal(refundPaymentIdOf('abc'), 'refund:ba7816bf8f01cfea414140de5dae2223b00361a396177a9c');
  });

  it('lead from a did to its account, on every ledger', () => {
    const hash = addressHash(SELLER.key.publicKey);
    assert.equal(addressOfDid(SELLER.did, FORM), writeAddress(hash, FORM));
    assert.equal(parseAddress(addressOfDid(SELLER.did, FORM), FORM), SELLER.address);
    assert.equal(addressOfDid(SELLER.did, { kind: 'hex' }), `0x${Buffer.from(hash).toString('hex')}`);
    refused('ADDRESS_INVALID', 'did', () => addressOfDid('did:web:example.com', FORM));
  });
});
