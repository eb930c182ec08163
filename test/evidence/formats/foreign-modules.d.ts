/** What the tests use of foreign verifiers that come without types. */
declare module '@digitalbazaar/data-integrity' {
  export class DataIntegrityProof {
    constructor(options: { signer?: object; date?: string | Date; cryptosuite: object });
  }
}

declare module '@digitalbazaar/eddsa-jcs-2022-cryptosuite' {
  export function createSignCryptosuite(): object;
  export function createVerifyCryptosuite(): object;
}

declare module '@digitalbazaar/ed25519-multikey' {
  export function from(key: object): Promise<{ signer(): object }>;
}

declare module 'jsonld-signatures' {
  interface Options {
    suite: object | object[];
    purpose: object;
    documentLoader(url: string): Promise<object>;
  }
  const signatures: {
    sign(document: object, options: Options): Promise<object>;
    verify(document: object, options: Options): Promise<{ verified: boolean; error?: unknown }>;
    purposes: { AssertionProofPurpose: new () => object };
  };
  export default signatures;
}
