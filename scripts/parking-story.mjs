/** What happens at the parking space, told from the messages of its devices: one line per business event. */

/** What a message on a topic means: the chapter of a car's story, and its words. */
const EVENTS = {
  'parking/7/presence': ({ occupied }) =>
    occupied ? ['come', 'a car stands before the barrier'] : ['left', 'the car has left'],
  'parking/7/quote': ({ minutes, iota, reference }) => [
    'quoted',
    `the parking space asks ${iota} IOTA for ${minutes} minutes (${reference})`,
  ],
  'car/paid': ({ amount, decimals, token, transactionId, status }) =>
    status === 'confirmed' && ['paid', `the car has paid ${inUnits(amount, decimals)} ${token} (${transactionId})`],
  'parking/7/barrier': ({ state, minutes }) =>
    state === 'open' ? ['opened', `the barrier opens for ${minutes} minutes`] : ['closed', 'the barrier closes'],
  'tax-office/received': ({ amount, decimals, token, reference }) => [
    'taxed',
    `the tax office has received ${inUnits(amount, decimals)} ${token} (${reference})`,
  ],
  'car/problem': ({ code, message }) => ['problem', `the car could not pay: ${code ?? ''} ${message ?? ''}`],
};

const CHAPTERS = {
  come: 'no car came',
  quoted: 'nothing was quoted',
  paid: 'the car has not paid',
  opened: 'the barrier did not open',
  left: 'the car did not leave',
  closed: 'the barrier did not close',
  taxed: 'the tax office has not received its share',
};

export class ParkingStory {
  #print;
  #told = new Set();
  #quoted = new Set();
  #completed;
  /** Resolves when the first car has come, paid, parked and left, and the tax share has arrived. */
  complete = new Promise((resolve) => {
    this.#completed = resolve;
  });

  /** @param {(line: string) => void} print */
  constructor(print) {
    this.#print = print;
  }

  tell(topic, text) {
    const meaning = EVENTS[topic];
    if (!meaning) return;
    const said = JSON.parse(text);
    const event = meaning(said);
    if (!event) return;
    const [chapter, line] = event;
    if (chapter === 'quoted') this.#quoted.add(said.reference);
    // A share counts when it belongs to what a car was asked for.
    if (chapter === 'taxed' && !this.#quoted.has(said.reference)) return;
    this.#print(`${new Date().toISOString().slice(11, 23)}  ${line}`);
    this.#told.add(chapter);
    if (this.missing().length === 0) this.#completed();
  }

  /** What has not happened yet, in words. */
  missing() {
    return Object.entries(CHAPTERS).flatMap(([chapter, words]) => (this.#told.has(chapter) ? [] : [words]));
  }
}

/** Base units as a decimal number of the token, exactly. */
function inUnits(amount, decimals) {
  const digits = amount.padStart(decimals + 1, '0');
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return `${digits.slice(0, digits.length - decimals)}${fraction && `.${fraction}`}`;
}
