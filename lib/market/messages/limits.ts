/** Bytes of one signed message. */
export const MOST_MESSAGE_BYTES = 64 * 1024;

/** Milliseconds from `at` to `expires`: for so long a seen-set has to remember it. */
export const LONGEST_VALIDITY = 7 * 24 * 3_600 * 1_000;

/** Of the parameters of a call, and of the schema that an offer has for them: the rest of the message needs room, too. */
export const MOST_PARAMETERS = { bytes: 48 * 1024, values: 5_000 };

/** Amounts of base units fit into 64 bits on every ledger. */
export const MOST_AMOUNT_DIGITS = 20;
