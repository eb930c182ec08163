/** One machine on a sandbox of its own, and the node that signs for it. */
export function signingFlow({ port, format, anchor }: { port: number; format: string; anchor: boolean }): object[] {
  const common = { z: 'flow', x: 0, y: 0 };
  return [
    { id: 'flow', type: 'tab', label: 'bench' },
    { id: 'ledger', type: 'iota-ledger', name: '', network: 'sandbox-tangle', port, deviceBrokerPort: 0 },
    {
      id: 'machine',
      type: 'iota-machine',
      name: '',
      ledger: 'ledger',
      key: 'bench',
      accountIndex: 0,
      tag: 'me1:log',
      batchCount: 1000,
      batchSeconds: 2,
    },
    {
      id: 'sign',
      type: 'iota-sign-data',
      machine: 'machine',
      format,
      anchor,
      schema: '',
      readers: [],
      ...common,
      wires: [['signed'], ['proved']],
    },
    { id: 'signed', type: 'bench-sink', ...common, wires: [] },
    { id: 'proved', type: 'bench-sink', ...common, wires: [] },
  ];
}
